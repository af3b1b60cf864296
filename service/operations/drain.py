"""Brings the service to rest: no new work, what runs may end, then perhaps the end of the service."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

_LOG = logging.getLogger(__name__)


class _Work(Protocol):
    """What of the scheduler is needed here."""

    def hold(self) -> None:
        """Give out no more work."""

    def release(self) -> None:
        """Give out work again."""

    def running_steps(self) -> int:
        """Steps that a worker is on."""


class Drain:
    """Whether the service gives out work, and when it has come to its end. Safe to use from any thread."""

    def __init__(self, *, work: _Work, seconds_max: float) -> None:
        """`seconds_max` holds where a drain is asked for without its own limit."""
        self._work = work
        self._seconds_max = seconds_max
        self._lock = threading.Lock()
        self._deadline: float | None = None
        self._changed: list[Callable[[], None]] = []
        self.draining = False
        self.closing = False

    def on_change(self, act: Callable[[], None]) -> None:
        """Have `act` called, from any thread, whenever a drain begins or is undone."""
        self._changed.append(act)

    def begin(self, *, close: bool, seconds: float | None = None) -> None:
        """Give out no more work; with `close`, end the service when no step runs or after `seconds`.

        A drain that runs is made to close, but one that closes goes on.
        """
        with self._lock:
            first = not self.draining
            self.draining = True
            if close and not self.closing:
                self.closing = True
                limit = self._seconds_max if seconds is None else seconds
                self._deadline = time.monotonic() + limit
            self._work.hold()  # under the lock: an `undo` meanwhile must not leave the work held for ever
        if first:
            _LOG.info("draining: %d steps run", self._work.running_steps())
        self._tell()

    def undo(self) -> bool:
        """Give out work again; False where the service is about to end, which cannot be undone."""
        with self._lock:
            if self.closing:
                return False
            was, self.draining = self.draining, False
            self._work.release()
        if was:
            _LOG.info("no longer draining")
        self._tell()
        return True

    def hurry(self) -> None:
        """End now, whatever runs."""
        with self._lock:
            self.draining = self.closing = True
            self._deadline = time.monotonic()
        self._tell()

    def over(self) -> bool:
        """Whether it is time to end the service."""
        with self._lock:
            if not self.closing or self._deadline is None:
                return False
            late = time.monotonic() >= self._deadline
        return late or self._work.running_steps() == 0

    def _tell(self) -> None:
        for act in self._changed:
            act()
