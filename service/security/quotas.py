"""What one user may have at once, so that nobody's mistake takes the service from all others."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from overscan.service._errors import QuotaError
from overscan.service._settings import Settings
from overscan.service.security.users import Caller

_BURST_SECONDS = 5.0
"""A user who was quiet may make the calls of so many seconds at once."""
_USERS_REMEMBERED_MAX = 10_000


class Quotas:
    """Limits per user, counted in memory. Whoever runs the service, on its own machine, has none."""

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._streams: Counter[str] = Counter()
        self._left: dict[str, tuple[float, float]] = {}
        """Calls left, and when they were counted."""

    def call(self, caller: Caller) -> None:
        """Count a call; raises `QuotaError` where there were too many of late."""
        rate = self._settings.quota_calls_per_second
        if not caller.name or not rate:
            return
        now, most = time.monotonic(), rate * _BURST_SECONDS
        with self._lock:
            left, then = self._left.get(caller.name, (most, now))
            left = min(most, left + (now - then) * rate)
            if len(self._left) > _USERS_REMEMBERED_MAX:
                self._left.clear()
            self._left[caller.name] = (max(left - 1.0, 0.0), now)
        if left < 1.0:
            raise self._used_up("calls per second", rate, "Wait a moment, and watch jobs rather than asking again.")

    @contextmanager
    def stream(self, caller: Caller) -> Iterator[None]:
        """Count an open stream; raises `QuotaError` where there are too many."""
        most = self._settings.quota_streams_per_user
        if not caller.name or not most:
            yield
            return
        with self._lock:
            if self._streams[caller.name] >= most:
                raise self._used_up("open streams", most, "Close some watchers or transfers.")
            self._streams[caller.name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._streams[caller.name] -= 1
                if not self._streams[caller.name]:
                    del self._streams[caller.name]

    def check_jobs(self, caller: Caller, *, unfinished: int) -> None:
        """Raise `QuotaError` where a user with so many jobs that have not ended may add none."""
        most = self._settings.quota_jobs_per_user
        if caller.name and most and unfinished >= most:
            raise self._used_up("jobs that have not ended", most, "Wait for some of your jobs, or cancel them.")

    def check_job(self, caller: Caller, *, frames: int, pixels: int) -> None:
        """Raise `QuotaError` where a job is larger than a user's may be; `pixels` are of all its frames."""
        settings = self._settings
        if not caller.name:
            return
        for what, number, most in (
            ("frames in a job", frames, settings.quota_frames_per_job),
            ("pixels in a job", pixels, settings.quota_pixels_per_job),
        ):
            if most and number > most:
                raise self._used_up(what, most, "Cut the job into several, or ask an admin.", actual=number)

    @staticmethod
    def _used_up(what: str, most: float, next_step: str, *, actual: object = "") -> QuotaError:
        shown = f"{most:,.0f}"
        return QuotaError(
            f"a user may have {shown} {what} at once." if "in a job" not in what else f"there may be {shown} {what}.",
            next_step=next_step,
            expected=f"at most {shown}",
            actual=actual,
        )
