"""Addresses that run: what was taken from moving water goes on moving, as the plate goes on showing it (S7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._dynamic import carried
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._trace import Numbers
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._proxy import Mask

Counts = npt.NDArray[np.uint8]
Where = Mask | tuple[npt.NDArray[np.integer[Any]], ...]
"""What picks some of an array: a mask, or rows and columns."""

_LONGEST = 48
"""Frames that an address runs at most to either side of where it began."""
_SHORTEST = 4
"""Frames that an address runs at least: to and fro between two or three would flicker."""
_STRIDE = 6
"""Sources that leave the frame turn round in groups, after multiples of so many frames: what lies side by side should
turn at once."""


@dataclass(slots=True, kw_only=True)
class Runs:
    """How addresses run; arrays of one shape, that of the addresses.

    An address says what is fetched in frame `since`. A frame later what is fetched is a frame later too, as long as
    that is at most `ahead` frames after the address's own, then a frame earlier each time until `back` frames before
    it, and so on to and fro. Both 0 stands still.
    """

    since: Numbers
    back: Counts
    ahead: Counts

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Runs:
        """Addresses that all stand still."""
        return cls(since=np.zeros(shape, np.int32), back=np.zeros(shape, np.uint8), ahead=np.zeros(shape, np.uint8))

    def at(self, where: Where) -> Runs:
        """The runs of some of the addresses."""
        return Runs(since=self.since[where], back=self.back[where], ahead=self.ahead[where])

    def put(self, where: Where, other: Runs) -> None:
        """Write over the runs of some of the addresses."""
        self.since[where], self.back[where], self.ahead[where] = other.since, other.back, other.ahead

    @property
    def moving(self) -> Mask:
        """Which do not stand still."""
        moving: Mask = (self.back > 0) | (self.ahead > 0)
        return moving

    def offset(self, frame: int) -> Numbers:
        """Frames from an address's own frame to the one that is fetched from in `frame`."""
        back, span = self.back.astype(np.int32), self.back.astype(np.int32) + self.ahead
        turn = np.maximum(2 * span, 1)
        phase = (frame - self.since + back) % turn
        offset: Numbers = np.where(phase <= span, phase, turn - phase) - back
        return np.where(span > 0, offset, 0).astype(np.int32)


class Runner:
    """Lets addresses run in one shot, carried along by the camera's path."""

    def __init__(self, *, path: CameraPath, lattice: Lattice, usable: Callable[[int], Mask], frames: int) -> None:
        """`usable` says of a frame, by index, what of it may be copied: ``(height, width)`` of `lattice`."""
        self._path = path
        self._lattice = lattice
        self._usable = usable
        self._frames = frames

    def at(self, frame: int, source: Numbers, x: Array, y: Array, runs: Runs) -> tuple[Numbers, Array, Array]:
        """The addresses ``(count,)`` that are fetched in `frame`; the ones given are those of ``runs.since``."""
        now = (source + runs.offset(frame)).astype(np.int32)
        x, y = x.copy(), y.copy()
        moved = np.flatnonzero(now != source)
        pairs = source[moved].astype(np.int64) * self._frames + now[moved]
        for pair in np.unique(pairs):
            here = moved[pairs == pair]
            model = self._path.in_plate(first=int(pair) // self._frames, second=int(pair) % self._frames)
            assert model is not None, "addresses run only where the camera's path is known"
            x[here], y[here] = carried(model, x[here], y[here])
        return now, x, y

    def room(self, source: int, x: Array, y: Array) -> tuple[Counts, Counts]:
        """How many frames back and ahead addresses ``(count,)`` in frame `source` may run."""
        back, ahead = self._extent(source, -1, x, y), self._extent(source, 1, x, y)
        too_short = back + ahead < min(_SHORTEST, self._frames - 1)
        back[too_short] = ahead[too_short] = 0
        return back, ahead

    def _extent(self, source: int, direction: int, x: Array, y: Array) -> Counts:
        extent = np.zeros(len(x), np.uint8)
        open_ones = np.arange(len(x))
        most = min(_LONGEST, source if direction < 0 else self._frames - 1 - source)
        for away in range(1, most + 1):
            frame = source + direction * away
            model = self._path.in_plate(first=source, second=frame)
            if model is None:
                break
            shown = self._lattice.nearest(self._usable(frame), *carried(model, x[open_ones], y[open_ones]))
            open_ones = open_ones[shown]
            if not len(open_ones):
                break
            extent[open_ones] = away
        return np.where(extent == most, extent, extent // _STRIDE * _STRIDE).astype(np.uint8)
