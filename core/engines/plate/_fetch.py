"""Fetches light from sub-pixel addresses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from overscan.core.engines.plate._lattice import Array

TAPS = 6
"""Samples along each axis that a fetched value is made of."""
BEFORE = 2
"""How many of them lie before the sample at or before the address."""
_SIN_60 = math.sqrt(3) / 2
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
    # All six have sin(pi t) in common, up to its sign, and what is common cancels. Their window takes three values: the
    # sines of a third of pi t, and of that and a third and two thirds of pi.
    near = np.sin(np.pi / 3 * t)
    half, lift = 0.5 * near, _SIN_60 * np.sqrt(1.0 - near * near)
    middle, far = lift + half, lift - half
    a, b, c = far / (t + 2.0) ** 2, -middle / (t + 1.0) ** 2, near / t**2
    d, e, f = far / (1.0 - t) ** 2, -middle / (2.0 - t) ** 2, near / (3.0 - t) ** 2
    share = 1.0 / (a + b + c + d + e + f)
    return (a * share, b * share, c * share, d * share, e * share, f * share)


@njit(cache=True, nogil=True)
def _fill_weights(fractions: Any, filled: Any) -> None:
    for index in range(fractions.shape[0]):
        own = weights(fractions[index])
        for tap in range(TAPS):
            filled[index, tap] = own[tap]


@njit(cache=True, nogil=True, inline="always")
def _taps(t: float) -> tuple[int, int]:
    """The first tap that counts and the one after the last: at a sample's own place it alone does."""
    if t == 0.0:
        return BEFORE, BEFORE + 1
    if t == 1.0:
        return BEFORE + 1, BEFORE + 2
    return 0, TAPS


@njit(cache=True, nogil=True, parallel=True)
def _fetch(light: Any, x: Any, y: Any, values: Any, sound: Any) -> None:
    height, width, channels = light.shape
    for index in prange(x.shape[0]):
        if not (x[index] >= 0 and y[index] >= 0 and x[index] <= width - 1 and y[index] <= height - 1):
            continue
        left, top = int(np.floor(x[index])), int(np.floor(y[index]))
        u, v = x[index] - left, y[index] - top
        across, down = weights(u), weights(v)
        first_column, last_column = _taps(u)
        first_row, last_row = _taps(v)
        whole = True
        for channel in range(channels):
            total = 0.0
            smallest = np.float32(np.inf)
            largest = np.float32(-np.inf)
            for i in range(first_row, last_row):
                row = light[min(max(top + i - BEFORE, 0), height - 1)]
                along = 0.0
                for j in range(first_column, last_column):
                    value = row[min(max(left + j - BEFORE, 0), width - 1), channel]
                    along += across[j] * value
                    smallest = min(smallest, value)
                    largest = max(largest, value)
                total += down[i] * along
            if np.isfinite(total):  # no sum of what is NaN or infinite is
                lowest = smallest - _BEYOND * abs(smallest)
                highest = largest + _BEYOND * abs(largest)
                values[index, channel] = min(max(np.float32(total), lowest), highest)
            else:
                whole = False
        if whole:
            sound[index] = 1
        else:
            for channel in range(channels):
                values[index, channel] = 0.0
