"""Light workers beside the render workers, so that planning and listing engines never wait for a render."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from overscan.core.engines import Plan
from overscan.core.errors import CancelledError, UnknownEngineError, from_record
from overscan.core.jobs import Job
from overscan.service._errors import PlanTimeoutError, WorkerDiedError
from overscan.service._settings import Settings
from overscan.service.security.roots import NamedPath
from overscan.service.workers import messages
from overscan.service.workers.pool import Pool
from overscan.service.workers.worker import Stop, Worker

_PATIENCE_SECONDS = 2.0
"""A question that takes longer than that is slow enough for another worker to be started for the next one."""
_STALL_SECONDS = 30.0
"""One that takes longer than that may never be answered: calls behind it hold threads of the service for nothing. Less
may be the time in which a new process loads an engine's libraries."""
_LOOK_SECONDS = 0.2
_ATTEMPTS = 2
_CHECKERS = 3
_ENGINE = "One of the installed engines crashes when it is loaded: remove it."
_FILE = "One of the job's files may be damaged in a way that crashes its reader: check them."


class Inspector:
    """Plans jobs and knows the engines; safe to use from any thread."""

    def __init__(self, *, settings: Settings, device: str | None = None) -> None:
        self._settings = settings
        # They plan for a device of the kind that renders.
        planners = [
            Worker(name=f"inspector-{number}", settings=settings, device=device, plans_only=True)
            for number in range(settings.planners)
        ]
        self._planners = Pool(workers=planners, patience_seconds=_PATIENCE_SECONDS, stall_seconds=_STALL_SECONDS)
        checkers = [Worker(name=f"verify-{number}", settings=settings) for number in range(_CHECKERS)]
        self._checkers = Pool(workers=checkers, patience_seconds=0.0)
        self._engines: tuple[messages.EngineEntry, ...] | None = None
        self._listing = threading.Lock()

    def engines(self, *, stop: Stop) -> tuple[messages.EngineEntry, ...]:
        """The installed engines by name; asked for once."""
        while self._engines is None:  # what loads them first may take long, and nobody is to be blamed for that
            if stop.requested:
                raise CancelledError("the caller has gone.")
            if self._listing.acquire(timeout=_LOOK_SECONDS):
                try:
                    self._engines = self._engines or self._list(stop)
                finally:
                    self._listing.release()
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

    def plan(self, *, job: Job, paths: tuple[NamedPath, ...], who: str, stop: Stop, decide_only: bool = False) -> Plan:
        """The engine's plan for `job`, its files' problems included; with `decide_only`, what the policies say alone.

        Where one of its `paths` leads out of the roots, the plan says that and nothing else. `who` asks: nobody's
        questions keep those of others waiting. Raises `PlanTimeoutError`, `QuotaError`, `WorkerDiedError` where reading
        the headers crashed the worker, `CancelledError` where `stop` asked, and whatever fault the engine has.
        """
        body = messages.MakePlan(job=job, paths=paths, decide_only=decide_only)
        plan = self._ask(body, who, stop, doing="planning the job", suspicion=_FILE)
        assert isinstance(plan, Plan)
        return plan

    def verify(
        self, *, result: str, plate: str, paths: tuple[NamedPath, ...], kept: Path | None, who: str, stop: Stop
    ) -> Iterator[messages.FrameChecked | messages.Found]:
        """Check a result against its receipts and its plate, in a process that ends with it.

        `paths` must not lead out of the roots. `kept` is the folder of a result that the service keeps, which that
        process may read besides; `who` asks.
        """
        body = messages.VerifyResult(
            result=result,
            plate=plate,
            paths=paths,
            keys=self._settings.key_source,
            archive=str(self._settings.receipts),
        )
        with self._checkers.lend(who=who, stop=stop) as worker:
            worker.also_reads = kept
            try:
                for message in worker.ask(body=body, stop=stop, stop_seconds_max=self._settings.stop_seconds_max):
                    if isinstance(message, (messages.FrameChecked, messages.Found)):
                        yield message
                    elif isinstance(message, messages.Failed):
                        raise from_record(message.record)
            finally:
                worker.abandon()

    def rest(self, *, keep_one: bool) -> None:
        """End workers that plan and were not asked for long enough, but for one where `keep_one`; the next question
        starts them again."""
        self._planners.rest(idle_seconds_max=self._settings.inspector_idle_seconds_max, keep_one=keep_one)

    def close(self) -> None:
        """End the worker processes."""
        for pool in (self._planners, self._checkers):
            pool.close()

    def _list(self, stop: Stop) -> tuple[messages.EngineEntry, ...]:
        found = self._ask(messages.ListEngines(), "", stop, doing="listing the engines", suspicion=_ENGINE)
        assert isinstance(found, tuple)
        return found

    def _ask(
        self, body: messages.Body, who: str, stop: Stop, *, doing: str, suspicion: str
    ) -> Plan | tuple[messages.EngineEntry, ...] | None:
        with self._planners.lend(who=who, stop=stop) as worker:
            late = threading.Event()

            def give_up() -> None:
                late.set()
                stop.request()

            for attempt in range(1, _ATTEMPTS + 1):
                timer = threading.Timer(self._settings.plan_seconds_max, give_up)
                timer.daemon = True
                timer.start()
                try:
                    return _once(worker, body, stop)
                except WorkerDiedError as death:
                    if late.is_set():
                        seconds = self._settings.plan_seconds_max
                        raise PlanTimeoutError(
                            f"{doing} took longer than {seconds:g} seconds.",
                            next_step="Look at the storage the files are on, or raise OVERSCAN_PLAN_SECONDS_MAX.",
                            expected=f"{seconds:g} s",
                        ) from None
                    if stop.requested:
                        raise CancelledError("the caller has gone.") from None
                    if attempt == _ATTEMPTS:
                        raise WorkerDiedError(
                            f"the worker process died while {doing}: {death.record.actual}. {suspicion}",
                            next_step=f"The worker's log, {death.record.path}, has what it was doing.",
                            path=death.record.path,
                            actual=death.record.actual,
                        ) from None
                finally:
                    timer.cancel()
        raise AssertionError("unreachable")


def _once(worker: Worker, body: messages.Body, stop: Stop) -> Plan | tuple[messages.EngineEntry, ...] | None:
    # planning looks at no order to stop, so that it is killed at once
    for message in worker.ask(body=body, stop=stop, stop_seconds_max=0.0):
        if isinstance(message, messages.Finished):
            return message.value
        if isinstance(message, messages.Failed):
            raise from_record(message.record)
    raise AssertionError("unreachable")
