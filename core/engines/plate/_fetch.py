"""Fetches light from sub-pixel addresses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from overscan.core.engines.plate._lattice import Array


def fetch(light: Array, x: Array, y: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Light at positions in array coordinates: ``(count, channels)`` float32, and which of them are sound.

    Bicubic (Catmull-Rom; Keys 1981) in linear light, kept between the smallest and largest of the 16 samples so that
    speculars do not ring. A position at an integer gives that very sample. Where a sample is NaN or infinite, or the
    position is outside, the value is 0 and not sound. `light` is ``(height, width, channels)`` float32.
    """
    values = np.zeros((len(x), light.shape[-1]), np.float32)
    sound = np.zeros(len(x), np.uint8)
    _fetch(np.ascontiguousarray(light), x, y, values, sound)
    return values, sound.astype(np.bool_)


@njit(cache=True, nogil=True, inline="always")
def _weights(t: float) -> tuple[float, float, float, float]:
    return (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


@njit(cache=True, nogil=True, parallel=True)
def _fetch(light: Any, x: Any, y: Any, values: Any, sound: Any) -> None:
    height, width, channels = light.shape
    for index in prange(x.shape[0]):
        if not (x[index] >= 0 and y[index] >= 0 and x[index] <= width - 1 and y[index] <= height - 1):
            continue
        left, top = int(np.floor(x[index])), int(np.floor(y[index]))
        across, down = _weights(x[index] - left), _weights(y[index] - top)
        whole = True
        for channel in range(channels):
            total = 0.0
            smallest = np.float32(np.inf)
            largest = np.float32(-np.inf)
            for i in range(4):
                row = min(max(top + i - 1, 0), height - 1)
                for j in range(4):
                    column = min(max(left + j - 1, 0), width - 1)
                    value = light[row, column, channel]
                    weight = down[i] * across[j]
                    if weight != 0.0:
                        if not np.isfinite(value):
                            whole = False
                        total += weight * value
                        smallest = min(smallest, value)
                        largest = max(largest, value)
            values[index, channel] = min(max(np.float32(total), smallest), largest)
        if whole:
            sound[index] = 1
        else:
            for channel in range(channels):
                values[index, channel] = 0.0
