"""What the queue asks of the job store: who used the workers lately, which jobs stand side by side, who needs whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from overscan.service.scheduling.ranks import Place
from overscan.service.store import tables
from overscan.service.store.store import Store
from overscan.service.store.writer import ENDED, Writer
from overscan.v1.job_pb2 import JobState

_WAIT_ANEW = update(tables.dependencies).where(tables.dependencies.c.job_id == bindparam("key"))
_ENDED_BADLY = (JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A job that another depends on, as it stands now."""

    job_id: str
    state: JobState.ValueType | None
    """None where there is no such job any more."""
    failed: bool
    """Whether it ended badly since the other was created, or last retried."""


def artist_of(row: Row[Any]) -> str:
    """Whose share of the workers a job uses: the user's, as the service knows them, or else who its label names."""
    return str(row.user or row.artist)


def recent_usage(store: Store, *, since_us: int) -> Sequence[tuple[str, float, int | None]]:
    """Artists, seconds of workers that a job of theirs used, and when it ended (microseconds since 1970), if it has.

    Of jobs that have not ended before `since_us`.
    """
    jobs = tables.jobs
    query = select(jobs.c.user, jobs.c.artist, jobs.c.usage_seconds, jobs.c.ended_us).where(
        jobs.c.usage_seconds > 0, (jobs.c.ended_us.is_(None)) | (jobs.c.ended_us > since_us)
    )
    with store.read() as connection:
        return [(row.user or row.artist, row.usage_seconds, row.ended_us) for row in connection.execute(query)]


def side_by_side(store: Store, *, row: Row[Any], priority: int) -> list[Place]:
    """The jobs of that priority that have not ended, of the artist of `row` and without it, in their order."""
    jobs = tables.jobs
    query = (
        select(jobs.c.id, jobs.c.rank, jobs.c.user, jobs.c.artist)
        .where(jobs.c.state.not_in(ENDED), jobs.c.priority == priority, jobs.c.id != row.id)
        .order_by(jobs.c.rank, jobs.c.ordinal)
    )
    artist = artist_of(row)
    with store.read() as connection:
        return [
            Place(job_id=other.id, rank=other.rank)
            for other in connection.execute(query)
            if (other.user or other.artist) == artist
        ]


def needs_of(store: Store, *, job_id: str) -> list[Need]:
    """The jobs that a job depends on."""
    return [need for _, need in _needs(store, job_id)]


def needed(store: Store, *, ids: Sequence[str]) -> list[Need]:
    """Jobs that a new one is to depend on, as they stand."""
    jobs = tables.jobs
    query = select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(ids))
    with store.read() as connection:
        states = {row.id: row.state for row in connection.execute(query)} if ids else {}
    return [
        Need(job_id=job_id, state=states.get(job_id), failed=job_id not in states or states[job_id] in _ENDED_BADLY)
        for job_id in ids
    ]


def unfinished_of(store: Store, *, user: str) -> int:
    """How many jobs of a user have not ended."""
    jobs = tables.jobs
    query = select(func.count()).select_from(jobs).where(jobs.c.state.not_in(ENDED), jobs.c.user == user)
    with store.read() as connection:
        return int(connection.execute(query).scalar_one())


def waiting_needs(store: Store) -> dict[str, list[Need]]:
    """The jobs that wait for others, in the order of creation, with those they depend on."""
    found: dict[str, list[Need]] = {}
    for job_id, need in _needs(store, None):
        found.setdefault(job_id, []).append(need)
    return found


def wait_anew(writer: Writer, job_id: str, *, now_us: int) -> None:
    """How the jobs that a job depends on ended before now does not count any more."""
    writer.connection.execute(_WAIT_ANEW, {"key": job_id, "since_us": now_us})


def _needs(store: Store, job_id: str | None) -> list[tuple[str, Need]]:
    table, waiting = tables.dependencies, tables.jobs.alias("waiting")
    needed = tables.jobs.alias("needed")
    query = (
        select(table.c.job_id, table.c.needs_job_id, table.c.since_us, needed.c.state, needed.c.ended_us)
        .join(waiting, waiting.c.id == table.c.job_id)
        .outerjoin(needed, needed.c.id == table.c.needs_job_id)
        .order_by(waiting.c.ordinal, table.c.needs_job_id)
    )
    if job_id is not None:
        query = query.where(table.c.job_id == job_id)
    else:
        query = query.where(waiting.c.state == JobState.JOB_STATE_WAITING)
    with store.read() as connection:
        return [
            (
                row.job_id,
                Need(
                    job_id=row.needs_job_id,
                    state=row.state,
                    failed=row.state is None or (row.state in _ENDED_BADLY and (row.ended_us or 0) >= row.since_us),
                ),
            )
            for row in connection.execute(query)
        ]
