"""Fills what no frame shows, smoothly (the first version of S7)."""

from __future__ import annotations

import numpy as np

from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._proxy import Mask
from overscan.core.engines.plate._pyramid import membrane

_GAMMA = np.float32(2.4)
_LARGEST = np.nextafter(np.log(np.finfo(np.float32).max), np.float32(0))
_SWEEPS = 64
"""Pictures want a flatter membrane than motion does: far light must not shine through."""


def smooth_fill(light: Array, known: Mask) -> Array:
    """`light` ``(height, width, channels)`` with what is not `known` filled smoothly; finite everywhere.

    Averages are taken as the eye sees: light up to 1 by its 2.4th root, above 1 as stops, negative light like
    positive. In linear light one lamp would glow through the whole fill, in stops one shadow would darken it. NaN and
    infinities count as not known.
    """
    known = known & np.isfinite(light).all(axis=-1)
    if known.all():
        return light
    filled = _linear(membrane(_seen(np.where(known[..., np.newaxis], light, np.float32(0))), known, sweeps=_SWEEPS))
    result: Array = np.where(known[..., np.newaxis], light, filled)
    return result


def _seen(light: Array) -> Array:
    size = np.abs(light)
    above = 1 + np.log(np.maximum(size, 1)) / _GAMMA
    curved: Array = np.sign(light) * np.where(size <= 1, size ** (1 / _GAMMA), above)
    return curved


def _linear(seen: Array) -> Array:
    size = np.abs(seen)
    # The largest floats would come back as infinities by the rounding of their logarithms.
    above = np.exp(np.minimum((np.maximum(size, 1) - 1) * _GAMMA, _LARGEST))
    light: Array = np.sign(seen) * np.where(size <= 1, size**_GAMMA, above)
    return light
