"""Who is next: the order of jobs that wait for a worker, and the limits on what may run at once.

Nothing here reads a clock, takes a lock or knows a store: the scheduler says what happens and when (in seconds of any
steady clock), and asks.

Jobs of higher priority go first. Among equal ones it is the turn of the artist who used the least of the workers
lately, and of an artist's jobs of the one they put first. What was used is forgotten by halves, and what runs counts at
once: several workers that become free together go to several artists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

TURN_SECONDS = 10.0
"""How far one artist may get ahead of another before a worker turns from the one to the other: turning may cost the
loading of a model. Also what a piece of work counts that has just begun."""
PATIENCE_SECONDS = 30.0
"""A job that does not fit beside what runs lets others go before it for so long; then room is made for it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """A job that has not ended and is not held back."""

    id: str
    artist: str
    """Whose share it uses; empty for nobody in particular, who are one more artist."""
    priority: int
    rank: float
    """Smaller goes first among an artist's jobs of one priority."""
    ordinal: int
    """Order of creation, between equal ranks."""
    memory_bytes: int
    """What each of its pieces of work needs."""
    begun: bool = False
    """Whether a worker was ever on it since it was queued."""
    alone: bool = False
    """Whether its work must have the machine for itself."""
    running: list[float] = field(default_factory=list)
    """When each piece of its work that runs was begun."""
    missing_room_since: float | None = None
    """Since when it was its turn, and it did not fit beside what runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may run at once; None for no limit."""

    jobs: int | None = None
    jobs_per_user: int | None = None
    memory_bytes: int | None = None


