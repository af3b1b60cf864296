"""What anyone can do in a few lines: the fills that a result has to beat."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.colour import display_encode

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_RADIUS = 3


def telea_per_frame(frame: npt.NDArray[Any], mask: Mask) -> npt.NDArray[Any]:
    """OpenCV's inpainting (Telea 2004, radius 3 px) of one frame on its own, as an artist's script would use it.

    `frame`: ``(height, width, 3)``, uint8 as it is, or float32 scene-linear. OpenCV inpaints 8 bits only, so light
    is clipped to 0..1 and sRGB-encoded first: in the filled region nothing above 1 or below 0 survives. `mask`:
    ``(height, width)``, True where to fill. Returns the frame's type; outside the mask the frame itself.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype not in (np.uint8, np.float32):
        raise ValueError(f"expected (height, width, 3) uint8 or float32, got {frame.shape} {frame.dtype}")
    if mask.shape != frame.shape[:2]:
        raise ValueError(f"expected a mask of shape {frame.shape[:2]}, got {mask.shape}")
    holes = np.ascontiguousarray(mask, dtype=np.uint8)
    if frame.dtype == np.uint8:
        return np.asarray(cv2.inpaint(frame, holes, _RADIUS, cv2.INPAINT_TELEA))
    codes = np.round(display_encode(frame) * 255.0).astype(np.uint8)
    code = cv2.inpaint(codes, holes, _RADIUS, cv2.INPAINT_TELEA).astype(np.float32) / np.float32(255.0)
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return np.where(mask[..., None], light, frame)


def pull_push(pixels: Pixels, known: Mask) -> Pixels:
    """Fill what is not known with ever coarser averages of what is (Gortler 1996, the lumigraph's pull-push).

    `pixels`: ``(height, width, channels)`` float32, any range; `known`: ``(height, width)``, True where they count.
    Samples that are NaN or infinite count as unknown for the fill. Returns a filled copy; known pixels keep their
    bits. Smooth, without any detail, and fast: the time is proportional to the pixels, whatever the hole. A light
    source in linear light outshines every average it is part of; give log-encoded values where that matters.
    """
    if pixels.ndim != 3 or known.shape != pixels.shape[:2]:
        raise ValueError(f"expected (height, width, channels) and its mask, got {pixels.shape} and {known.shape}")
    usable = known & np.isfinite(pixels).all(axis=2)
    if not usable.any():
        raise ValueError("nothing is known, so there is nothing to fill from")
    values = np.where(usable[..., None], pixels, np.float32(0.0))
    levels = [(values, usable.astype(np.float32))]
    while max(levels[-1][1].shape) > 1:
        levels.append(_pulled(*levels[-1]))
    filled = levels[-1][0]
    for values, weight in reversed(levels[:-1]):
        height, width = weight.shape
        coarse = np.asarray(cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)).reshape(values.shape)
        filled = values * weight[..., None] + coarse * (np.float32(1.0) - weight[..., None])
    return np.where(known[..., None], pixels, filled)


def _pulled(values: Pixels, weight: Pixels) -> tuple[Pixels, Pixels]:
    """Half the size: averages by weight under a 5x5 binomial, and how far each is known."""
    light = np.asarray(cv2.pyrDown(values * weight[..., None]))
    # The binomial sums to 1 over the 4 samples that one coarse sample stands for.
    total = np.asarray(cv2.pyrDown(weight), dtype=np.float32)
    average = light.reshape(*total.shape, values.shape[2]) / np.maximum(total, np.float32(1e-12))[..., None]
    return np.asarray(average, dtype=np.float32), np.minimum(total * np.float32(4.0), np.float32(1.0))
