"""A job with all that is stored of it. Clients ask again and again: few statements, none of them put together anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, literal, select

from overscan.service.store import tables
from overscan.service.store.store import Store
from overscan.service.store.writer import no_such_job
from overscan.v1.frames_pb2 import FrameSet
from overscan.v1.plan_pb2 import Plan

_FRAMES_WITH_PATHS_MAX = 10_000
"""Of a job with more frames, their paths are left out: a message must not be larger than a client takes."""
_OF_JOB: BindParameter[str] = bindparam("job_id")
_JOB = (
    select(tables.jobs, tables.plans.c.plan.label("whole_plan"))
    .outerjoin(tables.plans, tables.plans.c.job_id == tables.jobs.c.id)
    .where(tables.jobs.c.id == _OF_JOB, tables.jobs.c.purging == 0)
)
_STEPS = (
    select(tables.steps.c.step_id, tables.steps.c.state, tables.steps.c.attempts)
    .where(tables.steps.c.job_id == _OF_JOB)
    .order_by(tables.steps.c.position)
)
_FRAMES, _MANY_FRAMES = (
    select(tables.frames.c.frame, tables.frames.c.state, path)
    .where(tables.frames.c.job_id == _OF_JOB)
    .order_by(tables.frames.c.frame)
    for path in (tables.frames.c.path, literal("").label("path"))
)
_WARNINGS = (
    select(tables.warnings.c.code, tables.warnings.c.message, tables.warnings.c.frame)
    .where(tables.warnings.c.job_id == _OF_JOB)
    .order_by(tables.warnings.c.id)
)
_PREVIEW = select(tables.events.c.payload).where(tables.events.c.job_id == _OF_JOB, tables.events.c.kind == "preview")


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeJob:
    """What the store has of a job; there may be tens of thousands of steps and of frames."""

    row: Row[Any]
    """Of the table of jobs."""
    plan: Plan
    """Steps included; empty for a job that waits for others, which has none yet."""
    steps: Sequence[Row[str, int, int]]
    """Id, state, and number of starts, in the plan's order."""
    frames: Sequence[Row[int, int, str]]
    """Number, state and path, ascending; without paths where there are very many."""
    warnings: Sequence[Row[str, str, str]]
    """Code, message, and the frame in digits, or empty for none; in the order they came."""
    preview: bytes | None
    """The event with the last preview of a job that has ended or is paused."""


def whole_job(store: Store, *, job_id: str) -> WholeJob:
    """The job with exactly this id; raises `JobNotFoundError`."""
    job = {"job_id": job_id}
    with store.read() as connection:
        row = connection.execute(_JOB, job).first()
        if row is None:
            raise no_such_job(job_id)
        plan = Plan.FromString(row.whole_plan or b"")
        many = _count(plan.frames) > _FRAMES_WITH_PATHS_MAX
        begun = row.started_us is not None
        return WholeJob(
            row=row,
            plan=plan,
            steps=connection.execute(_STEPS, job).all(),
            frames=connection.execute(_MANY_FRAMES if many else _FRAMES, job).all(),
            warnings=connection.execute(_WARNINGS, job).all(),
            preview=connection.execute(_PREVIEW, job).scalar() if begun else None,
        )


def _count(frames: FrameSet) -> int:
    return sum((part.last - part.first) // max(part.step, 1) + 1 for part in frames.ranges)
