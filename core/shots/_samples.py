"""Samples between a file's own types and float32 or half, and as light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.colour import LinearTransform
from overscan.core.plates import Plane

Light = npt.NDArray[np.float32]
"""Scene-linear light, ``(height, width, channels)`` with 3 channels, or 1 for a luminance plate; never clamped."""


def as_light(planes: Mapping[str, Plane], *, colours: tuple[str, ...], bits: int, transform: LinearTransform) -> Light:
    """Light of the channels `colours`, which are three or one."""
    pixels = np.empty((*planes[colours[0]].shape, len(colours)), np.float32)
    for index, name in enumerate(colours):
        plane = planes[name]
        # Floats are converted as they are put into place: one pass less over a frame.
        pixels[..., index] = as_float(plane, bits=bits) if plane.dtype.kind == "u" else plane
    if transform.is_identity:
        return pixels
    if len(colours) == 1:
        # A transform wants three channels; equal ones stay equal on the grey axis.
        return transform.to_linear(np.repeat(pixels, 3, axis=-1))[..., 1:2]
    return transform.to_linear(pixels)


def as_float(plane: Plane, *, bits: int) -> npt.NDArray[np.float32]:
    """Samples as float32; integer code values are divided by ``2**bits - 1``."""
    if plane.dtype.kind == "u":
        return plane.astype(np.float32) / np.float32(2**bits - 1)
    return plane.astype(np.float32, copy=False)


def as_type(plane: Plane, *, bits: int, dtype: np.dtype[Any]) -> Plane:
    """Samples in another type; the same array where nothing changes.

    Half to float and integers up to 10 bits to half are exact and reversible; float to half rounds. Values too large
    for half become infinite, as OpenEXR's own conversion makes them.
    """
    if plane.dtype == dtype:
        return plane
    with np.errstate(over="ignore", invalid="ignore"):
        if plane.dtype.kind == "f" and dtype.kind == "f":
            return plane.astype(dtype)
        if dtype.kind == "f":
            return as_float(plane, bits=bits).astype(dtype)
    levels: Plane = np.clip(np.nan_to_num(as_float(plane, bits=bits), nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    codes: Plane = np.rint(levels * np.float32(2**bits - 1)).astype(dtype)
    return codes
