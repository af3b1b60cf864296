"""Which of several workers answers whom, so that nobody's slow question keeps the others waiting."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from overscan.core.errors import CancelledError
from overscan.service._errors import QuotaError
from overscan.service.workers.worker import Stop, Worker

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
_STALLED_MAX = 8
"""Calls of one caller that may wait while nothing moves: each holds one of the service's threads."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Seat:
    """A worker, and who has it."""

    worker: Worker
    holder: str = ""
    since: float = 0.0
    """When the holder got it, on the monotonic clock."""
    used: float | None = None
    """When its process was given back last; None where there is no process."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Asker:
    """A call that waits for a worker."""

    who: str
    seat: _Seat | None = None
    given: threading.Event = field(default_factory=threading.Event)


class Pool:
    """Lends workers to callers; safe to use from any thread.

    Callers take turns, and none of them has all workers at once where there are several. A worker whose process is not
    there yet is lent only when all others have been away for `patience_seconds`.
    """

    def __init__(self, *, workers: Sequence[Worker], patience_seconds: float, stall_seconds: float = math.inf) -> None:
        """Whoever has had all their workers for `stall_seconds` may let a few more calls wait behind, and no more."""
        self._free = [_Seat(worker=worker) for worker in workers]
        self._workers = tuple(workers)
        self._taken: list[_Seat] = []
        self._waiting: list[_Asker] = []
        self._each_max = max(len(workers) - 1, 1)
        self._patience_seconds = patience_seconds
        self._stall_seconds = stall_seconds
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, *, who: str, stop: Stop) -> Iterator[Worker]:
        """A worker for the caller `who`, once it is their turn.

        Raises `CancelledError` where `stop` asks before, and `QuotaError` where too many of the caller's wait already
        and nothing of theirs moves.
        """
        seat = self._take(who, stop)
        try:
            if stop.requested:
                raise _gone()
            yield seat.worker
        finally:
            self._give_back(seat)

    def rest(self, *, idle_seconds_max: float, keep_one: bool) -> None:
        """End the processes that nobody has used for so long, but for the last of them where `keep_one`."""
        now = time.monotonic()
        with self._lock:
            idle = sorted((seat.used, index) for index, seat in enumerate(self._free) if seat.used is not None)
            if keep_one:
                idle = idle[:-1]
            tired = [self._free[index] for used, index in idle if now - used >= idle_seconds_max]
            for seat in tired:
                self._free.remove(seat)
        for seat in tired:
            seat.worker.abandon()
            self._give_back(seat)

    def close(self) -> None:
        """End all processes, at once: one that hangs may take seconds."""
        closers = [threading.Thread(target=worker.close, name=f"close-{worker.name}") for worker in self._workers]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()

    def _take(self, who: str, stop: Stop) -> _Seat:
        asker = _Asker(who=who)
        with self._lock:
            self._waiting.append(asker)
            self._hand_out()
        while not asker.given.wait(_LOOK_SECONDS):
            with self._lock:
                self._hand_out()  # for patience may have ended
                if asker.seat is None and (stop.requested or self._is_too_many(asker)):
                    self._waiting.remove(asker)
                    raise _gone() if stop.requested else _too_many()
        assert asker.seat is not None
        return asker.seat

    def _is_too_many(self, asker: _Asker) -> bool:
        """Whether this one should not wait any longer: many of the same caller are before it, and nothing moves."""
        before = [other for other in self._waiting[: self._waiting.index(asker)] if other.who == asker.who]
        mine = [seat for seat in self._taken if seat.holder == asker.who] or self._taken
        now = time.monotonic()
        stalled = min((now - seat.since for seat in mine), default=0.0) > self._stall_seconds
        return stalled and len(before) >= _STALLED_MAX

    def _give_back(self, seat: _Seat) -> None:
        seat.used = time.monotonic() if seat.worker.status().pid else None
        with self._lock:
            if seat in self._taken:
                self._taken.remove(seat)
            self._free.append(seat)
            self._hand_out()

    def _hand_out(self) -> None:
        """Give workers to whoever's turn it is. The lock is held."""
        now = time.monotonic()
        while (asker := self._next_asker()) is not None and (seat := self._next_seat(now)) is not None:
            self._free.remove(seat)
            self._taken.append(seat)
            seat.holder, seat.since = asker.who, now
            # Whoever is served goes behind everybody else.
            self._waiting.remove(asker)
            self._waiting.sort(key=lambda other, who=asker.who: other.who == who)  # type: ignore[misc]
            asker.seat = seat
            asker.given.set()

    def _next_asker(self) -> _Asker | None:
        for asker in self._waiting:
            if sum(seat.holder == asker.who for seat in self._taken) < self._each_max:
                return asker
        return None

    def _next_seat(self, now: float) -> _Seat | None:
        """The one used last, so that others come to rest; or a new process, where all that are there take long."""
        used = [seat for seat in self._free if seat.used is not None]
        if used:
            return max(used, key=lambda seat: seat.used or 0.0)
        if not self._free or any(now - seat.since < self._patience_seconds for seat in self._taken):
            return None
        for seat in self._taken:
            _LOG.info(
                "%s has had a question of %s for %.0f s",
                seat.worker.name,
                seat.holder or "the service",
                now - seat.since,
            )
        return min(self._free, key=lambda seat: seat.worker.name)


def _too_many() -> QuotaError:
    return QuotaError(
        f"{_STALLED_MAX} of your jobs wait to be planned, and those before them take long.",
        next_step="Look at the storage that their files are on, and ask for fewer at once.",
        expected=f"at most {_STALLED_MAX}",
    )


def _gone() -> CancelledError:
    return CancelledError("the caller has gone.")
