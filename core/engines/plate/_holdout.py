"""The fail detector: hides part of what a frame does show, paints it, and looks how well that went.

A residual or an inlier count says how well a model fits what was seen; it says little about how well the model
predicts what was not. So a rim of the plate along the region to be generated, as deep as that region (or a quarter of
the plate), is treated as unseen, in source frames too; what the copied pixels and a smooth fill make of it is compared
with the plate. Where copying loses, the renderer does not copy. Small pictures suffice for that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._noise import noise_variance
from overscan.core.engines.plate._pyramid import membrane
from overscan.core.engines.plate._trace import NOWHERE, Found, Target, Visible, nearest, trace
from overscan.core.engines.plate._trials import Errors, Trial
from overscan.core.engines.plate.motion._field import Field, FieldMaker
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.geometry import Window
from overscan.core.shots import Shot

_CELL = 16
"""Size of the cells that errors are gathered in, in thumbnail samples."""
_LEAST_DEPTH = 4.0
_SHARE = 0.25
"""Most of the plate's smaller side that is hidden on one side."""
_Sample = TypeVar("_Sample", bound=np.generic)


class Holdout:
    """Trials over one shot and canvas."""

    def __init__(self, *, shot: Shot, store: MotionStore, maker: FieldMaker, canvas: Window) -> None:
        self._shot = shot
        self._store = store
        self._maker = maker
        self._lattice, (self._left, self._top) = store.thumbnails.covering(canvas)
        x, y = maker.lattice.nodes()
        self._columns = _index(x, self._lattice.x0, self._lattice.dx, self._lattice.width)
        self._rows = _index(y, self._lattice.y0, self._lattice.dy, self._lattice.height)

    @property
    def cells(self) -> Lattice:
        """The lattice of cells."""
        return self._lattice.coarser(_CELL)

    def run(self, frames: list[int], *, reach: int, tick: Callable[[], None]) -> list[Trial]:
        """Try copying in these frames, by index."""
        targets, truths = [], []
        for frame in frames:
            known, kept = self._known(frame)
            rows, columns = np.nonzero(known & ~kept)
            x = (self._lattice.x0 + columns * self._lattice.dx).astype(np.float32)
            y = (self._lattice.y0 + rows * self._lattice.dy).astype(np.float32)
            targets.append(Target(frame=frame, x=x, y=y))
            truths.append((rows, columns, kept))
        sources = self._trace(targets, reach=reach, tick=tick)
        values = self._fetch(sources)
        return [
            self._trial(frame, truth, source, value)
            for frame, truth, source, value in zip(frames, truths, sources, values, strict=True)
        ]

    def _trace(self, targets: list[Target], *, reach: int, tick: Callable[[], None]) -> list[Found]:
        both = [
            trace(
                targets,
                direction=direction,
                reach=reach,
                frames=len(self._shot.frames),
                field_at=self._fields,
                visible_at=lambda frame: Visible(lattice=self._lattice, flags=self._known(frame)[1].view(np.uint8)),
                tick=tick,
            )
            for direction in (1, -1)
        ]
        return [nearest(target.frame, later, earlier) for target, later, earlier in zip(targets, *both, strict=True)]

    def _fields(self, frame: int, direction: int) -> tuple[Field, Field]:
        pair = self._store.pair(frame if direction > 0 else frame - 1)
        onward, back = (pair.forward, pair.backward) if direction > 0 else (pair.backward, pair.forward)
        here, there = self._known(frame)[1], self._known(frame + direction)[1]
        return (
            self._maker.complete(onward, allowed=here[self._rows, self._columns]),
            self._maker.complete(back, allowed=there[self._rows, self._columns]),
        )

    def _known(self, frame: int) -> tuple[Mask, Mask]:
        """What a frame shows, and what of it is not hidden, on the canvas of thumbnails."""
        thumbnail = self._store.thumbnail(frame)
        known = self._placed(thumbnail.known[..., np.newaxis])[..., 0]
        hole = self._lattice.inside(self._shot.coverage(self._shot.frames[frame])) & ~known
        if not hole.any() or not known.any():
            return known, known
        depth = float(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5).max())
        rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
        extent = min(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
        depth = min(max(depth, _LEAST_DEPTH), _SHARE * float(extent))
        away = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5)
        return known, known & (away >= depth)

    def _placed(self, values: npt.NDArray[_Sample]) -> npt.NDArray[_Sample]:
        canvas = np.zeros((*self._lattice.shape, values.shape[-1]), values.dtype)
        height, width = self._store.thumbnails.shape
        canvas[self._top : self._top + height, self._left : self._left + width] = values
        return canvas

    def _fetch(self, sources: list[Found]) -> list[Array]:
        channels = self._store.thumbnail(0).pixels.shape[-1]
        values = [np.zeros((len(source.x), channels), np.float32) for source in sources]
        for frame in sorted({int(frame) for source in sources for frame in np.unique(source.frame)} - {int(NOWHERE)}):
            pixels = self._placed(self._store.thumbnail(frame).pixels)
            for source, value in zip(sources, values, strict=True):
                here = np.flatnonzero(source.frame == frame)
                x = (source.x[here] - self._lattice.x0) / self._lattice.dx
                y = (source.y[here] - self._lattice.y0) / self._lattice.dy
                # A cell counts as seen up to half a sample beyond its node, where there is nothing to fetch from.
                x = np.clip(x, 0, self._lattice.width - 1).astype(np.float32)
                y = np.clip(y, 0, self._lattice.height - 1).astype(np.float32)
                value[here] = fetch(pixels, x, y)[0]
        return values

    def _trial(
        self, frame: int, truth: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Mask], source: Found, value: Array
    ) -> Trial:
        rows, columns, kept = truth
        pixels = self._placed(self._store.thumbnail(frame).pixels)
        smooth = membrane(pixels, kept)[rows, columns]
        real = pixels[rows, columns]
        found = source.frame != NOWHERE
        cells = self.cells
        index = (rows // _CELL) * cells.width + columns // _CELL

        def gathered(values: npt.NDArray[np.floating]) -> Errors:
            total = np.bincount(index[found], weights=values[found], minlength=cells.width * cells.height)
            sums: Errors = total.reshape(cells.shape).astype(np.float64)
            return sums

        count = gathered(np.ones(len(rows)))
        # A copy brings its own grain against the plate's, which no eye sees; that a fill has none, every eye does.
        grain = 2 * noise_variance(pixels, kept) * count
        return Trial(
            frame=frame,
            tried=len(rows),
            copied=np.maximum(gathered(((value - real) ** 2).mean(axis=-1)) - grain, 0),
            smooth=gathered(((smooth - real) ** 2).mean(axis=-1)),
            count=count,
        )


def _index(positions: Array, origin: float, pitch: float, count: int) -> npt.NDArray[np.intp]:
    index: npt.NDArray[np.intp] = np.clip(np.rint((positions - origin) / pitch), 0, count - 1).astype(np.intp)
    return index
