"""Decides which step runs when, and what becomes of a job.

One lock guards all state in memory. Whatever is decided is written to the store first and only then done in memory,
so that a full disk or a kill at any point loses nothing but the step in flight.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import OperationalError

from overscan.core.errors import DiskFullError, ErrorRecord
from overscan.core.frames import format_frames
from overscan.core.orders import ReceiptOrder
from overscan.core.temporaries import remove_temporaries
from overscan.service import _messages as messages
from overscan.service._convert import plan_from_wire
from overscan.service._errors import ServiceClosingError, WorkerDiedError
from overscan.service._events import EventLog
from overscan.service._job_run import Assignment, JobRun, Stopping
from overscan.service._receipts import receipt_order
from overscan.service._recorder import Recorder
from overscan.service._retention import cache_days_max, is_overdue, remove_work_folders, trim_cache
from overscan.service._settings import Settings
from overscan.service._spec import to_job
from overscan.service._store import Store
from overscan.v1.job_pb2 import JobSpec, JobState, StepState
from overscan.v1.plan_pb2 import Plan

_LOG = logging.getLogger(__name__)
_DEATHS_MAX = 3


class Scheduler:
    """The queue of jobs, and the ones being worked on."""

    def __init__(self, *, store: Store, log: EventLog, settings: Settings) -> None:
        self._store = store
        self._record = Recorder(store=store, log=log)
        self._settings = settings
        self._changed = threading.Condition(threading.RLock())
        self._runs: dict[str, JobRun] = {}
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether no more work is given out."""
        return self._closing

    def resume(self) -> None:
        """Take up what an earlier service left: interrupted jobs go back to the queue."""
        for row in self._store.unfinished():
            if row.cancel_requested:
                remove_temporaries(folder=Path(JobSpec.FromString(row.spec).output.path).parent, owner=row.id)
                self._record.cancelled(job_id=row.id)
                continue
            if row.state != JobState.JOB_STATE_QUEUED:
                _LOG.info("job %s was interrupted and goes on", row.id)
                self._record.interrupted(job_id=row.id)
            self.add(job_id=row.id)

    def add(self, *, job_id: str) -> None:
        """Queue a stored job; one that cannot be read any more fails."""
        with self._changed:
            row = self._store.job(job_id=job_id)
            if job_id in self._runs or row.state != JobState.JOB_STATE_QUEUED:
                return
            try:
                run = self._load(row)
            except Exception as error:
                _LOG.exception("job %s cannot be read from the store", job_id)
                record = ErrorRecord(
                    code="INTERNAL",
                    message=f"the stored job cannot be read: {error}",
                    next_step="It may come from another version of Overscan; create it again.",
                )
                self._record.failed(job_id=job_id, error=record)
                return
            self._runs[job_id] = run
            self._changed.notify_all()

    def tidy(self) -> None:
        """Drop what nobody needs any more: old events, left work folders, the oldest of the cache."""
        try:
            self._record.prune()
        except (DiskFullError, OperationalError) as error:
            _LOG.warning("old events stay: %s", error)
        remove_work_folders(jobs=self._settings.jobs, unneeded=self._unneeded)
        days_max = cache_days_max(policies=self._settings.policies)
        trim_cache(cache=self._settings.cache, bytes_max=self._settings.cache_bytes_max, days_max=days_max)

    def has_work(self) -> bool:
        """Whether any job has not ended."""
        with self._changed:
            return bool(self._runs)

    def progress(self, *, job_id: str) -> tuple[float, dict[str, float]] | None:
        """Progress of a job that has not ended, and of its running steps."""
        with self._changed:
            run = self._runs.get(job_id)
            if run is None:
                return None
            return run.progress(), {work.id: work.fraction for work in run.running.values()}

    def take(self, *, timeout_seconds: float) -> Assignment | None:
        """The next piece of work, waiting for it; None after the timeout and when the service is closing.

        Jobs of higher priority go first, then older ones; a younger job gets what an older one cannot use.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while not self._closing:
                for run in sorted(self._runs.values(), key=lambda run: run.order):
                    work = run.take()
                    if work is None:
                        continue
                    try:
                        self._record.begin(work)
                    except BaseException:
                        run.give_back(work)
                        raise
                    run.started = run.announced = True
                    self._record.progress(work, work.title)
                    return work
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
        return None

    def receipt_order(self, run: JobRun) -> ReceiptOrder:
        """What a worker needs to make the job's receipt."""
        return receipt_order(row=self._store.job(job_id=run.id), plan=run.plan, settings=self._settings)

    def tick(self) -> None:
        """Called a few times a second: says what was held back."""
        with self._changed:
            for run in self._runs.values():
                self._record.late_progress(run)

    def report(self, work: Assignment, report: messages.Report) -> None:
        """Something a worker said about its work."""
        with self._changed:
            if isinstance(report, messages.Progress):
                work.fraction = report.fraction
                self._record.progress(work, report.message)
            elif isinstance(report, messages.FrameFinished):
                self._record.frame_finished(work, report)
                work.frames_done.append(report.frame)
            elif isinstance(report, messages.PreviewMade):
                self._record.preview(work, report)
            elif isinstance(report, messages.Warned):
                self._record.warn(work.run, report.notice)
            elif isinstance(report, messages.FrameChecked):
                work.count(report)
                self._record.progress(work, f"checking frame {report.frame} against the plate")

    def finished(self, work: Assignment) -> None:
        """The work is done."""
        run = work.run
        with self._changed:
            if work.step is not None:
                work.fraction = 1.0
                self._record.step_done(work)
                run.mark_done(work)
                self._settle(run)
            elif run.stopping is not None:
                run.give_back(work)
                self._settle(run)
            else:
                self._record.verified(work)
                self._forget(run)
                if not work.differing:
                    shutil.rmtree(self._settings.jobs / run.id, ignore_errors=True)

    def failed(self, work: Assignment, record: ErrorRecord) -> None:
        """The work could not be done: the job fails, unless it was being stopped anyway."""
        with self._changed:
            if work.run.stopping is None:
                self._fail(work, record)
            else:
                self._record.step_pending(work)
            work.run.give_back(work)
            self._settle(work.run)

    def died(self, work: Assignment, death: WorkerDiedError) -> None:
        """The worker died: try again, but not for ever."""
        run = work.run
        with self._changed:
            failing = False
            if run.stopping is None:
                deaths = self._record.count_death(work)
                failing = deaths >= _DEATHS_MAX
                _LOG.warning("job %s, %s: %s (%d of %d)", run.id, work.id, death, deaths, _DEATHS_MAX)
            if failing:
                self._fail(work, _death_record(work, death))
            else:
                self._record.step_pending(work)
            run.give_back(work)
            self._settle(run)

    def cancel(self, *, job_id: str, wait_seconds: float) -> None:
        """Stop a job, and wait until it has; nothing happens to one that has ended."""
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            run = self._runs.get(job_id)
            if run is None:
                return
            if run.stopping in (None, Stopping.SHUTDOWN):
                self._record.cancel_requested(job_id=job_id)
            if run.stopping is None:
                self._stop(run, Stopping.CANCEL)
                self._settle(run)
            while self._runs.get(job_id) is run and time.monotonic() < deadline and not self._closing:
                self._changed.wait(max(deadline - time.monotonic(), 0.0))

    def retry(self, *, job_id: str, wait_seconds: float, check: Callable[[Row[Any]], None]) -> None:
        """Queue a failed or cancelled job again; nothing happens to any other.

        Frames whose files are gone are rendered again, and where its work folder is gone, all of it is. `check` may
        refuse the job as the store has it by raising.
        """
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            if self._closing:
                raise ServiceClosingError("the service is closing.", next_step="Try again in a moment.")
            while (run := self._runs.get(job_id)) is not None and run.stopping and time.monotonic() < deadline:
                self._changed.wait(max(deadline - time.monotonic(), 0.0))
            row = self._store.job(job_id=job_id)
            if row.state in (JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED):
                check(row)
                gone = [
                    frame.frame
                    for frame in self._store.frames(job_id=job_id)
                    if frame.path and not Path(frame.path).exists()
                ]
                anew = not (self._settings.jobs / job_id).is_dir()
                self._record.retried(job_id=job_id, gone=gone, anew=anew)
                self.add(job_id=job_id)

    def close(self) -> None:
        """Give out no more work, and have running steps stop; their jobs go back to the queue."""
        with self._changed:
            self._closing = True
            for run in list(self._runs.values()):
                if run.stopping is None:
                    self._stop(run, Stopping.SHUTDOWN)
                    self._settle(run)
            self._changed.notify_all()

    def _unneeded(self, job_id: str) -> bool:
        """Whether nobody may go on with a job: it is done, gone, or ended longer ago than its policy keeps it."""
        state = self._store.state(job_id=job_id)
        if state in (None, JobState.JOB_STATE_SUCCEEDED):
            return True
        row = self._store.job(job_id=job_id)
        return row.ended_us is not None and is_overdue(
            policies=self._settings.policies, show=row.show, shot=row.shot, ended_us=row.ended_us
        )

    def _settle(self, run: JobRun) -> None:
        """End a job whose stopped steps have all come back, leaving nothing of a killed worker beside its frames."""
        if run.stopping is not None and not run.running:
            remove_temporaries(folder=Path(run.job.output.path).parent, owner=run.id)
            if run.stopping is Stopping.CANCEL:
                self._record.cancelled(job_id=run.id)
            elif run.stopping is Stopping.FAIL:
                self._record.failed(job_id=run.id, error=run.error)
            elif run.announced:
                self._record.interrupted(job_id=run.id)
            self._forget(run)
        self._changed.notify_all()

    def _forget(self, run: JobRun) -> None:
        self._runs.pop(run.id, None)
        self._record.forget(job_id=run.id)
        self._changed.notify_all()

    def _fail(self, work: Assignment, record: ErrorRecord) -> None:
        self._record.step_failed(work, record)
        work.run.error = record
        self._stop(work.run, Stopping.FAIL)

    def _stop(self, run: JobRun, reason: Stopping) -> None:
        run.stopping = reason
        for work in run.running.values():
            work.stop.request()

    def _load(self, row: Row[Any]) -> JobRun:
        steps = self._store.steps(job_id=row.id)
        return JobRun(
            job_id=row.id,
            ordinal=row.ordinal,
            priority=row.priority,
            job=to_job(JobSpec.FromString(row.spec), parameters=json.loads(row.parameters)),
            plan=plan_from_wire(Plan.FromString(row.plan)),
            done=[step.step_id for step in steps if step.state == StepState.STEP_STATE_DONE],
            started=row.started_us is not None,
        )


def _death_record(work: Assignment, death: WorkerDiedError) -> ErrorRecord:
    """What to tell the artist when a step's worker died too often."""
    where, suspect = "while checking the result against the plate", None
    if work.step is not None:
        done = set(work.frames_done)
        suspect = next((frame for frame in work.step.frames if frame not in done), None)
        about = f" (frames {format_frames(work.step.frames)})" if work.step.frames else ""
        at = f", at or after frame {suspect}" if suspect is not None else ""
        where = f"in step '{work.step.id}'{about}{at}"
    return ErrorRecord(
        code=death.record.code,
        message=f"the worker process died {_DEATHS_MAX} times {where}; the last time by {death.record.actual}.",
        next_step=f"{death.record.next_step} Check that frame's files and the memory that is free, then retry the job.",
        path=death.record.path,
        frame=suspect,
        actual=death.record.actual,
    )
