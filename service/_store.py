"""The job store: SQLite in WAL mode through SQLAlchemy. Safe to use from any thread.

Reads are methods of `Store`; writes go through `Store.write()`, one transaction, one at a time.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, create_engine, delete, event, insert, literal, select, update
from sqlalchemy.exc import DatabaseError, OperationalError

from overscan.core.errors import DiskFullError, OverscanError
from overscan.service import _tables as tables
from overscan.service._errors import JobNotFoundError
from overscan.v1.job_pb2 import FrameState, JobState, StepState

ENDED = (JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)
_BUSY_SECONDS_MAX = 30


def now_us() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to store."""

    id: str
    request_id: str
    spec: bytes
    plan: bytes
    parameters: str
    priority: int
    output_key: str
    labels: Mapping[str, str]
    steps: Sequence[str]
    frames: Sequence[int]


class Store:
    """The jobs of one home."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        self._writing = threading.RLock()
        self._engine = create_engine(
            f"sqlite:///{path}", connect_args={"timeout": _BUSY_SECONDS_MAX, "check_same_thread": False}
        )
        event.listen(self._engine, "connect", _set_up_connection)
        try:
            with self._connect("BEGIN IMMEDIATE") as connection:
                tables.metadata.create_all(connection)
                version = connection.execute(select(tables.schema.c.version)).scalar()
                if version is None:
                    connection.execute(insert(tables.schema).values(version=tables.SCHEMA_VERSION))
        except DatabaseError as error:
            raise OverscanError(
                f"the job store cannot be opened: {error.orig}.",
                next_step="Restore it from a backup, or move it away to begin a new one.",
                path=path,
            ) from error
        if version not in (None, tables.SCHEMA_VERSION):
            raise OverscanError(
                f"the job store was written by another version of Overscan (schema {version}).",
                next_step="Use that version, or another home (OVERSCAN_HOME).",
                path=path,
                expected=tables.SCHEMA_VERSION,
                actual=version,
            )
        path.chmod(0o600)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """One write transaction; raises `DiskFullError` where the home's disk is full."""
        with self._writing, self._connect("BEGIN IMMEDIATE") as connection:
            yield Writer(connection=connection)

    @contextmanager
    def _connect(self, begin: str) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql(begin)
                try:
                    yield connection
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
        except OperationalError as error:
            if "full" in str(error.orig):
                raise DiskFullError(
                    "no room left for the job store.", next_step="Free some space on that disk.", path=self.path
                ) from error
            raise

    def job(self, *, job_id: str) -> Row[Any]:
        """The job with exactly this id; raises `JobNotFoundError`."""
        with self._connect("BEGIN") as connection:
            row = connection.execute(select(tables.jobs).where(tables.jobs.c.id == job_id)).first()
        if row is None:
            raise _not_found(job_id)
        return row

    def find(self, *, prefix: str) -> str:
        """The id that begins with `prefix`; raises `JobNotFoundError` where none does, or several."""
        if not prefix or not set(prefix) <= set("0123456789abcdef"):
            raise _not_found(prefix)
        with self._connect("BEGIN") as connection:
            query = select(tables.jobs.c.id).where(tables.jobs.c.id.startswith(prefix)).limit(4)
            found = list(connection.execute(query).scalars())
        if prefix in found or len(found) == 1:
            return prefix if prefix in found else found[0]
        if not found:
            raise _not_found(prefix)
        raise JobNotFoundError(
            f"several jobs begin with '{prefix}'.",
            next_step=f"Write more of the id: {', '.join(found[:3])}{' …' if len(found) > 3 else ''}.",
            field="job_id",
            actual=prefix,
        )

    def state(self, *, job_id: str) -> JobState.ValueType | None:
        """The state of a job; None where there is no such job."""
        with self._connect("BEGIN") as connection:
            query = select(tables.jobs.c.state).where(tables.jobs.c.id == job_id)
            return connection.execute(query).scalar()

    def by_request(self, *, request_id: str) -> Row[Any] | None:
        """The job that this request created."""
        with self._connect("BEGIN") as connection:
            return connection.execute(select(tables.jobs).where(tables.jobs.c.request_id == request_id)).first()

    def page(
        self, *, states: Sequence[int], labels: Mapping[str, str], before: int | None, size: int
    ) -> Sequence[Row[Any]]:
        """Jobs, newest first, created before ordinal `before`."""
        query = select(tables.jobs).order_by(tables.jobs.c.ordinal.desc()).limit(size)
        if states:
            query = query.where(tables.jobs.c.state.in_(states))
        if before is not None:
            query = query.where(tables.jobs.c.ordinal < before)
        for name, value in labels.items():
            if value:
                query = query.where(tables.jobs.c[name] == value)
        with self._connect("BEGIN") as connection:
            return connection.execute(query).all()

    def unfinished(self) -> Sequence[Row[Any]]:
        """Jobs that have not ended, in the order of creation."""
        query = select(tables.jobs).where(tables.jobs.c.state.not_in(ENDED)).order_by(tables.jobs.c.ordinal)
        with self._connect("BEGIN") as connection:
            return connection.execute(query).all()

    def unfinished_with_output(self, *, output_key: str) -> Sequence[Row[Any]]:
        """Jobs that have not ended and write to the same pattern."""
        query = select(tables.jobs).where(tables.jobs.c.state.not_in(ENDED), tables.jobs.c.output_key == output_key)
        with self._connect("BEGIN") as connection:
            return connection.execute(query).all()

    def steps(self, *, job_id: str) -> Sequence[Row[Any]]:
        """The steps of a job, in the plan's order."""
        return self._of_job(tables.steps, job_id, tables.steps.c.position)

    def frames(self, *, job_id: str) -> Sequence[Row[Any]]:
        """The frames of a job, ascending."""
        return self._of_job(tables.frames, job_id, tables.frames.c.frame)

    def warnings(self, *, job_id: str) -> Sequence[Row[Any]]:
        """The warnings of a job, in the order they came."""
        return self._of_job(tables.warnings, job_id, tables.warnings.c.id)

    def events(self, *, job_id: str, after: int) -> Sequence[Row[Any]]:
        """Stored events of a job with higher numbers."""
        query = (
            select(tables.events)
            .where(tables.events.c.job_id == job_id, tables.events.c.number > after)
            .order_by(tables.events.c.number)
        )
        with self._connect("BEGIN") as connection:
            return connection.execute(query).all()

    def preview(self, *, job_id: str) -> bytes | None:
        """The stored event with the last preview of a job that has ended."""
        table = tables.events
        query = select(table.c.payload).where(table.c.job_id == job_id, table.c.kind == "preview")
        with self._connect("BEGIN") as connection:
            return connection.execute(query).scalar()

    def _of_job(self, table: Any, job_id: str, order: Any) -> Sequence[Row[Any]]:
        with self._connect("BEGIN") as connection:
            return connection.execute(select(table).where(table.c.job_id == job_id).order_by(order)).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """What can be written within one transaction."""

    connection: Connection

    def add_job(self, new: NewJob) -> None:
        """Store a job with its steps and frames, all pending."""
        self.connection.execute(
            insert(tables.jobs).values(
                id=new.id,
                request_id=new.request_id,
                spec=new.spec,
                plan=new.plan,
                parameters=new.parameters,
                state=JobState.JOB_STATE_QUEUED,
                priority=new.priority,
                created_us=now_us(),
                output_key=new.output_key,
                **new.labels,
            )
        )
        pending = StepState.STEP_STATE_PENDING
        steps = [
            {"job_id": new.id, "step_id": step, "position": position, "state": pending}
            for position, step in enumerate(new.steps)
        ]
        if steps:
            self.connection.execute(insert(tables.steps), steps)
        frames = [{"job_id": new.id, "frame": frame, "state": FrameState.FRAME_STATE_PENDING} for frame in new.frames]
        if frames:
            self.connection.execute(insert(tables.frames), frames)

    def ceiling(self, job_id: str) -> int:
        """Event numbers of the job up to this one may be taken."""
        query = select(tables.jobs.c.event_ceiling).where(tables.jobs.c.id == job_id)
        return int(self.connection.execute(query).scalar_one())

    def set_job(self, job_id: str, **values: object) -> None:
        """Change columns of a job."""
        self.connection.execute(update(tables.jobs).where(tables.jobs.c.id == job_id).values(**values))

    def set_step(self, job_id: str, step_id: str, **values: object) -> None:
        """Change columns of a step."""
        table = tables.steps
        self.connection.execute(
            update(table).where(table.c.job_id == job_id, table.c.step_id == step_id).values(**values)
        )

    def count_attempt(self, job_id: str, step_id: str) -> None:
        """The step was started."""
        self.set_step(job_id, step_id, state=StepState.STEP_STATE_RUNNING, attempts=tables.steps.c.attempts + 1)

    def count_death(self, job_id: str, step_id: str) -> int:
        """A worker died on the step; how many have since it was last (re)tried."""
        table = tables.steps
        self.set_step(job_id, step_id, deaths=table.c.deaths + 1)
        query = select(table.c.deaths).where(table.c.job_id == job_id, table.c.step_id == step_id)
        return int(self.connection.execute(query).scalar_one())

    def set_frame(self, job_id: str, frame: int, **values: object) -> None:
        """Change columns of a frame, which is added where the plan did not have it."""
        table = tables.frames
        found = self.connection.execute(
            update(table).where(table.c.job_id == job_id, table.c.frame == frame).values(**values)
        )
        if found.rowcount == 0:
            self.connection.execute(insert(table).values(job_id=job_id, frame=frame, **values))

    def fail_frames(self, job_id: str, frames: Iterable[int]) -> None:
        """Frames of a failed step that are not there are failed."""
        table = tables.frames
        for frame in frames:
            self.connection.execute(
                update(table)
                .where(
                    table.c.job_id == job_id,
                    table.c.frame == frame,
                    table.c.state == FrameState.FRAME_STATE_PENDING,
                )
                .values(state=FrameState.FRAME_STATE_FAILED)
            )

    def reset_unfinished(self, job_id: str, *, anew: bool) -> None:
        """Make a job ready to go on: what is not done is pending, and so is a step whose frames were found bad.

        With `anew`, all steps are.
        """
        steps, frames = tables.steps, tables.frames
        bad = select(frames.c.step_id).where(
            frames.c.job_id == job_id, frames.c.state == FrameState.FRAME_STATE_FAILED, frames.c.step_id != ""
        )
        pending = {"state": StepState.STEP_STATE_PENDING, "deaths": 0}
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
        self.connection.execute(insert(table).values(**values))
        return True

    def add_event(self, job_id: str, number: int, kind: str, payload: bytes) -> None:
        """Store an event."""
        self.connection.execute(insert(tables.events).values(job_id=job_id, number=number, kind=kind, payload=payload))

    def drop_events(self, job_id: str, kind: str) -> None:
        """Drop a job's events of one kind."""
        table = tables.events
        self.connection.execute(delete(table).where(table.c.job_id == job_id, table.c.kind == kind))

    def prune_events(self, *, ended_before_us: int) -> None:
        """Drop what was said about single frames of jobs that ended long ago; the job itself still knows them."""
        old = select(tables.jobs.c.id).where(tables.jobs.c.state.in_(ENDED), tables.jobs.c.ended_us < ended_before_us)
        self.connection.execute(
            delete(tables.events).where(tables.events.c.job_id.in_(old), tables.events.c.kind != "state_changed")
        )


def _set_up_connection(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin and end where this module says so
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _not_found(job_id: str) -> JobNotFoundError:
    return JobNotFoundError(
        f"there is no job '{job_id}'.", next_step="`overscan jobs list` shows all.", field="job_id", actual=job_id
    )
