"""Tells a worker that works from one that is frozen or stuck. Knows no process: it is told what is heard, and when."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_COMPUTES_SHARE = 0.02
"""Part of one core from which on a process counts as computing."""
_START_FACTOR = 3
"""A process that has not said anything yet may be loading libraries from a slow disk."""


@dataclass(slots=True, kw_only=True)
class Pulse:
    """What is known of the life of one worker process while it has a request. Times are of the monotonic clock."""

    heard_at: float
    """When anything came from it last, or began to be waited for."""
    has_spoken: bool = False
    active_at: float = 0.0
    """When it last reported something, or was seen to compute."""
    active_cpu: float = 0.0
    """Seconds it had computed by then, as it says itself."""
    looked: tuple[float, float] | None = None
    """When the system was last asked how much it had computed while it was silent, and the seconds it said."""
    computed_at: float = 0.0
    """When it was last seen to compute, by the system, while it was silent."""

    def begin(self, *, now: float) -> None:
        """It was given a request."""
        self.heard_at = self.active_at = now
        self.looked = None

    def wait(self, *, now: float) -> None:
        """Its reader listens: since the last that was heard nobody did, and it may have waited for that."""
        self.active_at += max(now - self.heard_at, 0.0)
        self.heard_at = now
        self.looked = None

    def _hear(self, now: float) -> None:
        self.has_spoken = True
        self.heard_at = now
        self.looked = None

    def beat(self, *, now: float, cpu_seconds: float) -> None:
        """It says that it lives, and how long it has computed."""
        self._hear(now)
        if cpu_seconds < self.active_cpu or cpu_seconds - self.active_cpu > _COMPUTES_SHARE * (now - self.active_at):
            self.active_at, self.active_cpu = now, cpu_seconds

    def report(self, *, now: float) -> None:
        """It reported something."""
        self._hear(now)
        self.active_at = now

    def verdict(self, *, now: float, cpu_seconds: float | None, silent_max: float, stuck_max: float) -> str:
        """Why it should be killed, in plain words; empty where it should not.

        `cpu_seconds` is what the system says that it has computed, None where it does not say. One that holds Python's
        lock while it computes is silent, too, and not frozen.
        """
        silent = now - self.heard_at
        if now - self.active_at > stuck_max and silent <= silent_max:
            return f"it has neither reported anything nor computed for {now - self.active_at:.0f} s"
        limit = silent_max if self.has_spoken else _START_FACTOR * silent_max
        if silent < limit / 2:
            return ""
        if cpu_seconds is not None:
            self._look(now, cpu_seconds, every=limit / 4)
        computes = self.looked is not None and now - self.computed_at <= limit / 2
        if silent > (max(stuck_max, limit) if computes else limit):
            return f"it has not answered for {silent:.0f} s"
        return ""

    def _look(self, now: float, cpu_seconds: float, *, every: float) -> None:
        """Note whether a silent process computes; one that waits for Python's lock does so a little, all the time."""
        if self.looked is None:
            self.looked, self.computed_at = (now, cpu_seconds), now
        at, seconds = self.looked
        if now - at >= every:
            self.looked = (now, cpu_seconds)
            if cpu_seconds - seconds > _COMPUTES_SHARE * (now - at):
                self.computed_at = now


def cpu_seconds_of(pid: int) -> float | None:
    """Seconds that a process has computed, by the system; None where that is not known (Linux only)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return None
