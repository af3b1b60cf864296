"""What the queue may have running at once on this machine."""

from __future__ import annotations

from overscan.core.memory import memory
from overscan.service._settings import Settings
from overscan.service.scheduling.queue import Limits

_RESERVED_SHARE = 0.1
_RESERVED_BYTES_MIN = 1 << 30
"""Left to the system and to the service itself, unless a limit is set."""


def queue_limits(settings: Settings) -> Limits:
    """The limits that are set, that on memory by what the machine (or its container) has where it is not."""
    limit = settings.memory_bytes_max
    if limit is None:
        total = memory().total
        limit = max(total - max(int(total * _RESERVED_SHARE), _RESERVED_BYTES_MIN), total // 2)
    return Limits(
        jobs=settings.running_jobs_max, jobs_per_user=settings.running_jobs_per_user_max, memory_bytes=limit or None
    )
