"""Chooses between a source later and one earlier in time, with as few and as invisible seams as can be (S5).

A labelling of two labels by iterated conditional modes (Besag 1986) on a small lattice: the nearer in time is the
better source, and a seam costs what the two sources differ by where it runs (Agarwala 2004).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numba import njit, prange

from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._lattice import Array, sample_points
from overscan.core.engines.plate._pictures import Pictures
from overscan.core.engines.plate._trace import NOWHERE, Found, Target
from overscan.core.engines.plate.motion._proxy import Mask

_AGREED = 31 / 1920
"""Size of the neighbourhood that agrees on a direction to begin with, as a part of the lattice's width."""
_SWEEPS = 24
_PER_FRAME = 0.02
"""Cost of a source that is a frame further away than the other."""
_MOST_FRAMES = 24
_SEAM = 8.0
"""Cost of a seam for what its two sides differ by, in log light."""
_LEAST_SEAM = 0.02


class Chooser:
    """Chooses in one shot."""

    def __init__(self, *, pictures: Pictures) -> None:
        """`pictures` are what sources are compared in."""
        self._pictures = pictures

    def choose(self, target: Target, later: Found, earlier: Found) -> Found:
        """One source a pixel. Neither's arrays are changed."""
        only_later, only_earlier = later.frame != NOWHERE, earlier.frame != NOWHERE
        both = only_later & only_earlier
        use_later = only_later.copy()
        if both.any():
            use_later[both] = self._labels(target, later, earlier, both)[both]
        return Found(
            frame=np.where(use_later, later.frame, earlier.frame),
            x=np.where(use_later, later.x, earlier.x),
            y=np.where(use_later, later.y, earlier.y),
        )

    def _labels(self, target: Target, later: Found, earlier: Found, both: Mask) -> Mask:
        """Which pixels take the later source; means something where there are both."""
        lattice = self._pictures.lattice
        columns = np.clip(np.rint((target.x - lattice.x0) / lattice.dx), 0, lattice.width - 1).astype(np.intp)
        rows = np.clip(np.rint((target.y - lattice.y0) / lattice.dy), 0, lattice.height - 1).astype(np.intp)
        has_later, has_earlier = later.frame != NOWHERE, earlier.frame != NOWHERE
        # Pixels that only one source is there for hold their neighbours to it.
        lead = np.where(both, (later.frame - target.frame) - (target.frame - earlier.frame), 0)
        wish = np.clip(lead, -_MOST_FRAMES, _MOST_FRAMES) * np.float32(_PER_FRAME)
        wish = np.where(both, wish, np.where(has_later, np.float32(-1), np.float32(1)))
        wish[~has_later & ~has_earlier] = 0
        index = rows * lattice.width + columns
        size = lattice.width * lattice.height
        count = np.bincount(index, minlength=size)
        mean = np.bincount(index, weights=wish, minlength=size) / np.maximum(count, 1)
        unary = mean.reshape(lattice.shape).astype(np.float32)
        differ = np.zeros(lattice.shape, np.float32)
        chosen = np.full(size, -1, np.intp)
        chosen[index[both]] = np.flatnonzero(both)
        nodes = np.flatnonzero(chosen >= 0)
        picked = chosen[nodes]
        gap = np.abs(self._colours(later, picked) - self._colours(earlier, picked)).mean(axis=-1)
        differ.ravel()[nodes] = gap
        width = max(3, round(_AGREED * lattice.width)) | 1
        labels = (cv2.blur(unary, (width, width)) <= 0).astype(np.uint8)
        inside = (count > 0).reshape(lattice.shape)
        _settle(unary, differ, inside, labels, _SWEEPS)
        # A seam between nodes runs smoothly through the pixels.
        soft = np.asarray(cv2.GaussianBlur(labels.astype(np.float32), (0, 0), 1.0), np.float32)
        across = ((target.x - lattice.x0) / lattice.dx).astype(np.float32)
        down = ((target.y - lattice.y0) / lattice.dy).astype(np.float32)
        return sample_points(soft, across, down) >= 0.5

    def _colours(self, found: Found, chosen: np.ndarray[Any, np.dtype[np.intp]]) -> Array:
        lattice = self._pictures.lattice
        values: Array | None = None
        frames = found.frame[chosen]
        x = np.clip((found.x[chosen] - lattice.x0) / lattice.dx, 0, lattice.width - 1).astype(np.float32)
        y = np.clip((found.y[chosen] - lattice.y0) / lattice.dy, 0, lattice.height - 1).astype(np.float32)
        for frame in np.unique(frames):
            here = frames == frame
            pixels = self._pictures.picture(int(frame)).pixels
            if values is None:
                values = np.zeros((len(chosen), pixels.shape[-1]), np.float32)
            values[here] = fetch(pixels, x[here], y[here])[0]
        assert values is not None
        return values


@njit(cache=True, nogil=True, parallel=True)
def _settle(unary: Any, differ: Any, inside: Any, labels: Any, sweeps: int) -> None:
    """Lower the labelling's cost in place. Red and black nodes by turns, so that threads do not matter."""
    height, width = labels.shape
    for sweep in range(2 * sweeps):
        for row in prange(height):
            for column in range((row + sweep) % 2, width, 2):
                if not inside[row, column]:
                    continue
                # Cost of the later source minus that of the earlier one.
                cost = unary[row, column]
                for step in range(4):
                    i = row + (1 if step == 0 else -1 if step == 1 else 0)
                    j = column + (1 if step == 2 else -1 if step == 3 else 0)
                    if 0 <= i < height and 0 <= j < width and inside[i, j]:
                        seam = _LEAST_SEAM + _SEAM * (differ[row, column] + differ[i, j])
                        cost += -seam if labels[i, j] else seam
                labels[row, column] = 1 if cost <= 0 else 0
