"""Carries values forward along motion to where they arrive: softmax splatting (Niklaus & Liu 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from overscan.core.engines.plate._lattice import Array

_LEAST_LOG_WEIGHT = np.float32(-16.0)
"""Smaller weights would be lost beside 1 in float32 sums."""


def splat(values: Array, *, x: Array, y: Array, log_weight: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Means ``(*shape, channels)`` of `values` ``(height, width, channels)`` that arrive at each sample, and coverage.

    Value (row, column) arrives at column `x`, row `y` of the target, each ``(height, width)`` float32, and is shared
    among the four samples round there. Where several arrive they weigh exp(`log_weight`), at most 1. Coverage
    ``shape`` counts what arrived without that weight: about 1 where motion neither spreads nor gathers, 0 where
    nothing came, and then the mean is 0. One thread adds up in one order, so that the sums have the same bits always.
    """
    sums = np.zeros((*shape, values.shape[-1] + 1), np.float32)
    coverage = np.zeros(shape, np.float32)
    weight = np.exp(np.clip(log_weight, _LEAST_LOG_WEIGHT, np.float32(0))).astype(np.float32)
    _splat(np.ascontiguousarray(values), x, y, weight, sums, coverage)
    total = sums[..., -1:]
    means: Array = np.where(total > 0, sums[..., :-1] / np.where(total > 0, total, np.float32(1)), np.float32(0))
    return means, coverage


@njit(cache=True, nogil=True)
def _splat(values: Any, x: Any, y: Any, weight: Any, sums: Any, coverage: Any) -> None:
    height, width = coverage.shape
    channels = values.shape[2]
    for source_row in range(values.shape[0]):
        for source_column in range(values.shape[1]):
            column, row = x[source_row, source_column], y[source_row, source_column]
            if not (column > -1.0 and row > -1.0 and column < width and row < height):
                continue
            left, top = int(np.floor(column)), int(np.floor(row))
            for i in range(2):
                target_row = top + i
                if target_row < 0 or target_row >= height:
                    continue
                down = row - top if i else 1.0 - (row - top)
                for j in range(2):
                    target_column = left + j
                    if target_column < 0 or target_column >= width:
                        continue
                    share = down * (column - left if j else 1.0 - (column - left))
                    coverage[target_row, target_column] += np.float32(share)
                    heavy = np.float32(share * weight[source_row, source_column])
                    for channel in range(channels):
                        sums[target_row, target_column, channel] += heavy * values[source_row, source_column, channel]
                    sums[target_row, target_column, channels] += heavy
