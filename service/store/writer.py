"""What can be written to the job store within one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, bindparam, delete, insert, literal, select, update

from overscan.service._errors import JobNotFoundError
from overscan.service.store import tables
from overscan.v1.job_pb2 import FrameState, JobState, StepState

ENDED = (JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)
_CEILING = select(tables.jobs.c.event_ceiling).where(tables.jobs.c.id == bindparam("key"))
_SET_JOB = update(tables.jobs).where(tables.jobs.c.id == bindparam("key"))
_SET_STEP = update(tables.steps).where(
    tables.steps.c.job_id == bindparam("key"), tables.steps.c.step_id == bindparam("step")
)
_COUNT_ATTEMPT = _SET_STEP.values(state=StepState.STEP_STATE_RUNNING, attempts=tables.steps.c.attempts + 1)
_SET_FRAME = update(tables.frames).where(
    tables.frames.c.job_id == bindparam("key"), tables.frames.c.frame == bindparam("number")
)
_FAIL_FRAME = _SET_FRAME.where(tables.frames.c.state == FrameState.FRAME_STATE_PENDING).values(
    state=FrameState.FRAME_STATE_FAILED
)
_ADD = {
    table: insert(table)
    for table in (
        tables.jobs,
        tables.plans,
        tables.dependencies,
        tables.steps,
        tables.frames,
        tables.events,
        tables.warnings,
    )
}
"""Statements that are put together once, here: that would take longer than the database does. Values go with them."""


def now_us() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def no_such_job(job_id: str) -> JobNotFoundError:
    """What to say where there is no such job, or it is being removed."""
    return JobNotFoundError(
        f"there is no job '{job_id}'.", next_step="`overscan jobs list` shows all.", field="job_id", actual=job_id
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to store."""

    id: str
    request_id: str
    spec: bytes
    plan: bytes
    """Proto Plan, without its steps."""
    whole_plan: bytes
    parameters: str
    priority: int
    output_key: str
    labels: Mapping[str, str]
    steps: Sequence[str]
    frames: Sequence[int]
    user: str = ""
    rank: float = 0.0
    depends_on: Sequence[str] = ()
    """Ids of jobs that must have succeeded before."""
    state: JobState.ValueType = JobState.JOB_STATE_QUEUED


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """What can be written within one transaction."""

    connection: Connection

    def add_job(self, new: NewJob) -> None:
        """Store a job with its steps and frames, all pending."""
        self._add(
            tables.jobs,
            {
                "id": new.id,
                "request_id": new.request_id,
                "spec": new.spec,
                "plan": new.plan,
                "parameters": new.parameters,
                "state": new.state,
                "user": new.user,
                "rank": new.rank,
                "priority": new.priority,
                "created_us": now_us(),
                "output_key": new.output_key,
                **new.labels,
            },
        )
        if new.depends_on:
            needs = [
                {"job_id": new.id, "needs_job_id": other, "since_us": now_us()}
                for other in dict.fromkeys(new.depends_on)
            ]
            self._add(tables.dependencies, *needs)
        self._add_plan(new.id, whole=new.whole_plan, steps=new.steps, frames=new.frames)

    def set_plan(
        self,
        job_id: str,
        *,
        plan: bytes,
        whole_plan: bytes,
        parameters: str,
        steps: Sequence[str],
        frames: Sequence[int],
    ) -> None:
        """Give a job that was stored without one its plan, or another in place of the one it has: all is pending."""
        for table in (tables.plans, tables.steps, tables.frames):
            self.connection.execute(delete(table).where(table.c.job_id == job_id))
        self.set_job(job_id, plan=plan, parameters=parameters)
        self._add_plan(job_id, whole=whole_plan, steps=steps, frames=frames)

    def _add_plan(self, job_id: str, *, whole: bytes, steps: Sequence[str], frames: Sequence[int]) -> None:
        self._add(tables.plans, {"job_id": job_id, "plan": whole})
        pending = StepState.STEP_STATE_PENDING
        rows = [
            {"job_id": job_id, "step_id": step, "position": position, "state": pending}
            for position, step in enumerate(steps)
        ]
        self._add(tables.steps, *rows)
        unmade = FrameState.FRAME_STATE_PENDING
        self._add(tables.frames, *({"job_id": job_id, "frame": frame, "state": unmade} for frame in frames))

    def ceiling(self, job_id: str) -> int:
        """Event numbers of the job up to this one may be taken."""
        return int(self.connection.execute(_CEILING, {"key": job_id}).scalar_one())

    def set_job(self, job_id: str, **values: object) -> None:
        """Change columns of a job."""
        self.connection.execute(_SET_JOB, {"key": job_id, **values})

    def set_step(self, job_id: str, step_id: str, **values: object) -> None:
        """Change columns of a step."""
        self.connection.execute(_SET_STEP, {"key": job_id, "step": step_id, **values})

    def count_attempt(self, job_id: str, step_id: str) -> None:
        """The step was started."""
        self.connection.execute(_COUNT_ATTEMPT, {"key": job_id, "step": step_id})

    def set_frame(self, job_id: str, frame: int, **values: object) -> None:
        """Change columns of a frame, which is added where the plan did not have it."""
        found = self.connection.execute(_SET_FRAME, {"key": job_id, "number": frame, **values})
        if found.rowcount == 0:
            self._add(tables.frames, {"job_id": job_id, "frame": frame, **values})

    def fail_frames(self, job_id: str, frames: Iterable[int]) -> None:
        """Frames of a failed step that are not there are failed."""
        rows = [{"key": job_id, "number": frame} for frame in frames]
        if rows:
            self.connection.execute(_FAIL_FRAME, rows)

    def reset_unfinished(self, job_id: str, *, anew: bool) -> None:
        """Make a job ready to go on: what is not done is pending, and so is a step whose frames were found bad.

        With `anew`, all steps are. Raises `JobNotFoundError` where the job is being removed.
        """
        query = select(tables.jobs.c.purging).where(tables.jobs.c.id == job_id)
        if self.connection.execute(query).scalar() != 0:  # nobody else writes meanwhile: it is one or the other
            raise no_such_job(job_id)
        steps, frames = tables.steps, tables.frames
        bad = select(frames.c.step_id).where(
            frames.c.job_id == job_id, frames.c.state == FrameState.FRAME_STATE_FAILED, frames.c.step_id != ""
        )
        pending = {
            "state": StepState.STEP_STATE_PENDING,
            "deaths": 0,
            "failures": 0,
            "kills": 0,
            "frugal": 0,
        }
        self.connection.execute(
            update(steps)
            .where(
                steps.c.job_id == job_id,
                (steps.c.state != StepState.STEP_STATE_DONE) | steps.c.step_id.in_(bad) | literal(anew),
            )
            .values(**pending)
        )
        self.connection.execute(
            update(frames)
            .where(frames.c.job_id == job_id, frames.c.state == FrameState.FRAME_STATE_FAILED)
            .values(state=FrameState.FRAME_STATE_PENDING)
        )

    def mark_purging(self, job_ids: Sequence[str], *, receipts: bool) -> None:
        """Jobs that have ended are to be removed; from now on nobody finds them, and they cannot be retried."""
        jobs = tables.jobs
        for job_id in job_ids:
            self.connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.state.in_(ENDED), jobs.c.purging == 0)
                .values(purging=2 if receipts else 1)
            )

    def remove_job(self, job_id: str) -> None:
        """Drop a job that is being removed, and all that belongs to it."""
        for table in (tables.events, tables.frames, tables.steps, tables.warnings, tables.dependencies, tables.plans):
            self.connection.execute(delete(table).where(table.c.job_id == job_id))
        self.connection.execute(delete(tables.jobs).where(tables.jobs.c.id == job_id, tables.jobs.c.purging != 0))

    def interrupt_steps(self, job_id: str) -> None:
        """Steps that ran when the service went away are pending again."""
        steps = tables.steps
        self.connection.execute(
            update(steps)
            .where(steps.c.job_id == job_id, steps.c.state == StepState.STEP_STATE_RUNNING)
            .values(state=StepState.STEP_STATE_PENDING)
        )

    def add_warning(self, job_id: str, code: str, message: str, frame: int | None) -> bool:
        """Store a warning; False where the job has it already."""
        values = {"job_id": job_id, "code": code, "message": message, "frame": "" if frame is None else str(frame)}
        table = tables.warnings
        same = select(table.c.id).where(*(table.c[name] == value for name, value in values.items()))
        if self.connection.execute(same).first() is not None:
            return False
        self._add(table, values)
        return True

    def add_event(self, job_id: str, number: int, kind: str, payload: bytes) -> None:
        """Store an event."""
        self._add(tables.events, {"job_id": job_id, "number": number, "kind": kind, "payload": payload})

    def drop_events(self, job_id: str, kind: str) -> None:
        """Drop a job's events of one kind."""
        table = tables.events
        self.connection.execute(delete(table).where(table.c.job_id == job_id, table.c.kind == kind))

    def prune_events(self, *, ended_before_us: int, show: str | None = None, shot: str | None = None) -> None:
        """Drop what was said about single frames of jobs that ended long ago; the job itself still knows them.

        Of a show and a shot where they are given.
        """
        jobs = tables.jobs
        old = select(jobs.c.id).where(jobs.c.state.in_(ENDED), jobs.c.ended_us < ended_before_us)
        for column, value in ((jobs.c.show, show), (jobs.c.shot, shot)):
            if value is not None:
                old = old.where(column == value)
        self.connection.execute(
            delete(tables.events).where(tables.events.c.job_id.in_(old), tables.events.c.kind != "state_changed")
        )

    def _add(self, table: Table, *rows: Mapping[str, object]) -> None:
        """Add rows, all with the same columns."""
        if rows:
            self.connection.execute(_ADD[table], rows if len(rows) > 1 else rows[0])
