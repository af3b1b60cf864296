"""Finds what never stands still in a shot, and never goes anywhere either: water, smoke, foliage in the wind."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._pictures import STOPS, Pictures
from overscan.core.engines.plate.light._exposure import Exposure
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._models import Matrix
from overscan.core.engines.plate.motion._proxy import Mask

_LAGS = (-4, -2, 2, 4)
_FLOW_LAGS = (-2, 2)
_LEAST_CHANGE = 0.005
"""Change of a log-shaped thumbnail, averaged over `_BLUR` samples, that may still be grain: 0.09 stop."""
_SLIP = 0.5
"""Samples that two thumbnails may lie beside each other without anything having changed."""
_BLUR, _POOL = 3, 9
_MASKS_KEPT = 512

Moved = Callable[[int, int, Array, Array], tuple[Array, Array]]


class Dynamics:
    """The dynamic areas of one shot."""

    def __init__(
        self, *, thumbnails: Pictures, path: CameraPath, exposure: Exposure | None, moved: Moved, frames: int
    ) -> None:
        """`moved` follows positions one frame along the motion: see `Finder.moved`."""
        self._thumbnails = thumbnails
        self._path = path
        self._exposure = exposure
        self._moved = moved
        self._frames = frames
        self.area = lru_cache(maxsize=_MASKS_KEPT)(self._area)

    def is_dynamic(self, frame: int, x: Array, y: Array) -> Mask:
        """Whether positions ``(count,)`` in plate space lie in the dynamic area of a frame, by index."""
        return self._thumbnails.lattice.nearest(self.area(frame), x, y)

    def _area(self, frame: int) -> Mask:
        """``(height, width)`` of the thumbnails. Do not write to it.

        What changes against all neighbours, and that along the camera's motion as well as along the flow: what is
        nearer or further than the background differs along the first alone.
        """
        lattice = self._thumbnails.lattice
        x, y = lattice.nodes()
        dynamic, told = np.ones(lattice.shape, np.bool_), np.zeros(lattice.shape, np.bool_)
        for lag in _LAGS:
            model = self._model(frame, frame + lag)
            if model is not None:
                self._narrow(dynamic, told, frame, frame + lag, *carried(model, x, y))
        dynamic &= told
        for lag in _FLOW_LAGS:
            if dynamic.any() and 0 <= frame + lag < self._frames:
                self._narrow(dynamic, told, frame, frame + lag, *self._followed(frame, lag, x, y))
        area: Mask = _mean(dynamic.astype(np.float32), told, _POOL) > 0.5
        area.flags.writeable = False
        return area

    def _model(self, frame: int, other: int) -> Matrix | None:
        return self._path.in_plate(first=frame, second=other) if 0 <= other < self._frames else None

    def _followed(self, frame: int, lag: int, x: Array, y: Array) -> tuple[Array, Array]:
        direction = 1 if lag > 0 else -1
        at = (x.ravel(), y.ravel())
        for step in range(abs(lag)):
            at = self._moved(frame + direction * step, direction, *at)
        return at[0].reshape(x.shape), at[1].reshape(y.shape)

    def _narrow(self, dynamic: Mask, told: Mask, frame: int, other: int, x: Array, y: Array) -> None:
        """Take from `dynamic` what is at ``(x, y)`` in `other` as in `frame`; add to `told` where both show it."""
        own, there, lattice = self._thumbnails.picture(frame), self._thumbnails.picture(other), self._thumbnails.lattice
        column = ((x - lattice.x0) / lattice.dx).astype(np.float32)
        row = ((y - lattice.y0) / lattice.dy).astype(np.float32)
        values = cv2.remap(there.pixels, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        known = cv2.remap(there.known.astype(np.float32), column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        both = own.known & (np.asarray(known) > 0.999)
        gap = np.asarray(values, np.float32).reshape(own.pixels.shape) - own.pixels
        if self._exposure is not None:
            nodes_x, nodes_y = (places.ravel() for places in lattice.nodes())
            gain = self._exposure.gain(
                source=other, target=frame, x_source=x.ravel(), y_source=y.ravel(), x=nodes_x, y=nodes_y
            )
            gap += gain.reshape(gap.shape) / np.float32(STOPS)
        # Grain is gone from means over neighbours, what is meant here is not.
        change, slope = _mean(gap, both, _BLUR), _slope(_mean(own.pixels, both, _BLUR), both)
        energy = _mean((change**2).mean(axis=-1), both, _POOL)
        still = _LEAST_CHANGE**2 + _SLIP**2 * _mean(slope, both, _POOL)
        dynamic &= (energy > still) | ~both
        told |= both


def carried(model: Matrix, x: Array, y: Array) -> tuple[Array, Array]:
    """Positions of any shape under a 3x3 matrix."""
    depth = np.maximum(model[2, 0] * x + model[2, 1] * y + model[2, 2], 0.05)
    there_x = (model[0, 0] * x + model[0, 1] * y + model[0, 2]) / depth
    there_y = (model[1, 0] * x + model[1, 1] * y + model[1, 2]) / depth
    return there_x.astype(np.float32), there_y.astype(np.float32)


def _mean(values: Array, known: Mask, size: int) -> Array:
    """Means of what is known over `size` x `size` samples; 0 where nothing is."""
    weight = known.astype(np.float32)
    weighted = values * (weight[..., np.newaxis] if values.ndim == 3 else weight)
    total = cv2.boxFilter(weighted, -1, (size, size), normalize=False, borderType=cv2.BORDER_CONSTANT)
    count = cv2.boxFilter(weight, -1, (size, size), normalize=False, borderType=cv2.BORDER_CONSTANT)
    each = np.maximum(np.asarray(count, np.float32), np.float32(1))
    mean: Array = np.asarray(total, np.float32).reshape(values.shape)
    mean /= each[..., np.newaxis] if values.ndim == 3 else each
    return mean


def _slope(pixels: Array, known: Mask) -> Array:
    """Squared slope, the mean of the channels, 0 at the edge of what is known."""
    inner = cv2.erode(known.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) > 0
    slope = np.zeros(known.shape, np.float32)
    for axis in (0, 1):
        if known.shape[axis] > 1:
            steps: Array = np.asarray(np.gradient(pixels, axis=axis), np.float32)
            slope += (steps**2).mean(axis=-1)
    slope[~inner] = 0
    return slope
