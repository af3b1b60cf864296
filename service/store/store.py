"""The job store, in SQLite or PostgreSQL through SQLAlchemy. Safe to use from any thread.

Reads are methods of `Store`; writes go through `Store.write()`, one transaction, one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from overscan.service._errors import JobNotFoundError
from overscan.service._settings import Settings
from overscan.service.operations import metrics
from overscan.service.store import tables
from overscan.service.store.database import Database
from overscan.service.store.migrate import prepare
from overscan.service.store.postgres import PostgresDatabase
from overscan.service.store.sqlite import SqliteDatabase
from overscan.service.store.writer import ENDED, Writer, no_such_job
from overscan.v1.job_pb2 import JobState

_JOB = select(tables.jobs).where(tables.jobs.c.id == bindparam("job_id"), tables.jobs.c.purging == 0)
_REQUESTED = select(tables.jobs).where(tables.jobs.c.request_id == bindparam("request_id"))
_STATE = select(tables.jobs.c.state).where(tables.jobs.c.id == bindparam("job_id"), tables.jobs.c.purging == 0)
_WRITING = select(tables.jobs.c.id, tables.jobs.c.plan).where(
    tables.jobs.c.output_key == bindparam("output_key"), *(tables.jobs.c.state != state for state in ENDED)
)
_ID_LENGTH = 32
_DIGITS = frozenset("0123456789abcdef")


def is_id(text: str) -> bool:
    """Whether a text is a whole id, of a job that may be there or not."""
    return len(text) == _ID_LENGTH and set(text) <= _DIGITS


def open_store(settings: Settings) -> Store:
    """The store that the settings name: PostgreSQL's where they do, else the home's own.

    Raises `StoreUnusableError` or `StoreUnavailableError`.
    """
    if settings.database_url:
        return Store(database=PostgresDatabase(url=settings.database_url, password=settings.database_password))
    return Store(database=SqliteDatabase(path=settings.database))


class Store:
    """The jobs of one service."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        database.open()
        try:
            prepare(database)
            if database.path is not None:
                database.path.chmod(0o600)
        except BaseException:
            database.close()
            raise

    @property
    def path(self) -> Path | None:
        """The store's file, where it is one."""
        return self._database.path

    @property
    def taken(self) -> bool:
        """Whether another service has taken the store while this one was cut off from it."""
        return isinstance(self._database, PostgresDatabase) and self._database.taken

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """One write transaction, which survives the end of the service, and a power cut once it is flushed.

        Raises `DiskFullError` where there is no room, and `StoreUnavailableError` where the store cannot be reached;
        nothing is written then.
        """
        began = time.monotonic()
        with self._database.write() as connection:
            yield Writer(connection=connection)
        metrics.store_wrote(seconds=time.monotonic() - began)

    def flush(self) -> None:
        """Have all that was written survive a power cut; nobody who reads or writes waits for it.

        Raises `DiskFullError` or `StoreUnavailableError`.
        """
        self._database.flush()

    def compact(self) -> None:
        """Leave nothing of removed jobs in the store's files; raises `DiskFullError` where there is no room to."""
        self._database.compact()

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for queries; raises `StoreUnavailableError`."""
        return self._database.read()

    def job(self, *, job_id: str) -> Row[Any]:
        """The job with exactly this id; raises `JobNotFoundError`."""
        with self.read() as connection:
            row = connection.execute(_JOB, {"job_id": job_id}).first()
        if row is None:
            raise no_such_job(job_id)
        return row

    def find(self, *, prefix: str) -> str:
        """The id that begins with `prefix`; raises `JobNotFoundError` where none does, or several."""
        if is_id(prefix):
            if self.state(job_id=prefix) is None:
                raise no_such_job(prefix)
            return prefix
        if not prefix or not set(prefix) <= _DIGITS:
            raise no_such_job(prefix)
        jobs = tables.jobs
        name = jobs.c.id.collate(self._database.byte_order)
        # a range rather than LIKE, for which SQLite would read all jobs
        query = select(jobs.c.id).where(name >= prefix, name < f"{prefix}g", jobs.c.purging == 0)
        with self.read() as connection:
            found = connection.execute(query.order_by(name).limit(4)).scalars().all()
        if len(found) == 1:
            return str(found[0])
        if not found:
            raise no_such_job(prefix)
        raise JobNotFoundError(
            f"several jobs begin with '{prefix}'.",
            next_step=f"Write more of the id: {', '.join(found[:3])}{' …' if len(found) > 3 else ''}.",
            field="job_id",
            actual=prefix,
        )

    def state(self, *, job_id: str) -> JobState.ValueType | None:
        """The state of a job; None where there is no such job."""
        with self.read() as connection:
            return connection.execute(_STATE, {"job_id": job_id}).scalar()

    def by_request(self, *, request_id: str) -> Row[Any] | None:
        """The job that this request created."""
        with self.read() as connection:
            return connection.execute(_REQUESTED, {"request_id": request_id}).first()

    def page(
        self, *, states: Sequence[int], labels: Mapping[str, str], before: int | None, size: int
    ) -> Sequence[Row[Any]]:
        """Jobs, newest first, created before ordinal `before`."""
        query = select(tables.jobs).where(tables.jobs.c.purging == 0).order_by(tables.jobs.c.ordinal.desc()).limit(size)
        if states:
            query = query.where(tables.jobs.c.state.in_(states))
        if before is not None:
            query = query.where(tables.jobs.c.ordinal < before)
        for name, value in labels.items():
            if value:
                query = query.where(tables.jobs.c[name] == value)
        with self.read() as connection:
            return connection.execute(query).all()

    def plan(self, *, job_id: str) -> bytes:
        """The whole plan of a job, proto Plan; raises `JobNotFoundError`."""
        with self.read() as connection:
            plan = connection.execute(select(tables.plans.c.plan).where(tables.plans.c.job_id == job_id)).scalar()
        if plan is None:
            raise no_such_job(job_id)
        return bytes(plan)

    def unfinished(self) -> Sequence[Row[Any]]:
        """Jobs that have not ended, in the order of creation."""
        query = select(tables.jobs).where(tables.jobs.c.state.not_in(ENDED)).order_by(tables.jobs.c.ordinal)
        with self.read() as connection:
            return connection.execute(query).all()

    def unfinished_with_output(self, *, output_key: str) -> Sequence[Row[Any, Any]]:
        """Ids and plans, without steps, of the jobs that have not ended and write to the same pattern."""
        with self.read() as connection:
            return connection.execute(_WRITING, {"output_key": output_key}).all()

    def steps(self, *, job_id: str) -> Sequence[Row[Any]]:
        """The steps of a job, in the plan's order."""
        return self._of_job(tables.steps, job_id, tables.steps.c.position)

    def frames(self, *, job_id: str) -> Sequence[Row[Any]]:
        """The frames of a job, ascending."""
        return self._of_job(tables.frames, job_id, tables.frames.c.frame)

    def frame(self, *, job_id: str, frame: int) -> Row[Any] | None:
        """One frame of a job; None for one that it does not make."""
        query = select(tables.frames).where(tables.frames.c.job_id == job_id, tables.frames.c.frame == frame)
        with self.read() as connection:
            return connection.execute(query).one_or_none()

    def events(self, *, job_id: str, after: int) -> Sequence[Row[Any]]:
        """Stored events of a job with higher numbers."""
        query = (
            select(tables.events)
            .where(tables.events.c.job_id == job_id, tables.events.c.number > after)
            .order_by(tables.events.c.number)
        )
        with self.read() as connection:
            return connection.execute(query).all()

    def _of_job(self, table: Any, job_id: str, order: Any) -> Sequence[Row[Any]]:
        with self.read() as connection:
            return connection.execute(select(table).where(table.c.job_id == job_id).order_by(order)).all()
