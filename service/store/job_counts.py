"""How many jobs are in which state."""

from __future__ import annotations

from sqlalchemy import func, select

from overscan.service.store import tables
from overscan.service.store.store import Store
from overscan.v1.job_pb2 import JobState


def count_jobs(store: Store) -> dict[str, int]:
    """Jobs by state, each by its name on the wire, with 0 for states that no job is in."""
    counts = {name: 0 for name, number in JobState.items() if number}
    query = select(tables.jobs.c.state, func.count()).group_by(tables.jobs.c.state)
    with store.read() as connection:
        for state, count in connection.execute(query):
            counts[JobState.Name(state)] = count
    return counts
