"""Follows pixels that a frame does not show into frames that do: chains of sub-pixel addresses (S5; Gao 2020)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate.motion._field import Field
from overscan.core.engines.plate.motion._proxy import Mask

Numbers = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint8]

NOWHERE = np.int32(-1)
"""Frame index of a pixel that was found nowhere."""
GATE = 0.5
"""Square of the gap, in samples of the field's own pitch, that motion there and back may leave (ProPainter's gate)."""


@dataclass(slots=True, kw_only=True)
class Target:
    """Pixels of one frame that want a source. Positions are in the plate's pixel space."""

    frame: int
    """Index in the shot."""
    x: Array
    y: Array


@dataclass(slots=True, kw_only=True)
class Found:
    """Where the pixels of a target were found in one direction of time."""

    frame: Numbers
    """Index of the source frame, `NOWHERE` for none."""
    x: Array
    y: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """What a frame shows: a picture of 1 (may be copied from) and 0 on a lattice."""

    lattice: Lattice
    flags: Flags

    def at(self, x: Array, y: Array) -> Mask:
        """What it is at the nodes next to positions ``(count,)``: False beyond the lattice, and where they are NaN."""
        shown = np.zeros(len(x), np.uint8)
        _look_up(self.flags, _origin(self.lattice), x, y, shown)
        return shown.view(np.bool_)


@dataclass(slots=True, kw_only=True)
class _Walker:
    target: Target
    x: Array
    y: Array
    found: Found
    open: int = field(default=0)

    @classmethod
    def at(cls, target: Target) -> _Walker:
        count = len(target.x)
        found = Found(
            frame=np.full(count, NOWHERE, np.int32),
            x=np.full(count, np.nan, np.float32),
            y=np.full(count, np.nan, np.float32),
        )
        return cls(target=target, x=target.x.copy(), y=target.y.copy(), found=found, open=count)


def trace(
    targets: list[Target],
    *,
    direction: int,
    reach: int,
    frames: int,
    field_at: Callable[[int, int], tuple[Field, Field]],
    visible_at: Callable[[int], Visible],
    tick: Callable[[], None],
    gate: float = GATE,
) -> list[Found]:
    """Follow all targets through time in one direction (+1 later, -1 earlier), at most `reach` frames of `frames`.

    `field_at(frame, direction)` gives the completed motion from a frame to its neighbour, and back from there.
    A pixel is found in the first frame that shows it and whose motion there agrees that it came from here, to within
    `gate`. All targets share one walk, so that each field is completed once. `tick` is called once a frame.
    """
    walkers = sorted((_Walker.at(target) for target in targets), key=lambda walker: direction * walker.target.frame)
    by_target = {id(walker.target): walker.found for walker in walkers}
    last_frame = frames - 1 if direction > 0 else 0
    frame = walkers[0].target.frame
    while frame != last_frame:
        active = [
            walker for walker in walkers if walker.open and 0 <= direction * (frame - walker.target.frame) < reach
        ]
        waiting = any(direction * (walker.target.frame - frame) > 0 for walker in walkers)
        if not active and not waiting:
            break
        if active:
            tick()
            onward, back = field_at(frame, direction)
            there = visible_at(frame + direction)
            for walker in active:
                walker.open -= _step(
                    walker.x,
                    walker.y,
                    walker.found.frame,
                    walker.found.x,
                    walker.found.y,
                    np.int32(frame + direction),
                    onward.vectors,
                    back.vectors,
                    _origin(onward.lattice),
                    there.flags,
                    _origin(there.lattice),
                    np.float32(gate),
                )
        frame += direction
    return [by_target[id(target)] for target in targets]


def nearest(frame: int, later: Found, earlier: Found) -> Found:
    """The one nearer in time of two finds, pixel by pixel; later ones where both are as near."""
    distance_later = np.where(later.frame == NOWHERE, np.iinfo(np.int32).max, later.frame - frame)
    distance_earlier = np.where(earlier.frame == NOWHERE, np.iinfo(np.int32).max, frame - earlier.frame)
    use = distance_later <= distance_earlier
    return Found(
        frame=np.where(use, later.frame, earlier.frame).astype(np.int32),
        x=np.where(use, later.x, earlier.x),
        y=np.where(use, later.y, earlier.y),
    )


def _origin(lattice: Lattice) -> tuple[float, float, float, float]:
    return (lattice.x0, lattice.y0, 1.0 / lattice.dx, 1.0 / lattice.dy)


@njit(cache=True, nogil=True, parallel=True)
def _look_up(flags: Any, origin: Any, x: Any, y: Any, shown: Any) -> None:
    x0, y0, sx, sy = origin
    height, width = flags.shape
    for index in prange(x.shape[0]):
        column, row = np.rint((x[index] - x0) * sx), np.rint((y[index] - y0) * sy)
        if column >= 0 and row >= 0 and column < width and row < height:
            shown[index] = flags[int(row), int(column)]


@njit(cache=True, nogil=True, inline="always")
def _sample(vectors: Any, column: float, row: float) -> tuple[float, float]:
    """Bilinear, held at the edges."""
    height, width = vectors.shape[0], vectors.shape[1]
    column = min(max(column, 0.0), width - 1.0)
    row = min(max(row, 0.0), height - 1.0)
    left, top = int(column), int(row)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    u, v = np.float32(column - left), np.float32(row - top)
    one = np.float32(1)
    x = (vectors[top, left, 0] * (one - u) + vectors[top, right, 0] * u) * (one - v) + (
        vectors[bottom, left, 0] * (one - u) + vectors[bottom, right, 0] * u
    ) * v
    y = (vectors[top, left, 1] * (one - u) + vectors[top, right, 1] * u) * (one - v) + (
        vectors[bottom, left, 1] * (one - u) + vectors[bottom, right, 1] * u
    ) * v
    return x, y


@njit(cache=True, nogil=True, parallel=True)
def _step(
    x: Any,
    y: Any,
    found_frame: Any,
    found_x: Any,
    found_y: Any,
    frame: Any,
    onward: Any,
    back: Any,
    fields: Any,
    visible: Any,
    flags: Any,
    gate: Any,
) -> int:
    """Move all open pixels one frame on; return how many were found there."""
    field_x0, field_y0, field_sx, field_sy = fields
    flag_x0, flag_y0, flag_sx, flag_sy = flags
    height, width = visible.shape
    arrived = np.zeros(x.shape[0], np.uint8)
    for index in prange(x.shape[0]):
        if found_frame[index] >= 0:
            continue
        dx, dy = _sample(onward, (x[index] - field_x0) * field_sx, (y[index] - field_y0) * field_sy)
        there_x, there_y = x[index] + dx, y[index] + dy
        x[index], y[index] = there_x, there_y
        column = int(np.floor((there_x - flag_x0) * flag_sx + 0.5))
        row = int(np.floor((there_y - flag_y0) * flag_sy + 0.5))
        if column < 0 or row < 0 or column >= width or row >= height or visible[row, column] == 0:
            continue
        back_x, back_y = _sample(back, (there_x - field_x0) * field_sx, (there_y - field_y0) * field_sy)
        # The gate in samples of the field's own pitch, as the flow was measured.
        gap = ((dx + back_x) * field_sx) ** 2 + ((dy + back_y) * field_sy) ** 2
        size = (dx * field_sx) ** 2 + (dy * field_sy) ** 2 + (back_x * field_sx) ** 2 + (back_y * field_sy) ** 2
        if gap < 0.01 * size + gate:
            found_frame[index] = frame
            found_x[index] = there_x
            found_y[index] = there_y
            arrived[index] = 1
    return int(arrived.sum())
