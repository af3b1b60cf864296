"""Where a job goes among its artist's jobs of one priority: numbers that sort, and room between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_APART = 1.0
"""Between ranks that are given anew: ranks of new jobs are seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A job among others, by its rank: smaller goes first."""

    job_id: str
    rank: float


def ranks_for(*, job_id: str, others: Sequence[Place], index: int, now: float) -> dict[str, float]:
    """Ranks that put a job at `index` of `others`, which are in their order: its own, and theirs that must change.

    `now`, in seconds since 1970, is the rank of a job created now: whatever comes behind all stays before such.
    """
    before = others[index - 1].rank if index > 0 else None
    after = others[index].rank if index < len(others) else None
    if before is None and after is None:
        return {job_id: now}
    if before is None and after is not None:
        return {job_id: after - _APART}
    if before is not None and after is None:
        return {job_id: max(now, before + _APART)}
    assert before is not None and after is not None
    middle = before + (after - before) / 2
    if before < middle < after:
        return {job_id: middle}
    # No number is left between the two: number all up to here anew, below what follows.
    order = [*(place.job_id for place in others[:index]), job_id]
    return {name: after - _APART * (len(order) - position) for position, name in enumerate(order)}
