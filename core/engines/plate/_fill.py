"""Fills smoothly what nothing better is known for."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._pyramid import membrane
from overscan.core.engines.plate.motion._proxy import Mask

_GAMMA = np.float32(2.4)
_LARGEST = np.nextafter(np.log(np.finfo(np.float32).max), np.float32(0))
_LONGEST = 640
"""Most blocks along the longer side that the surface is found on."""
_SWEEPS = 64
"""Pictures want a flatter membrane than motion does: far light must not shine through."""


def smooth_fill(light: Array, known: Mask) -> Array:
    """`light` ``(height, width, channels)`` with what is not `known` filled smoothly; finite everywhere.

    Averages are taken as the eye sees (`as_seen`): in linear light one lamp would glow through the whole fill, in
    stops one shadow would darken it. NaN and infinities count as not known. Of a large picture the surface is found
    on a smaller one.
    """
    known = known & np.isfinite(light).all(axis=-1)
    if known.all():
        return light
    factor = -(-max(known.shape) // _LONGEST)
    small, share = block_means(light, known, factor)
    surface = membrane(as_seen(small), share > 0, sweeps=_SWEEPS)
    result: Array = light.copy()
    rows, columns = np.nonzero(~known)
    result[rows, columns] = from_seen(_between(surface, rows, columns, factor))
    return result


def block_means(values: Array, counted: Mask, factor: int) -> tuple[Array, Array]:
    """Means of what counts of `values` ``(height, width, channels)`` over blocks of `factor` x `factor` samples.

    Returns ``(rows, columns, channels)``, 0 where nothing counts, and how much of a block counts, 0 to 1.
    """
    padding = ((0, -counted.shape[0] % factor), (0, -counted.shape[1] % factor))
    share: Array = np.pad(counted.astype(np.float32), padding)
    summed: Array = np.pad(np.where(counted[..., np.newaxis], values, np.float32(0)), (*padding, (0, 0)))
    if factor > 1:
        size = (share.shape[1] // factor, share.shape[0] // factor)
        share = np.asarray(cv2.resize(share, size, interpolation=cv2.INTER_AREA), np.float32)
        small = cv2.resize(summed, size, interpolation=cv2.INTER_AREA)
        summed = np.asarray(small, np.float32).reshape(*share.shape, values.shape[-1])
    means = (summed / np.maximum(share, np.float32(1e-6))[..., np.newaxis]).astype(np.float32, copy=False)
    return means, share


def _between(picture: Array, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], factor: int) -> Array:
    """Bilinear values of a picture of blocks at single samples, ``(count, channels)``."""
    down = ((rows + 0.5) / factor - 0.5).clip(0, picture.shape[0] - 1)
    across = ((columns + 0.5) / factor - 0.5).clip(0, picture.shape[1] - 1)
    top, left = down.astype(np.intp), across.astype(np.intp)
    bottom, right = np.minimum(top + 1, picture.shape[0] - 1), np.minimum(left + 1, picture.shape[1] - 1)
    v, u = ((part - whole).astype(np.float32)[:, np.newaxis] for part, whole in ((down, top), (across, left)))
    values: Array = (picture[top, left] * (1 - u) + picture[top, right] * u) * (1 - v) + (
        picture[bottom, left] * (1 - u) + picture[bottom, right] * u
    ) * v
    return values


def as_seen(light: Array) -> Array:
    """Light as the eye sees it: up to 1 by its 2.4th root, above 1 as stops; negative light like positive."""
    size = np.abs(light)
    above = 1 + np.log(np.maximum(size, 1)) / _GAMMA
    curved: Array = np.sign(light) * np.where(size <= 1, size ** (1 / _GAMMA), above)
    return curved


def from_seen(seen: Array) -> Array:
    """The inverse of `as_seen`."""
    size = np.abs(seen)
    # The largest floats would come back as infinities by the rounding of their logarithms.
    above = np.exp(np.minimum((np.maximum(size, 1) - 1) * _GAMMA, _LARGEST))
    light: Array = np.sign(seen) * np.where(size <= 1, size**_GAMMA, above)
    return light