class Queue:
    """The jobs that wait and run. Not safe to use from several threads."""

    def __init__(self, *, limits: Limits, half_life_seconds: float) -> None:
        self._limits = limits
        self._half_life = half_life_seconds
        self._entries: dict[str, Entry] = {}
        self._begun: dict[str, Entry] = {}
        self._busy: dict[str, Entry] = {}
        self._used: dict[str, tuple[float, float]] = {}
        self._turns: dict[str, str] = {}
        self._groups: list[list[Entry]] | None = None

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Let a job wait for its turn."""
        self._entries[entry.id] = entry
        if entry.begun:
            self._begun[entry.id] = entry
        self._groups = None

    def remove(self, job_id: str) -> None:
        """Forget a job, of which nothing runs any more."""
        for known in (self._entries, self._begun, self._busy):
            known.pop(job_id, None)
        self._groups = None

    def move(self, job_id: str, *, priority: int, rank: float) -> None:
        """Give a job another place; nothing happens where it is not here."""
        entry = self._entries.get(job_id)
        if entry is not None:
            entry.priority, entry.rank = priority, rank
            self._groups = None

    def set_alone(self, job_id: str, alone: bool) -> None:
        """Say whether the job's work must have the machine for itself from now on."""
        self._entries[job_id].alone = alone

    def charge(self, artist: str, *, seconds: float, now: float) -> None:
        """An artist used a worker for so long."""
        self._used[artist] = (self._past(artist, now) + seconds, now)

    def begin(self, job_id: str, *, slot: str, now: float) -> None:
        """The worker of `slot` has begun a piece of work of the job."""
        entry = self._entries[job_id]
        entry.begun = True
        entry.missing_room_since = None
        entry.running.append(now)
        self._begun[job_id] = self._busy[job_id] = entry
        self._turns[slot] = entry.artist

    def end(self, job_id: str, *, since: float, now: float) -> float:
        """The piece of work that was begun at `since` has come back; returns the seconds it took."""
        entry = self._entries[job_id]
        entry.running.remove(since)
        if not entry.running:
            self._busy.pop(job_id, None)
        seconds = max(now - since, 0.0)
        self.charge(entry.artist, seconds=seconds, now=now)
        return seconds

    def next(self, *, slot: str, now: float, ready: Callable[[str], bool]) -> Entry | None:
        """The job that the free worker of `slot` should work on; None for none now.

        `ready` says whether a job has a piece of work that can be begun.
        """
        for group in self._in_order(slot=slot, now=now):
            for entry in group:
                if self._over_limit(entry) or not ready(entry.id):
                    continue
                if self._fits(entry):
                    return entry
                if entry.missing_room_since is None:
                    entry.missing_room_since = now
                if now - entry.missing_room_since >= PATIENCE_SECONDS:
                    return None  # what runs comes to its end, and nothing else is begun before it
        return None

    def held_by(self, job_id: str, *, now: float) -> str:
        """Why a job of which nothing runs may not run now, in plain words; empty where it only waits its turn."""
        entry = self._entries.get(job_id)
        if entry is None or entry.running:
            return ""
        reason = self._over_limit(entry)
        if reason:
            return reason
        if self._fits(entry):
            return self._making_room(entry, now)
        limit = self._limits.memory_bytes
        if entry.alone or limit is None:
            return "The memory was too little for it beside others: it runs alone, once nothing else does."
        needs = f"It needs {gib(entry.memory_bytes)} of memory"
        if entry.memory_bytes > limit:
            return f"{needs}, more than the limit of {gib(limit)} (memory_bytes_max): it runs alone."
        return f"{needs}, and {gib(self._taken())} of {gib(limit)} (memory_bytes_max) are taken."

    def too_large(self, job_id: str) -> int | None:
        """The limit on memory, in bytes, where the job alone is above it."""
        limit = self._limits.memory_bytes
        return limit if limit is not None and self._entries[job_id].memory_bytes > limit else None

    def usage(self, *, now: float) -> Mapping[str, float]:
        """What each artist counts as having used of late, in seconds of a worker."""
        found = {artist: self._past(artist, now) for artist in self._used}
        for entry in self._busy.values():
            for since in entry.running:
                found[entry.artist] = found.get(entry.artist, 0.0) + max(now - since, TURN_SECONDS)
        return found

    def _past(self, artist: str, now: float) -> float:
        seconds, then = self._used.get(artist, (0.0, now))
        return seconds * math.pow(0.5, max(now - then, 0.0) / self._half_life)

    def _in_order(self, *, slot: str, now: float) -> list[list[Entry]]:
        """Each artist's jobs of each priority, best first."""
        if self._groups is None:
            groups: dict[tuple[int, str], list[Entry]] = {}
            for entry in self._entries.values():
                groups.setdefault((entry.priority, entry.artist), []).append(entry)
            self._groups = [sorted(group, key=lambda entry: (entry.rank, entry.ordinal)) for group in groups.values()]
        used = dict(self.usage(now=now))
        mine = self._turns.get(slot)
        if mine is not None:
            used[mine] = used.get(mine, 0.0) - TURN_SECONDS

        def order(group: list[Entry]) -> tuple[float, ...]:
            first = group[0]
            return (-first.priority, used.get(first.artist, 0.0), first.rank, first.ordinal)

        return sorted(self._groups, key=order)

    def _over_limit(self, entry: Entry) -> str:
        """The limit of running jobs that keeps a job from beginning, in words; empty for none."""
        if entry.begun:
            return ""
        most, there = self._limits.jobs, len(self._begun)
        if most is not None and there >= most:
            return f"{_jobs(there)} running, and no more than {most} may (running_jobs_max)."
        most = self._limits.jobs_per_user
        if most is not None:
            own = sum(other.artist == entry.artist for other in self._begun.values())
            if own >= most:
                whose = f" of {entry.artist}" if entry.artist else ""
                return f"{_jobs(own, whose)} running, and no more than {most} may (running_jobs_per_user_max)."
        return ""

    def _fits(self, entry: Entry) -> bool:
        """Whether there is room for one more piece of its work."""
        if not self._busy:
            return True  # what is too large for the machine runs alone: it may do, and waiting would not help
        if entry.alone or any(other.alone for other in self._busy.values()):
            return False
        limit = self._limits.memory_bytes
        return limit is None or entry.memory_bytes + self._taken() <= limit

    def _taken(self) -> int:
        return sum(other.memory_bytes * len(other.running) for other in self._busy.values())

    def _making_room(self, entry: Entry, now: float) -> str:
        for other in self._entries.values():
            since = other.missing_room_since
            if other is not entry and since is not None and now - since >= PATIENCE_SECONDS:
                return f"Room is being made for the job {other.id}, which needs {gib(other.memory_bytes)} of memory."
        return ""


def gib(count: int) -> str:
    """Bytes in words."""
    return f"{count / (1 << 30):.1f} GiB"


def _jobs(count: int, whose: str = "") -> str:
    return f"1 job{whose} is" if count == 1 else f"{count} jobs{whose} are"
