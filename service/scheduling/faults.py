"""Decides what becomes of work that could not be done: again, when and how sparingly, or the end of its job.

Nothing here touches a store, a process or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from overscan.core.errors import ErrorRecord

DEATHS_MAX = 3
"""Workers that may crash or hang on one step."""
KILLS_MAX = 10
"""Workers that may be killed from outside on one step: nobody knows why, and it need not be the step's fault."""
FRUGAL_MAX = 2
"""How far the use of memory can be cut down; see `core.engines.Context.frugal`."""
_SUSPICIOUS_KILLS = 3
"""From so many on, memory is saved too: not every system says that it kills for want of memory."""
_PAUSE_SECONDS_MAX = 30.0
_PASSING = frozenset({"DISK_FULL", "SHARE_LOST"})


class Trouble(Enum):
    """Kinds of failures, by what may help."""

    STORAGE = "storage"
    """It may pass: a full disk, a share that is gone."""
    START = "start"
    """A worker did not get as far as its work, which may pass, too: Overscan is being updated, or a disk is slow."""
    MEMORY = "memory"
    """There was not enough memory."""
    CRASH = "crash"
    """The worker ended by a fault of its own."""
    KILLED = "killed"
    """The worker was ended from outside."""
    HUNG = "hung"
    """The worker did not answer, or did nothing for too long."""
    FINAL = "final"
    """It would fail again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What has gone wrong with a step since it was last begun anew, or last finished a frame."""

    failures: int = 0
    """Of what may pass: the storage, a start."""
    deaths: int = 0
    kills: int = 0
    frugal: int = 0
    """How sparing of memory it is to be from now on; stays when frames are finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often and how long is tried again."""

    retries_max: int
    retry_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of the work."""

    again: bool
    tried: Tried
    pause_seconds: float = 0.0
    """Until it is tried again."""


def trouble_of(record: ErrorRecord) -> Trouble:
    """The kind of a failure that a worker has reported."""
    if record.code in _PASSING:
        return Trouble.STORAGE
    return Trouble.MEMORY if record.code == "OUT_OF_MEMORY" else Trouble.FINAL


def decide(trouble: Trouble, *, tried: Tried, advanced: bool, limits: Limits) -> Verdict:
    """What becomes of work after one more failure. `advanced`: it has finished a new frame since the last one."""
    before = Tried(frugal=tried.frugal) if advanced else tried
    if trouble in (Trouble.STORAGE, Trouble.START):
        now = replace(before, failures=before.failures + 1)
        pause = _pause(now.failures)
        waited = sum(_pause(failure) for failure in range(1, now.failures))
        again = now.failures <= limits.retries_max and waited + pause <= limits.retry_seconds
        return Verdict(again=again, tried=now, pause_seconds=pause if again else 0.0)
    if trouble is Trouble.MEMORY:
        now = replace(before, frugal=min(before.frugal + 1, FRUGAL_MAX))
        return Verdict(again=before.frugal < FRUGAL_MAX, tried=now)
    if trouble is Trouble.KILLED:
        now = replace(before, kills=before.kills + 1)
        if now.kills >= _SUSPICIOUS_KILLS:
            now = replace(now, frugal=max(now.frugal, 1))
        return Verdict(again=now.kills < KILLS_MAX, tried=now)
    if trouble is Trouble.FINAL:
        return Verdict(again=False, tried=before)
    now = replace(before, deaths=before.deaths + 1)
    return Verdict(again=now.deaths < DEATHS_MAX, tried=now)


def _pause(failure: int) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4 …"""
    return float(min(2.0 ** (failure - 1), _PAUSE_SECONDS_MAX))
