"""Where the light of a frame's unknown region comes from, on a lattice: the map that other frames follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate._running import Runs
from overscan.core.engines.plate._trace import NOWHERE, Numbers
from overscan.core.results import SourceKind


@dataclass(slots=True, kw_only=True)
class AddressMap:
    """One address for every node of one frame that the frame itself does not show."""

    lattice: Lattice
    frame: Numbers
    """``(height, width)``: index of the source frame; `NOWHERE` where there is none, or none is wanted."""
    x: Array
    """``(height, width)``: plate position in the source frame."""
    y: Array
    gain: Array
    """``(height, width, channels)``: log2 gain for what is fetched there, on top of the exposure's."""
    kind: npt.NDArray[np.uint8]
    """``(height, width)``: `SourceKind`."""
    runs: Runs
    """``(height, width)``: how the addresses change with the frame that they are followed to."""

    @classmethod
    def empty(cls, lattice: Lattice, *, channels: int) -> AddressMap:
        """A map without any address."""
        return cls(
            lattice=lattice,
            frame=np.full(lattice.shape, NOWHERE, np.int32),
            x=np.zeros(lattice.shape, np.float32),
            y=np.zeros(lattice.shape, np.float32),
            gain=np.zeros((*lattice.shape, channels), np.float32),
            kind=np.zeros(lattice.shape, np.uint8),
            runs=Runs.none(lattice.shape),
        )

    def set_painted(
        self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], *, paint: Callable[[], int]
    ) -> None:
        """Give those of the nodes that have no address one in the picture that `paint` makes, where there are any."""
        missing = self.frame[rows, columns] == NOWHERE
        if not missing.any():
            return
        where = (rows[missing], columns[missing])
        x, y = self.lattice.nodes()
        self.frame[where], self.x[where], self.y[where] = paint(), x[where], y[where]
        self.kind[where] = SourceKind.MODEL

    def look_up(self, x: Array, y: Array) -> Addresses:
        """Addresses for positions between the nodes, as they are before they run.

        Where the nodes around a position lie side by side in one source frame too, the address is interpolated;
        elsewhere it goes on from the nearest node that has one, among the nine nearest.
        """
        count = len(x)
        found = Addresses(
            frame=np.full(count, NOWHERE, np.int32),
            x=np.zeros(count, np.float32),
            y=np.zeros(count, np.float32),
            gain=np.zeros((count, self.gain.shape[-1]), np.float32),
            kind=np.zeros(count, np.uint8),
        )
        origin = (self.lattice.x0, self.lattice.y0, self.lattice.dx, self.lattice.dy)
        maps = (self.frame, self.x, self.y, self.gain, self.kind)
        _look_up(x, y, origin, maps, (found.frame, found.x, found.y, found.gain, found.kind))
        return found

    def runs_at(self, x: Array, y: Array) -> Runs:
        """How what `look_up` finds at positions ``(count,)`` runs."""
        origin = (self.lattice.x0, self.lattice.y0, self.lattice.dx, self.lattice.dy)
        node = np.empty(len(x), np.int64)
        _nodes_at(x, y, origin, self.frame, node)
        runs = Runs.none((len(x),))
        here = node >= 0
        where = np.unravel_index(node[here], self.lattice.shape)
        runs.put(here, self.runs.at(where))
        return runs


@dataclass(slots=True, kw_only=True)
class Addresses:
    """Addresses of single pixels; fields as those of `AddressMap`, each ``(count,)``."""

    frame: Numbers
    x: Array
    y: Array
    gain: Array
    kind: npt.NDArray[np.uint8]


def save_map(found: AddressMap, path: Path) -> None:
    """Keep a map in a file, atomically. Its lattice is not kept: it is the shot's."""
    save_arrays(
        path,
        {
            "frame": found.frame,
            "x": found.x,
            "y": found.y,
            "gain": found.gain,
            "kind": found.kind,
            "since": found.runs.since,
            "back": found.runs.back,
            "ahead": found.runs.ahead,
        },
    )


