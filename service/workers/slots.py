"""Render slots: threads that each keep one worker busy with the scheduler's work."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from overscan.core.errors import ErrorRecord
from overscan.service._errors import WorkerDiedError
from overscan.service._settings import Settings
from overscan.service.operations import metrics
from overscan.service.operations.logs import log_context
from overscan.service.scheduling.job_run import Assignment
from overscan.service.scheduling.lineup import STORE_FAULTS
from overscan.service.scheduling.scheduler import Scheduler
from overscan.service.workers import messages
from overscan.service.workers.logs import attach, shown
from overscan.service.workers.worker import Worker, WorkerState

_LOG = logging.getLogger(__name__)
_STORE_RETRY_SECONDS = 2.0
_LOGGED = frozenset({"STEP_FAILED", "ENGINE_FAULT", "INTERNAL", "WORKER_LOST", "WORKER_STUCK", "OUT_OF_MEMORY"})
"""Failures that the worker's log may say more about."""
_REMOUNTED = frozenset({"SHARE_LOST", "OUTPUT_NOT_WRITABLE", "UNREADABLE_IMAGE", "MISSING_FRAMES"})
"""Failures that a share which was mounted anew may leave behind in a worker with `bounds`: what it may read and write
is about the shares that were there when it was started."""


class Slot(threading.Thread):
    """Takes work, has its worker do it, reports what came of it. Lives as long as the service."""

    def __init__(self, *, number: int, scheduler: Scheduler, settings: Settings, device: str | None = None) -> None:
        super().__init__(name=f"slot-{number}")
        self._scheduler = scheduler
        self._settings = settings
        self._worker = Worker(name=f"render-{number}", settings=settings, device=device)
        self._closing = threading.Event()

    def status(self) -> WorkerState:
        """How its worker does."""
        return self._worker.status()

    def close(self) -> None:
        """Have the thread end once the scheduler gives out no more work."""
        self._closing.set()

    def run(self) -> None:
        """Work until the scheduler closes."""
        while not self._scheduler.closing:
            try:
                work = self._scheduler.take(timeout_seconds=self._settings.worker_idle_seconds_max, slot=self.name)
            except STORE_FAULTS as error:
                _LOG.error("the job store cannot be written, trying again: %s", error)
                self._closing.wait(_STORE_RETRY_SECONDS)
                continue
            except Exception:  # a service whose slots have died looks healthy and does nothing
                _LOG.exception("no work could be taken, trying again")
                self._closing.wait(_STORE_RETRY_SECONDS)
                continue
            if work is None:
                self._worker.abandon()
                continue
            with log_context(job_id=work.run.id, step_id=work.id, worker=self._worker.name):
                try:
                    outcome = self._carry_out(work)
                except Exception:  # the slot must live on for other jobs
                    _LOG.exception("what came of '%s' could not be written down", work.id)
                    outcome = "failed"
            metrics.step_ended(
                engine=work.run.job.engine,
                kind=work.id if work.step is None else work.step.kind,
                outcome="stopped" if work.stop.requested and outcome != "done" else outcome,
                seconds=time.monotonic() - work.begun,
            )
        self._worker.close()

    def _carry_out(self, work: Assignment) -> str:
        """Have a piece of work done; returns its outcome, as `metrics.step_ended` names it."""
        scheduler = self._scheduler
        try:
            try:
                ending = self._ask(work)
            except WorkerDiedError as error:
                death = error
                death.record = self._with_log(work, death.record)
                self._persist(lambda: scheduler.died(work, death))
                return "died"
            if isinstance(ending, messages.Finished):
                self._persist(lambda: scheduler.finished(work))
                return "done"
            record = self._with_log(work, ending.record)
            bounded = bool(self._settings.roots_read or self._settings.roots_write)
            if record.code == "OUT_OF_MEMORY" or (bounded and record.code in _REMOUNTED):
                self._worker.abandon()  # with all that it kept, and was let
            self._persist(lambda: scheduler.failed(work, record))
        except Exception as error:  # whatever it was, the other jobs go on
            _LOG.exception("job %s, %s could not be carried out", work.run.id, work.id)
            self._worker.abandon()
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            record = ErrorRecord(
                code="DISK_FULL" if full else "INTERNAL",
                message=f"the service could not carry out '{work.id}': {type(error).__name__}: {error}",
                next_step="See the service's log.",
            )
            self._persist(lambda: scheduler.failed(work, record))
        return "failed"

    def _ask(self, work: Assignment) -> messages.Ending:
        run = work.run
        work_folder = str(self._settings.jobs / run.id)
        body: messages.Body
        if work.step is None:
            body = messages.VerifyJob(
                job=run.job,
                work_folder=work_folder,
                cache_folder=str(self._settings.cache),
                receipt=self._scheduler.receipt_order(run),
            )
        else:
            body = messages.RunStep(
                job=run.job,
                plan=run.plan,
                step_id=work.step.id,
                work_folder=work_folder,
                cache_folder=str(self._settings.cache),
                keys=self._settings.key_source,
                frugal=work.frugal,
            )
        if work.frugal:
            self._worker.abandon()  # what it keeps for other steps may be what is in the way
        seconds = self._settings.stop_seconds_max
        for message in self._worker.ask(body=body, stop=work.stop, stop_seconds_max=seconds):
            if isinstance(message, (messages.Finished, messages.Failed)):
                return message
            if isinstance(message, messages.FrameFinished):
                metrics.frame_finished(engine=run.job.engine)
            report = message
            self._persist(lambda report=report: self._scheduler.report(work, report))  # type: ignore[misc]
        raise AssertionError("a worker ended without an ending")

    def _with_log(self, work: Assignment, record: ErrorRecord) -> ErrorRecord:
        """A record with the end of what the worker said about this work, which is kept with the job."""
        if record.code not in _LOGGED:
            return record
        said = self._worker.said()
        path = attach(said, work_folder=self._settings.jobs / work.run.id, name=work.id)
        if path is None:
            return record
        next_step = record.next_step.replace(str(self._worker.log_path), str(path))
        if str(path) not in next_step:
            next_step = f"{next_step} The worker's log is {path}.".strip()
        actual = "\n".join(part for part in (record.actual, shown(said)) if part)
        return replace(record, path=str(path), next_step=next_step, actual=actual)

    def _persist(self, call: Callable[[], None]) -> None:
        """Make `call`, again and again where the store cannot be written: what a worker did must not be forgotten."""
        while True:
            try:
                call()
                return
            except STORE_FAULTS as error:
                _LOG.error("the job store cannot be written, trying again: %s", error)
                if self._closing.wait(_STORE_RETRY_SECONDS):
                    return
