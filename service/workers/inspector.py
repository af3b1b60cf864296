"""A light worker beside the render workers, so that planning and listing engines never wait for a render."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from overscan.core.engines import Plan
from overscan.core.errors import CancelledError, UnknownEngineError, from_record
from overscan.core.jobs import Job
from overscan.service._errors import PlanTimeoutError, WorkerDiedError
from overscan.service._settings import Settings
from overscan.service.workers import messages
from overscan.service.workers.worker import Stop, Worker

_WAIT_SECONDS = 0.2
_ATTEMPTS = 2
_CHECKERS_MAX = 2
_ENGINE = "One of the installed engines crashes when it is loaded: remove it."
_FILE = "One of the job's files may be damaged in a way that crashes its reader: check them."


class Inspector:
    """Plans jobs and knows the engines; safe to use from any thread."""

    def __init__(self, *, settings: Settings, device: str | None = None) -> None:
        self._settings = settings
        # It plans for a device of the kind that renders.
        self._worker = Worker(name="inspector", settings=settings, device=device, plans_only=True)
        self._asking = threading.Lock()
        self._asked: float | None = None
        """When it last answered; None where nothing was asked since it ended."""
        self._engines: tuple[messages.EngineEntry, ...] | None = None
        self._checkers = tuple(Worker(name=f"verify-{number}", settings=settings) for number in range(_CHECKERS_MAX))
        self._idle = list(self._checkers)
        self._free = threading.Semaphore(_CHECKERS_MAX)
        self._picking = threading.Lock()

    def engines(self, *, stop: Stop) -> tuple[messages.EngineEntry, ...]:
        """The installed engines by name; asked for once."""
        if self._engines is None:
            found = self._ask(messages.ListEngines(), stop, doing="listing the engines", suspicion=_ENGINE)
            assert isinstance(found, tuple)
            self._engines = found
        return self._engines

    def engine(self, *, name: str, stop: Stop) -> messages.EngineEntry:
        """One engine, whether or not it loads; raises `UnknownEngineError`."""
        entries = self.engines(stop=stop)
        for entry in entries:
            if entry.name == name:
                return entry
        raise UnknownEngineError(
            f"there is no engine called '{name}'.",
            next_step=f"Installed engines: {', '.join(entry.name for entry in entries) or 'none'}.",
            field="engine",
            actual=name,
        )

    def plan(self, *, job: Job, stop: Stop, decide_only: bool = False) -> Plan:
        """The engine's plan for `job`, its files' problems included; with `decide_only`, what the policies say alone.

        Raises `PlanTimeoutError`, `WorkerDiedError` where reading the headers crashed the worker, `CancelledError`
        where `stop` asked, and whatever fault the engine has.
        """
        plan = self._ask(
            messages.MakePlan(job=job, decide_only=decide_only), stop, doing="planning the job", suspicion=_FILE
        )
        assert isinstance(plan, Plan)
        return plan

    def verify(self, *, result: str, plate: str, stop: Stop) -> Iterator[messages.FrameChecked | messages.Found]:
        """Check a result against its receipts and its plate, in a process that ends with it."""
        while not self._free.acquire(timeout=_WAIT_SECONDS):
            _raise_where_stopped(stop)
        with self._picking:
            worker = self._idle.pop()
        try:
            body = messages.VerifyResult(
                result=result,
                plate=plate,
                keys=self._settings.key_source,
                archive=str(self._settings.receipts),
            )
            for message in worker.ask(body=body, stop=stop, stop_seconds_max=self._settings.stop_seconds_max):
                if isinstance(message, (messages.FrameChecked, messages.Found)):
                    yield message
                elif isinstance(message, messages.Failed):
                    raise from_record(message.record)
        finally:
            worker.abandon()
            with self._picking:
                self._idle.append(worker)
            self._free.release()

    def rest(self) -> None:
        """End the worker that plans where nobody has asked it for long enough; the next question starts it again."""
        if self._asked is None or time.monotonic() - self._asked < self._settings.inspector_idle_seconds_max:
            return
        if self._asking.acquire(blocking=False):
            try:
                self._asked = None
                self._worker.abandon()
            finally:
                self._asking.release()

    def close(self) -> None:
        """End the worker processes."""
        for worker in (self._worker, *self._checkers):
            worker.close()

    def _ask(
        self, body: messages.Body, stop: Stop, *, doing: str, suspicion: str
    ) -> Plan | tuple[messages.EngineEntry, ...] | None:
        while not self._asking.acquire(timeout=_WAIT_SECONDS):
            _raise_where_stopped(stop)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            stop.request()

        try:
            for attempt in range(1, _ATTEMPTS + 1):
                timer = threading.Timer(self._settings.plan_seconds_max, give_up)
                timer.daemon = True
                timer.start()
                try:
                    return self._once(body, stop)
                except WorkerDiedError as death:
                    if late.is_set():
                        seconds = self._settings.plan_seconds_max
                        raise PlanTimeoutError(
                            f"{doing} took longer than {seconds:g} seconds.",
                            next_step="Look at the storage the files are on, or raise OVERSCAN_PLAN_SECONDS_MAX.",
                            expected=f"{seconds:g} s",
                        ) from None
                    _raise_where_stopped(stop)
                    if attempt == _ATTEMPTS:
                        raise WorkerDiedError(
                            f"the worker process died while {doing}: {death.record.actual}. {suspicion}",
                            next_step=f"The worker's log, {death.record.path}, has what it was doing.",
                            path=death.record.path,
                            actual=death.record.actual,
                        ) from None
                finally:
                    timer.cancel()
        finally:
            self._asked = time.monotonic()
            self._asking.release()
        raise AssertionError("unreachable")

    def _once(self, body: messages.Body, stop: Stop) -> Plan | tuple[messages.EngineEntry, ...] | None:
        # planning looks at no order to stop, so that it is killed at once
        for message in self._worker.ask(body=body, stop=stop, stop_seconds_max=0.0):
            if isinstance(message, messages.Finished):
                return message.value
            if isinstance(message, messages.Failed):
                raise from_record(message.record)
        raise AssertionError("unreachable")


def _raise_where_stopped(stop: Stop) -> None:
    if stop.requested:
        raise CancelledError("the caller has gone.")