def load_map(path: Path, *, lattice: Lattice) -> AddressMap:
    """A map that `save_map` kept."""
    with np.load(path) as kept:
        return AddressMap(
            lattice=lattice,
            frame=kept["frame"],
            x=kept["x"],
            y=kept["y"],
            gain=kept["gain"],
            kind=kept["kind"],
            runs=Runs(since=kept["since"], back=kept["back"], ahead=kept["ahead"]),
        )


@njit(cache=True, nogil=True, parallel=True)
def _look_up(x: Any, y: Any, origin: Any, maps: Any, found: Any) -> None:
    x0, y0, dx, dy = origin
    for index in prange(x.shape[0]):
        _look_up_one(index, (x[index] - x0) / dx, (y[index] - y0) / dy, dx, dy, maps, found)


@njit(cache=True, nogil=True, parallel=True)
def _nodes_at(x: Any, y: Any, origin: Any, frames: Any, node: Any) -> None:
    """Number of the node that each position goes on from, row by row; -1 for none."""
    x0, y0, dx, dy = origin
    for index in prange(x.shape[0]):
        row, column = _nearest(frames, (x[index] - x0) / dx, (y[index] - y0) / dy)
        node[index] = row * frames.shape[1] + column if row >= 0 else -1


@njit(cache=True, nogil=True)
def _look_up_one(index: int, across: float, down: float, dx: float, dy: float, maps: Any, found: Any) -> None:
    """Write the address at one position, in nodes, into `found`."""
    frames, xs, ys, gains, kinds = maps
    out_frame, out_x, out_y, out_gain, out_kind = found
    height, width, channels = gains.shape
    row, column = _nearest(frames, across, down)
    if row < 0:
        return
    out_frame[index] = frames[row, column]
    out_x[index] = xs[row, column] + (across - column) * dx
    out_y[index] = ys[row, column] + (down - row) * dy
    out_kind[index] = kinds[row, column]
    left = min(max(int(np.floor(across)), 0), max(width - 2, 0))
    top = min(max(int(np.floor(down)), 0), max(height - 2, 0))
    u, v = min(max(across - left, 0.0), 1.0), min(max(down - top, 0.0), 1.0)
    together = width > 1 and height > 1
    total_x = total_y = total = 0.0
    for i in range(top, min(top + 2, height)):
        for j in range(left, min(left + 2, width)):
            weight = (u if j > left else 1 - u) * (v if i > top else 1 - v)
            if frames[i, j] >= 0:
                total += weight
                for channel in range(channels):
                    out_gain[index, channel] += weight * gains[i, j, channel]
            # Seen from the nearest node, the others must lie about where they lie here.
            off_x = xs[i, j] - xs[row, column] - (j - column) * dx
            off_y = ys[i, j] - ys[row, column] - (i - row) * dy
            if frames[i, j] != frames[row, column] or off_x * off_x + off_y * off_y > 0.25 * (dx * dx + dy * dy):
                together = False
            total_x += weight * xs[i, j]
            total_y += weight * ys[i, j]
    for channel in range(channels):
        out_gain[index, channel] = out_gain[index, channel] / total if total > 0.0 else gains[row, column, channel]
    if together:
        out_x[index] = total_x
        out_y[index] = total_y


@njit(cache=True, nogil=True)
def _nearest(frames: Any, across: float, down: float) -> tuple[int, int]:
    """Row and column of the nearest node with an address, among the nine nearest; -1 for none."""
    height, width = frames.shape
    column = min(max(int(np.floor(across + 0.5)), 0), width - 1)
    row = min(max(int(np.floor(down + 0.5)), 0), height - 1)
    found = (-1, -1)
    best = np.inf
    for i in range(max(row - 1, 0), min(row + 2, height)):
        for j in range(max(column - 1, 0), min(column + 2, width)):
            away = (i - down) ** 2 + (j - across) ** 2
            if frames[i, j] >= 0 and away < best:
                best = away
                found = (i, j)
    return found
