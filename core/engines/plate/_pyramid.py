"""The smooth surface through what is known: a membrane, solved from coarse to fine."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_LEAST_SWEEPS = 4
_COARSE = 64 * 64
"""Levels of fewer samples get all sweeps; each finer one half as many as the one before."""
_NEIGHBOURS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)


def membrane(values: Array, known: npt.NDArray[np.bool_], *, sweeps: int = 16) -> Array:
    """Fill `values` ``(height, width, channels)`` float32 where `known` ``(height, width)`` is false.

    Laplace's equation with the known values as its boundary and free edges, by cascadic multigrid on a pull-push
    pyramid (Gortler 1996) with `sweeps` relaxations on the coarse levels. Known values come back as they are; with
    nothing known the result is 0. Values must be finite where known.
    """
    levels = [(np.where(known[..., np.newaxis], values, np.float32(0)), known.astype(np.float32))]
    while max(levels[-1][1].shape) > 1:
        levels.append(_pulled(*levels[-1]))
    current = np.zeros((1, 1, values.shape[-1]), np.float32)
    for means, weight in reversed(levels):
        current = _grown(current, weight.shape)
        fixed = (weight > 0)[..., np.newaxis]
        current = np.where(fixed, means, current)
        if not fixed.all() and fixed.any():
            for _ in range(_sweeps_for(weight.size, sweeps)):
                spread = cv2.filter2D(current, -1, _NEIGHBOURS, borderType=cv2.BORDER_REPLICATE)
                current = np.where(fixed, means, spread.reshape(current.shape))
    return current


def _pulled(means: Array, weight: Array) -> tuple[Array, Array]:
    """The next coarser level: means over what is known of 2x2 blocks, and how much that is, at most 1."""
    height, width, _ = means.shape
    weighted = np.concatenate([means * weight[..., np.newaxis], weight[..., np.newaxis]], axis=-1)
    padded = np.pad(weighted, ((0, height % 2), (0, width % 2), (0, 0)))
    sums = padded[0::2, 0::2] + padded[1::2, 0::2] + padded[0::2, 1::2] + padded[1::2, 1::2]
    total = sums[..., -1]
    return sums[..., :-1] / np.maximum(total, np.float32(1e-8))[..., np.newaxis], np.minimum(total, np.float32(1))


def _grown(values: Array, shape: tuple[int, ...]) -> Array:
    """Values of the next finer level, bilinear."""
    height, width = values.shape[:2]
    finer = cv2.resize(values, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    grown: Array = finer.reshape(2 * height, 2 * width, values.shape[-1])[: shape[0], : shape[1]].astype(np.float32)
    return grown


def _sweeps_for(samples: int, sweeps: int) -> int:
    size = _COARSE
    while size < samples:
        sweeps, size = sweeps // 2, size * 4
    return max(sweeps, _LEAST_SWEEPS)
