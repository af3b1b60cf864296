"""What users and their dependencies do to jobs: let in, cancel, pause, resume, move, retry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from overscan.core.errors import ErrorRecord, InputChangedError
from overscan.service._settings import Settings
from overscan.service.scheduling.job_run import Stopping
from overscan.service.scheduling.lineup import Lineup
from overscan.service.scheduling.retries import forget_what_was_made
from overscan.service.store.writer import ENDED, Writer
from overscan.v1.job_pb2 import JobState
from overscan.v1.plan_pb2 import Problem

_RETRIED = (JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)


class JobControl:
    """Changes jobs on request. Safe to use from any thread."""

    def __init__(self, *, lineup: Lineup, settings: Settings) -> None:
        self._lineup = lineup
        self._settings = settings

    def enter(self, *, job_id: str) -> None:
        """Queue a new job that is stored already, unless somebody has changed it since."""
        self._lineup.add(job_id=job_id)

    @contextmanager
    def planning(self) -> Iterator[None]:
        """While a job that waited for others is being planned: the service must not take itself for idle."""
        with self._lineup.changed:
            self._lineup.being_planned += 1
        try:
            yield
        finally:
            with self._lineup.changed:
                self._lineup.being_planned -= 1

    def admit(self, *, job_id: str, change: Callable[[Writer], None], check: Callable[[], None]) -> None:
        """Queue a job that waited for others, now that it is planned; nothing happens to one that does not wait.

        `change` writes the plan. `check` may refuse by raising, before anything is written.
        """
        with self._lineup.changed:
            if self._lineup.waits(job_id):
                check()
                self._lineup.record.planned(job_id=job_id, change=change)
                self._lineup.add(job_id=job_id)

    def refuse(self, *, job_id: str, error: ErrorRecord) -> None:
        """A job that waited for others cannot be run; nothing happens to one that does not wait."""
        with self._lineup.changed:
            if self._lineup.waits(job_id):
                self._lineup.record.failed(job_id=job_id, error=error)
                self._lineup.forget(job_id)

    def cancel(self, *, job_id: str, wait_seconds: float) -> None:
        """Stop a job, and wait until it has; nothing happens to one that has ended."""
        deadline = time.monotonic() + wait_seconds
        with self._lineup.changed:
            run = self._lineup.runs.get(job_id)
            if run is None:
                row = self._lineup.store.job(job_id=job_id)
                if row.state not in ENDED:
                    self._lineup.clean(row)
                    self._lineup.record.cancelled(job_id=job_id)
                    self._lineup.forget(job_id)
                return
            if run.stopping in (None, Stopping.SHUTDOWN, Stopping.PAUSE):
                self._lineup.record.cancel_requested(job_id=job_id)
            if run.stopping in (None, Stopping.PAUSE):
                self._lineup.stop(run, Stopping.CANCEL)
                self._lineup.settle(run)
            self._lineup.wait_for_end(run, deadline)

    def pause(self, *, job_id: str, wait_seconds: float) -> None:
        """Hold a job back, and wait until nothing of it runs; nothing happens to one that is held back already.

        Raises `JobEndedError`, and `ServiceClosingError`.
        """
        deadline = time.monotonic() + wait_seconds
        with self._lineup.changed:
            self._lineup.require_open()
            run = self._lineup.runs.get(job_id)
            if run is not None and run.stopping in (Stopping.CANCEL, Stopping.FAIL):
                self._lineup.wait_for_end(run, deadline)
            row = self._lineup.require_not_ended(job_id, "paused")
            if run is None or self._lineup.runs.get(job_id) is not run:
                if row.state != JobState.JOB_STATE_PAUSED:
                    self._lineup.record.paused(job_id=job_id)
                    self._lineup.forget(job_id)
                return
            if not row.paused:
                self._lineup.record.pause_requested(job_id=job_id)
            if run.stopping is None:
                self._lineup.stop(run, Stopping.PAUSE)
                self._lineup.settle(run)
            self._lineup.wait_for_end(run, deadline)

    def unpause(self, *, job_id: str, wait_seconds: float) -> None:
        """Let a paused job go on; nothing happens to one that is not paused.

        Raises `JobEndedError`, and `ServiceClosingError`.
        """
        deadline = time.monotonic() + wait_seconds
        with self._lineup.changed:
            self._lineup.require_open()
            run = self._lineup.runs.get(job_id)
            if run is not None and run.stopping is not None:
                self._lineup.wait_for_end(run, deadline)
            row = self._lineup.require_not_ended(job_id, "resumed")
            if row.state == JobState.JOB_STATE_PAUSED:
                self._lineup.record.resumed(job_id=job_id, waits=not row.plan)
                self._lineup.add(job_id=job_id)
                self._lineup.on_end()

    def move(self, *, job_id: str, choose: Callable[[Row[Any]], tuple[int, dict[str, float]]]) -> None:
        """Give a job another priority or place: `choose` says the priority, and the ranks of jobs by their ids.

        Raises `JobEndedError`, and what `choose` raises.
        """
        with self._lineup.changed:
            row = self._lineup.require_not_ended(job_id, "moved")
            priority, ranks = choose(row)
            self._lineup.record.moved(ranks, job_id=job_id, priority=priority)
            for moved in {job_id, *ranks}:
                place = self._lineup.store.job(job_id=moved)
                self._lineup.queue.move(moved, priority=place.priority, rank=place.rank)
            self._lineup.changed.notify_all()

    def frames_gone(self, *, job_id: str, wait_seconds: float) -> Sequence[int]:
        """The frames of a failed or cancelled job whose files are not there any more; of any other none.

        Waits for the end of one that is being stopped. Looking for tens of thousands of files on a share takes long,
        so that nobody else waits meanwhile.
        """
        deadline = time.monotonic() + wait_seconds
        with self._lineup.changed:
            self._lineup.require_open()
            run = self._lineup.runs.get(job_id)
            if run is not None and run.stopping is not None:
                self._lineup.wait_for_end(run, deadline)
            if self._lineup.store.state(job_id=job_id) not in _RETRIED:
                return ()
        frames = self._lineup.store.frames(job_id=job_id)
        return [frame.frame for frame in frames if frame.path and not Path(frame.path).exists()]

    def retry(self, *, job_id: str, gone: Sequence[int], check: Callable[[Row[Any]], None]) -> None:
        """Queue a failed or cancelled job again; nothing happens to any other.

        Frames that are `gone` are rendered again, and where its work folder is gone, all of it is. One that was never
        planned waits for those it depends on, however they ended before. `check` may refuse the job as the store has
        it by raising.
        """
        with self._lineup.changed:
            self._lineup.require_open()
            row = self._lineup.store.job(job_id=job_id)
            if row.state not in _RETRIED:
                return
            check(row)
            if not row.plan:
                self._lineup.record.retried(job_id=job_id, gone=(), anew=True, waits=True)
                self._lineup.on_end()
                return
            folder = self._settings.jobs / job_id
            anew = Problem.FromString(row.error or b"").code == InputChangedError.code or not folder.is_dir()
            if anew:
                forget_what_was_made(folder)
            self._lineup.record.retried(job_id=job_id, gone=gone, anew=anew)
            self._lineup.add(job_id=job_id)
