"""Writes down what happens to jobs, and tells those who watch. The scheduler decides; nothing is decided here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from overscan.core.engines import Notice
from overscan.core.errors import DiskFullError, ErrorRecord
from overscan.service._errors import StoreUnavailableError
from overscan.service.scheduling.faults import Tried
from overscan.service.scheduling.job_run import Assignment, JobRun
from overscan.service.store.events import EventLog
from overscan.service.store.queue_rows import wait_anew
from overscan.service.store.store import Store
from overscan.service.store.writer import Writer, now_us
from overscan.service.wire.convert import notice_to_wire, problem_to_wire
from overscan.service.workers import messages
from overscan.v1.job_pb2 import (
    FrameFinished,
    FrameState,
    JobEvent,
    JobState,
    JobStateChanged,
    Preview,
    StepProgress,
    StepState,
    Verification,
)

_LOG = logging.getLogger(__name__)
_PROGRESS_SECONDS_MIN = 0.25


class Recorder:
    """The scheduler's pen. Every method writes one transaction, with its event where watchers should know."""

    def __init__(self, *, store: Store, log: EventLog) -> None:
        self._store = store
        self._log = log

    def forget(self, *, job_id: str) -> None:
        """The job is no longer worked on."""
        self._log.forget(job_id=job_id)

    def begin(self, work: Assignment) -> None:
        """A worker is on it."""
        run = work.run
        state = JobState.JOB_STATE_VERIFYING if work.step is None else JobState.JOB_STATE_RUNNING

        def write(writer: Writer) -> None:
            if work.step is not None:
                writer.count_attempt(run.id, work.step.id)
            if not run.started:
                writer.set_job(run.id, started_us=now_us())

        if work.step is None or not run.announced:
            self._announce(run.id, state, change=write)
        else:
            self._write(write)

    def interrupted(self, *, job_id: str) -> None:
        """The job goes back to the queue, with the steps that ran."""
        self._announce(job_id, JobState.JOB_STATE_QUEUED, change=lambda writer: writer.interrupt_steps(job_id))

    def retried(self, *, job_id: str, gone: Sequence[int], anew: bool, waits: bool = False) -> None:
        """The job goes back to the queue, with the steps that failed and those whose frames are gone, or `anew`.

        One that has no plan yet `waits` for others.
        """

        def reset(writer: Writer) -> None:
            for frame in gone:
                writer.set_frame(job_id, frame, state=FrameState.FRAME_STATE_FAILED)
            writer.reset_unfinished(job_id, anew=anew)
            wait_anew(writer, job_id, now_us=now_us())
            writer.set_job(job_id, error=None, verification=None, ended_us=None, cancel_requested=False, paused=False)

        state = JobState.JOB_STATE_WAITING if waits else JobState.JOB_STATE_QUEUED
        self._announce(job_id, state, change=reset)

    def cancel_requested(self, *, job_id: str) -> None:
        """Somebody wants the job to stop, which must hold even if the service is killed now."""
        self._write(lambda writer: writer.set_job(job_id, cancel_requested=True))

    def pause_requested(self, *, job_id: str) -> None:
        """Somebody wants the job to be held back, which must hold even if the service is killed now."""
        self._write(lambda writer: writer.set_job(job_id, paused=True))

    def paused(self, *, job_id: str) -> None:
        """The job is held back, and nothing of it runs."""

        def write(writer: Writer) -> None:
            writer.interrupt_steps(job_id)
            self._log.keep_preview(job_id=job_id, writer=writer)
            writer.set_job(job_id, paused=True)

        self._announce(job_id, JobState.JOB_STATE_PAUSED, change=write)

    def resumed(self, *, job_id: str, waits: bool) -> None:
        """The job may go on, or `waits` for others still."""
        state = JobState.JOB_STATE_WAITING if waits else JobState.JOB_STATE_QUEUED
        self._announce(job_id, state, change=lambda writer: writer.set_job(job_id, paused=False))

    def planned(self, *, job_id: str, change: Callable[[Writer], None]) -> None:
        """A job that waited for others has a plan now, which `change` writes."""
        self._announce(job_id, JobState.JOB_STATE_QUEUED, change=change)

    def moved(self, ranks: Mapping[str, float], *, job_id: str, priority: int) -> None:
        """The job has another place, and others of its artist's may have with it."""

        def write(writer: Writer) -> None:
            writer.set_job(job_id, priority=priority)
            for other, rank in ranks.items():
                writer.set_job(other, rank=rank)

        self._write(write)

    def used(self, *, job_id: str, seconds: float) -> None:
        """Workers were on the job for so long, all in all."""
        self._write(lambda writer: writer.set_job(job_id, usage_seconds=seconds))

    def cancelled(self, *, job_id: str) -> None:
        """The job has stopped on request."""
        self._end(job_id, JobState.JOB_STATE_CANCELLED, also=lambda writer: writer.interrupt_steps(job_id))

    def failed(self, *, job_id: str, error: ErrorRecord | None) -> None:
        """The job has stopped by an error."""
        self._end(job_id, JobState.JOB_STATE_FAILED, error=error, also=lambda writer: writer.interrupt_steps(job_id))

    def step_done(self, work: Assignment) -> None:
        """The step's outputs are there."""
        progress = work.run.progress()

        def write(writer: Writer) -> None:
            writer.set_step(work.run.id, work.id, state=StepState.STEP_STATE_DONE)
            writer.set_job(work.run.id, progress=progress, usage_seconds=work.run.usage_seconds)

        self._write(write)

    def step_pending(self, work: Assignment) -> None:
        """The step will be done again."""
        if work.step is not None:
            self._write(lambda writer: writer.set_step(work.run.id, work.id, state=StepState.STEP_STATE_PENDING))

    def step_failed(self, work: Assignment, record: ErrorRecord) -> None:
        """The step failed, and with it the frames it has not finished."""
        run = work.run
        if work.step is not None:
            frames = sorted(set(work.step.frames) - set(work.frames_done))

            def write(writer: Writer) -> None:
                writer.set_step(run.id, work.id, state=StepState.STEP_STATE_FAILED)
                writer.fail_frames(run.id, frames)

            self._write(write)
        elif record.frame is not None:
            frame = record.frame
            self._write(lambda writer: writer.set_frame(run.id, frame, state=FrameState.FRAME_STATE_FAILED))

    def step_tried(self, work: Assignment, tried: Tried) -> None:
        """The step went wrong, and will be done again."""
        if work.step is not None:
            values = {"state": StepState.STEP_STATE_PENDING, **asdict(tried)}
            self._write(lambda writer: writer.set_step(work.run.id, work.id, **values))

    def verified(self, work: Assignment, *, usage_seconds: float) -> None:
        """Every frame was compared with the plate; the job has ended, one way or the other.

        `usage_seconds` is how long workers were on it, all in all.
        """
        run = work.run
        found = Verification(
            frames=work.frames_checked,
            samples=work.samples,
            differing=work.differing,
            first_difference=work.first_difference,
        )

        def write(writer: Writer) -> None:
            for frame in work.good_frames:
                writer.set_frame(run.id, frame, state=FrameState.FRAME_STATE_VERIFIED)
            for frame in work.bad_frames:
                writer.set_frame(run.id, frame, state=FrameState.FRAME_STATE_FAILED)
            told = found.SerializeToString()
            writer.set_job(run.id, verification=told, progress=1.0, usage_seconds=usage_seconds)

        if not work.differing:
            self._end(run.id, JobState.JOB_STATE_SUCCEEDED, found=found, also=write)
            return
        error = ErrorRecord(
            code="PLATE_CHANGED",
            message=f"{work.differing} of {work.samples} samples outside the generated region differ from the "
            f"plate: {work.first_difference}",
            next_step="Do not use this result. `overscan jobs retry` renders the frames that differ again.",
            frame=work.bad_frames[0] if work.bad_frames else None,
            expected="0",
            actual=str(work.differing),
        )
        self._end(run.id, JobState.JOB_STATE_FAILED, error=error, found=found, also=write)

    def frame_finished(self, work: Assignment, report: messages.FrameFinished) -> None:
        """A frame is in the output folder."""
        run = work.run
        values = {"state": FrameState.FRAME_STATE_FINISHED, "path": report.path, "step_id": work.id}
        event = FrameFinished(frame=report.frame, path=report.path, seconds=report.seconds)
        self._log.emit(
            JobEvent(job_id=run.id, frame_finished=event),
            change=lambda writer: writer.set_frame(run.id, report.frame, **values),
        )

    def warn(self, run: JobRun, notice: Notice) -> None:
        """The artist should know, once."""
        self._log.emit(
            JobEvent(job_id=run.id, warning=notice_to_wire(notice)),
            change=lambda writer: writer.add_warning(run.id, notice.code, notice.message, notice.frame),
        )

    def progress(self, work: Assignment, message: str) -> None:
        """How far it is, a few times a second; what comes too soon is kept for `late_progress`."""
        run, now = work.run, time.monotonic()
        if now < run.next_progress:
            run.unsaid = (work, message)
            return
        run.unsaid = None
        run.next_progress = now + _PROGRESS_SECONDS_MIN
        progress = StepProgress(
            step_id=work.id, step=work.fraction, job=run.progress(), seconds_left=run.seconds_left(), message=message
        )
        try:
            self._log.emit_passing(JobEvent(job_id=run.id, step_progress=progress))
        except (DiskFullError, StoreUnavailableError) as error:  # numbers could not be reserved; the work matters more
            _LOG.warning("progress of job %s cannot be told: %s", run.id, error)

    def preview(self, work: Assignment, report: messages.PreviewMade) -> None:
        """A picture to look at."""
        picture = Preview(frame=report.frame, media_type=report.media_type, data=report.data)
        try:
            self._log.emit_passing(JobEvent(job_id=work.run.id, preview=picture))
        except (DiskFullError, StoreUnavailableError) as error:  # as for progress
            _LOG.warning("a preview of job %s cannot be shown: %s", work.run.id, error)

    def late_progress(self, run: JobRun) -> None:
        """Say what came too soon, now that nothing newer has come."""
        if run.unsaid is not None and run.unsaid[0].id in run.running:
            self.progress(*run.unsaid)

    def _write(self, change: Callable[[Writer], None]) -> None:
        with self._store.write() as writer:
            change(writer)

    def _announce(
        self,
        job_id: str,
        state: JobState.ValueType,
        *,
        change: Callable[[Writer], None] | None = None,
        error: ErrorRecord | None = None,
        found: Verification | None = None,
    ) -> None:
        """Write a job's new state together with its event."""
        problem = None if error is None else problem_to_wire(error)

        def write(writer: Writer) -> None:
            writer.set_job(job_id, state=state)
            if change is not None:
                change(writer)

        changed = JobStateChanged(state=state, error=problem, verification=found)
        self._log.emit(JobEvent(job_id=job_id, state_changed=changed), change=write)
        _LOG.info("job %s is %s", job_id, JobState.Name(state).removeprefix("JOB_STATE_"))

    def _end(
        self,
        job_id: str,
        state: JobState.ValueType,
        *,
        error: ErrorRecord | None = None,
        found: Verification | None = None,
        also: Callable[[Writer], None],
    ) -> None:
        stored = None if error is None else problem_to_wire(error).SerializeToString()

        def write(writer: Writer) -> None:
            also(writer)
            self._log.keep_preview(job_id=job_id, writer=writer)
            writer.set_job(job_id, error=stored, ended_us=now_us())

        self._announce(job_id, state, change=write, error=error, found=found)
