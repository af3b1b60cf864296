"""Regular grids laid over the plate's pixel space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.geometry import Window

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Nodes at the centres of equal cells. Node (column, row) lies at ``x0 + column * dx``, ``y0 + row * dy``."""

    x0: float
    y0: float
    dx: float
    dy: float
    width: int
    height: int

    @classmethod
    def over(cls, window: Window, *, longest: int) -> Lattice:
        """Cells that cover `window`, at most `longest` of them along its longer side, at least one sample wide."""
        scale = min(1.0, longest / max(window.width, window.height))
        width, height = max(1, round(window.width * scale)), max(1, round(window.height * scale))
        dx, dy = window.width / width, window.height / height
        return cls(x0=window.x + (dx - 1) / 2, y0=window.y + (dy - 1) / 2, dx=dx, dy=dy, width=width, height=height)

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return (self.height, self.width)

    def coarser(self, factor: int) -> Lattice:
        """Cells of `factor` x `factor` cells of this lattice; the last ones may reach beyond it."""
        return Lattice(
            x0=self.x0 + (factor - 1) / 2 * self.dx,
            y0=self.y0 + (factor - 1) / 2 * self.dy,
            dx=self.dx * factor,
            dy=self.dy * factor,
            width=math.ceil(self.width / factor),
            height=math.ceil(self.height / factor),
        )

    def covering(self, window: Window) -> tuple[Lattice, tuple[int, int]]:
        """The same grid grown by whole cells until it covers `window` too, and how many (columns, rows) came first."""
        left = max(0, math.ceil((self.x0 - self.dx / 2 - (window.x - 0.5)) / self.dx - 1e-9))
        top = max(0, math.ceil((self.y0 - self.dy / 2 - (window.y - 0.5)) / self.dy - 1e-9))
        right = max(0, math.ceil((window.right - 0.5 - (self.x0 + (self.width - 0.5) * self.dx)) / self.dx - 1e-9))
        bottom = max(0, math.ceil((window.bottom - 0.5 - (self.y0 + (self.height - 0.5) * self.dy)) / self.dy - 1e-9))
        grown = Lattice(
            x0=self.x0 - left * self.dx,
            y0=self.y0 - top * self.dy,
            dx=self.dx,
            dy=self.dy,
            width=self.width + left + right,
            height=self.height + top + bottom,
        )
        return grown, (left, top)

    def nodes(self) -> tuple[Array, Array]:
        """Positions of all nodes in the plate's pixel space: x and y, each ``(height, width)`` float32."""
        x = self.x0 + np.arange(self.width) * self.dx
        y = self.y0 + np.arange(self.height) * self.dy
        grid_x, grid_y = np.meshgrid(x, y)
        return grid_x.astype(np.float32), grid_y.astype(np.float32)

    def inside(self, window: Window) -> npt.NDArray[np.bool_]:
        """Which nodes lie in `window`: ``(height, width)``."""
        x, y = self.nodes()
        columns = (x[0] > window.x - 0.5) & (x[0] < window.right - 0.5)
        rows = (y[:, 0] > window.y - 0.5) & (y[:, 0] < window.bottom - 0.5)
        inside: npt.NDArray[np.bool_] = rows[:, np.newaxis] & columns[np.newaxis, :]
        return inside

    def nearest(self, mask: npt.NDArray[np.bool_], x: Array, y: Array) -> npt.NDArray[np.bool_]:
        """What `mask` ``(height, width)`` says at the nodes nearest to positions; False beyond the grid."""
        column = np.rint((x - self.x0) / self.dx)
        row = np.rint((y - self.y0) / self.dy)
        inside = (column >= 0) & (row >= 0) & (column < self.width) & (row < self.height)
        found: npt.NDArray[np.bool_] = np.zeros(len(x), np.bool_)
        found[inside] = mask[row[inside].astype(np.intp), column[inside].astype(np.intp)]
        return found


def sample_points(picture: Array, column: Array, row: Array) -> Array:
    """Bilinear values of ``(height, width)`` at single positions, held at the edges."""
    width = 1 << 14  # cv2.remap takes pictures of positions up to 32767 wide, not lists
    count = len(column)
    lines = max(1, -(-count // width))
    grid = np.zeros((2, lines * width), np.float32)
    grid[0, :count], grid[1, :count] = column, row
    across, down = grid.reshape(2, lines, width)
    values = cv2.remap(picture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, np.float32).reshape(-1)[:count]
