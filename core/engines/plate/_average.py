"""Averages light over frames that show the same (S8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange

from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate.motion._proxy import Mask


@dataclass(slots=True, kw_only=True)
class Average:
    """Means of light ``(count, channels)`` that grow by one frame at a time."""

    first: Array
    """What every other frame is compared with."""
    allowed: Array
    """Squared difference from `first`, like it, up to which a frame shows the same."""
    total: Array
    kept: Array
    """``(count,)``: sum of the parts of the grain's variance that are left in what was added."""
    count: Array
    """``(count,)``: frames that were added."""

    @classmethod
    def of(cls, first: Array, *, kept: Array, allowed: Array) -> Average:
        """The average of one frame; `kept` is what is left of its grain."""
        ones = np.ones(len(first), np.float32)
        return cls(first=first, allowed=allowed, total=first.copy(), kept=kept.copy(), count=ones)

    def add(self, values: Array, *, kept: Array, usable: Mask) -> None:
        """Add a frame where it is `usable` and shows the same in all channels."""
        _add(self.first, self.allowed, self.total, self.kept, self.count, values, kept, usable.view(np.uint8))

    @property
    def mean(self) -> Array:
        """The mean light."""
        return self.total / self.count[:, np.newaxis]

    @property
    def mean_kept(self) -> Array:
        """Part of the grain's variance that is left in the mean."""
        return self.kept / self.count**2


@njit(cache=True, nogil=True, parallel=True)
def _add(first: Any, allowed: Any, total: Any, kept: Any, count: Any, values: Any, own_kept: Any, usable: Any) -> None:
    channels = first.shape[1]
    for index in prange(first.shape[0]):
        if usable[index] == 0:
            continue
        agrees = True
        for channel in range(channels):
            difference = values[index, channel] - first[index, channel]
            if not difference * difference <= allowed[index, channel]:
                agrees = False
        if agrees:
            for channel in range(channels):
                total[index, channel] += values[index, channel]
            kept[index] += own_kept[index]
            count[index] += np.float32(1)
