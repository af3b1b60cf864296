"""Fetches light from sub-pixel addresses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from overscan.core.engines.plate._lattice import Array

TAPS = 6
"""Samples along each axis that a fetched value is made of."""
BEFORE = 2
"""How many of them lie before the sample at or before the address."""
_BEYOND = np.float32(0.25)
"""How far a value may lie beyond the smallest or largest of its samples, as a part of that sample."""


def fetch(light: Array, x: Array, y: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Light at positions in array coordinates: ``(count, channels)`` float32, and which of them are sound.

    Lanczos of three lobes (Duchon 1979) in linear light: a bicubic takes a sixth of the finest detail away. Kept from
    going beyond its samples by more than a quarter, so that speculars do not ring. A position at an integer gives that
    very sample. Where a sample is NaN or infinite, or the position is outside, the value is 0 and not sound. `light`
    is ``(height, width, channels)`` float32.
    """
    values = np.zeros((len(x), light.shape[-1]), np.float32)
    sound = np.zeros(len(x), np.uint8)
    _fetch(np.ascontiguousarray(light), x, y, values, sound)
    return values, sound.astype(np.bool_)


def tap_weights(fractions: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The weights of the taps for addresses that lie `fractions`, 0 to 1, after a sample: ``(…, TAPS)``, sum 1."""
    flat = np.ascontiguousarray(fractions, np.float64).ravel()
    weights = np.empty((len(flat), TAPS))
    _fill_weights(flat, weights)
    return weights.reshape(*np.shape(fractions), TAPS)


@njit(cache=True, nogil=True)
def weights(t: float) -> tuple[float, float, float, float, float, float]:
    """`tap_weights` of one fraction, for other kernels."""
    if t == 0.0:
        return (0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    if t == 1.0:  # what is left of the fraction just below 0, after rounding
        return (0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    # All six have sin(pi t) in common, up to its sign, and their window takes three values; what is common cancels.
    near, middle, far = np.sin(np.pi / 3 * t), np.sin(np.pi / 3 * (t + 1.0)), np.sin(np.pi / 3 * (t + 2.0))
    a, b, c = far / (t + 2.0) ** 2, -middle / (t + 1.0) ** 2, near / t**2
    d, e, f = far / (1.0 - t) ** 2, -middle / (2.0 - t) ** 2, near / (3.0 - t) ** 2
    total = a + b + c + d + e + f
    return (a / total, b / total, c / total, d / total, e / total, f / total)


@njit(cache=True, nogil=True)
def _fill_weights(fractions: Any, filled: Any) -> None:
    for index in range(fractions.shape[0]):
        own = weights(fractions[index])
        for tap in range(TAPS):
            filled[index, tap] = own[tap]


@njit(cache=True, nogil=True, parallel=True)
def _fetch(light: Any, x: Any, y: Any, values: Any, sound: Any) -> None:
    height, width, channels = light.shape
    for index in prange(x.shape[0]):
        if not (x[index] >= 0 and y[index] >= 0 and x[index] <= width - 1 and y[index] <= height - 1):
            continue
        left, top = int(np.floor(x[index])), int(np.floor(y[index]))
        across, down = weights(x[index] - left), weights(y[index] - top)
        whole = True
        for channel in range(channels):
            total = 0.0
            smallest = np.float32(np.inf)
            largest = np.float32(-np.inf)
            for i in range(TAPS):
                row = min(max(top + i - BEFORE, 0), height - 1)
                for j in range(TAPS):
                    column = min(max(left + j - BEFORE, 0), width - 1)
                    weight = down[i] * across[j]
                    if weight != 0.0:
                        value = light[row, column, channel]
                        if not np.isfinite(value):
                            whole = False
                        total += weight * value
                        smallest = min(smallest, value)
                        largest = max(largest, value)
            lowest = smallest - _BEYOND * abs(smallest)
            highest = largest + _BEYOND * abs(largest)
            values[index, channel] = min(max(np.float32(total), lowest), highest)
        if whole:
            sound[index] = 1
        else:
            for channel in range(channels):
                values[index, channel] = 0.0
