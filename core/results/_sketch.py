"""A frame of groundwork in brief: where something is to be painted and how bright it is, so that a whole shot can be
looked at without its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.geometry import Window
from overscan.core.results._compose import Generated, Map
from overscan.core.results._extras import SourceKind
from overscan.core.temporaries import written_beside

CELL = 16
"""Samples along the side of a cell."""
_LEAST, _MOST, _PER_STOP = -16, 24, 4
"""Stops that light is counted in, from 1, and bins for each."""
_BINS = (_MOST - _LEAST) * _PER_STOP
_STRIDE = 2
"""Every second sample both ways tells as much of how bright a frame is."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LightCounts:
    """How often which light is there, in quarters of a stop; of a pixel's channels the brightest and the darkest."""

    above: Counts = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    """``(160,)``: pixels by their brightest channel, of those where it is above 0."""
    below: Counts = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    """The same by how far their darkest channel is below 0."""
    pixels: int = 0

    @classmethod
    def of(cls, light: npt.NDArray[np.float32]) -> LightCounts:
        """Counts of ``(height, width, channels)`` scene-linear light; what is no number is left out."""
        some = light[::_STRIDE, ::_STRIDE]
        return cls(
            above=_counted(some.max(axis=-1)), below=_counted(-some.min(axis=-1)), pixels=some.shape[0] * some.shape[1]
        )

    def __add__(self, other: LightCounts) -> LightCounts:
        return LightCounts(
            above=self.above + other.above, below=self.below + other.below, pixels=self.pixels + other.pixels
        )

    def brightest(self, *, but: float) -> float:
        """Light that all `but` a part of the pixels are at most; 0 where none is above 0."""
        beyond = np.cumsum(self.above[::-1])[::-1]
        there = np.flatnonzero(beyond > but * self.pixels)
        return float(2.0 ** (_LEAST + (there[-1] + 1) / _PER_STOP)) if len(there) else 0.0

    def outside(self, *, lowest: float, highest: float) -> float:
        """The part of the pixels, 0 to 1, that have light below `lowest`, which is below 0, or above `highest`."""
        many = int(self.above[_bin(highest) + 1 :].sum()) + int(self.below[_bin(-lowest) + 1 :].sum())
        return many / self.pixels if self.pixels else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """One frame in cells of `CELL` samples, which begin at the window's corner."""

    window: Window
    """The frame's data window in the plate's pixel space."""
    unseen: npt.NDArray[np.bool_]
    """``(rows, columns)``: whether there is anything in the cell that nobody has seen."""
    generated: npt.NDArray[np.bool_]
    """Whether there is anything generated."""
    confidence: Map
    """The least confidence of what was copied; 1 where nothing was."""
    light: LightCounts

    def save(self, path: Path) -> None:
        """Keep it in an .npz file, atomically."""
        own = self.window
        with written_beside(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                window=np.array([own.x, own.y, own.width, own.height]),
                unseen=self.unseen,
                generated=self.generated,
                confidence=self.confidence,
                above=self.light.above,
                below=self.light.below,
                pixels=np.array(self.light.pixels),
            )

    @classmethod
    def load(cls, path: Path) -> Sketch:
        """Read what `save` kept."""
        with np.load(path) as kept:
            x, y, width, height = (int(value) for value in kept["window"])
            return cls(
                window=Window(x=x, y=y, width=width, height=height),
                unseen=kept["unseen"],
                generated=kept["generated"],
                confidence=kept["confidence"],
                light=LightCounts(above=kept["above"], below=kept["below"], pixels=int(kept["pixels"])),
            )


def sketch_of(made: Generated, *, never_seen: Map) -> Sketch:
    """The sketch of a frame of groundwork."""
    painted = made.alpha > 0
    copied = painted & (made.kind == SourceKind.COPIED)
    return Sketch(
        window=made.window,
        unseen=_cells(never_seen > 0, np.maximum),
        generated=_cells(painted, np.maximum),
        confidence=_cells(np.where(copied, made.confidence, np.float32(1)), np.minimum),
        light=LightCounts.of(made.light),
    )


def _cells(values: npt.NDArray[Any], join: np.ufunc) -> npt.NDArray[Any]:
    rows = np.arange(0, values.shape[0], CELL)
    columns = np.arange(0, values.shape[1], CELL)
    found: npt.NDArray[Any] = join.reduceat(join.reduceat(values, rows, axis=0), columns, axis=1)
    return found


def _counted(values: npt.NDArray[np.float32]) -> Counts:
    positive = values[np.isfinite(values) & (values > 0)]
    bins = np.floor((np.log2(positive) - _LEAST) * _PER_STOP).astype(np.int64)
    return np.bincount(np.clip(bins, 0, _BINS - 1), minlength=_BINS)


def _bin(light: float) -> int:
    return int(np.clip(np.floor((np.log2(light) - _LEAST) * _PER_STOP), 0, _BINS - 1))
