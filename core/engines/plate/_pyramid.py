"""The smooth surface through what is known: a membrane, solved from coarse to fine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[np.float32]

_LEAST_SWEEPS = 4
_COARSE = 64 * 64
"""Levels of fewer samples get all sweeps; each finer one half as many as the one before."""


def membrane(values: Array, known: npt.NDArray[np.bool_], *, sweeps: int = 16) -> Array:
    """Fill `values` ``(height, width, channels)`` float32 where `known` ``(height, width)`` is false.

    Laplace's equation with the known values as its boundary and free edges, by cascadic multigrid on a pull-push
    pyramid (Gortler 1996) with `sweeps` relaxations on the coarse levels. Known values come back as they are; with
    nothing known the result is 0. Values must be finite where known. Runs on one core, as callers run several at once.
    """
    levels = [(np.where(known[..., np.newaxis], values, np.float32(0)), known.astype(np.float32))]
    while max(levels[-1][1].shape) > 1:
        levels.append(_pulled(*levels[-1]))
    current = np.zeros((1, 1, values.shape[-1]), np.float32)
    for means, weight in reversed(levels):
        current = _grown(current, means, weight)
        if (weight > 0).any():
            other = current.copy()
            for _ in range(_sweeps_for(weight.size, sweeps)):
                _relax(current, weight, other)
                current, other = other, current
    return current


def _sweeps_for(samples: int, sweeps: int) -> int:
    size = _COARSE
    while size < samples:
        sweeps, size = sweeps // 2, size * 4
    return max(sweeps, _LEAST_SWEEPS)


@njit(cache=True, nogil=True)
def _pulled(means: Any, weight: Any) -> Any:
    """The next coarser level: means over what is known of 2x2 blocks, and how much that is, at most 1."""
    height, width, channels = means.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    coarse = np.zeros((rows, columns, channels), np.float32)
    total = np.zeros((rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            known = np.float32(0)
            for y in range(2 * row, min(2 * row + 2, height)):
                for x in range(2 * column, min(2 * column + 2, width)):
                    part = weight[y, x]
                    if part > 0:
                        known += part
                        for channel in range(channels):
                            coarse[row, column, channel] += means[y, x, channel] * part
            if known > 0:
                for channel in range(channels):
                    coarse[row, column, channel] /= known
                total[row, column] = min(known, np.float32(1))
    return coarse, total


@njit(cache=True, nogil=True)
def _grown(coarse: Any, means: Any, weight: Any) -> Any:
    """The next finer level: what is known of it, and bilinear values of the coarser one elsewhere."""
    height, width, channels = means.shape
    one = np.float32(1)
    last_row, last_column = coarse.shape[0] - 1, coarse.shape[1] - 1
    grown = np.empty((height, width, channels), np.float32)
    for row in range(height):
        # A fine sample lies a quarter of a coarse one off the centre of its own.
        above, below = max((row - 1) // 2, 0), min((row + 1) // 2, last_row)
        v = np.float32(0.25) if row % 2 else np.float32(0.75)
        for column in range(width):
            if weight[row, column] > 0:
                for channel in range(channels):
                    grown[row, column, channel] = means[row, column, channel]
                continue
            left, right = max((column - 1) // 2, 0), min((column + 1) // 2, last_column)
            u = np.float32(0.25) if column % 2 else np.float32(0.75)
            for channel in range(channels):
                top = coarse[above, left, channel] * (one - u) + coarse[above, right, channel] * u
                bottom = coarse[below, left, channel] * (one - u) + coarse[below, right, channel] * u
                grown[row, column, channel] = top * (one - v) + bottom * v
    return grown


@njit(cache=True, nogil=True)
def _relax(current: Any, weight: Any, relaxed: Any) -> None:
    """One Jacobi sweep where nothing is known; beyond an edge lies what lies on it."""
    height, width, channels = current.shape
    quarter = np.float32(0.25)
    for row in range(height):
        above, below = max(row - 1, 0), min(row + 1, height - 1)
        for column in range(width):
            if weight[row, column] > 0:
                continue
            left, right = max(column - 1, 0), min(column + 1, width - 1)
            for channel in range(channels):
                relaxed[row, column, channel] = quarter * (
                    (current[above, column, channel] + current[below, column, channel])
                    + (current[row, left, channel] + current[row, right, channel])
                )
