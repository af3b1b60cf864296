"""Takes away the step of light between a frame and what was copied into it (S6): a membrane in stops.

What is left of the mismatch after `_exposure` is measured on a rim of known pixels beside the hole, which the sources
show too, and spread over the hole by harmonic interpolation (the membrane of Pérez 2003; in log light it is a gain).
The correction is smooth, so it is solved on a small lattice.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit, prange

from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._pyramid import membrane

Mask = npt.NDArray[np.bool_]

SEAM_CELLS = 480
"""Cells along the longer side that the correction is solved on, unless fewer are asked for."""
_LIMIT = 0.5
"""Largest correction in stops: more is no difference of light but another thing."""
_FADE = 200 / 1920
"""Distance over which a screened correction falls to 1/e, as a part of the plate's width."""
_SMOOTH = 12 / 1920
"""Standard deviation of the window whose mean light is compared, as a part of the plate's width."""
_LEAST_SMOOTH = 3.0
"""The same in plate samples, at least: single grains must not count."""
_FAR = 8.0
"""How many such windows the neighbourhood reaches that a place of the rim is judged by."""
_BLACK = 2.0**-10
"""Added to both lights before they are compared: below it, differences are of black levels and not of exposure."""
_LEAST_SPREAD = 0.03
"""In stops; mismatches that differ by less from their neighbourhood's are no outliers."""
_MISFIT = 0.06
"""Mean difference of matched light that is always forgiven, as a part of the light: grain and resampling."""
_WEAK = 0.05
"""How much the neighbourhood of a place of the rim counts beside it, and all of the rim beside the neighbourhood."""
_DEVIATION = 1.8
"""Standard deviation in stops of light whose mean difference is 1 part of it."""
_BRIGHTEST = np.float32(65504.0)


def seam_correction(
    *, light: Array, shown: Array, hole: Mask, width: int, screened: bool, cells: int = SEAM_CELLS
) -> Array:
    """Stops to add to the light copied into a hole, so that no step is seen at its edge.

    `light` ``(height, width, channels)`` float32 is the frame's own linear light, used outside `hole` ``(height,
    width)``; `shown` of the same shape is what the sources, exposure already matched, show of a rim of known pixels
    along the hole, NaN elsewhere. The rim should be some 12/1920 of the plate's `width` (in samples) deep; every pixel
    of it counts once. `screened` lets the correction fade into the hole, for an extension, of which one side only is
    anchored. It is solved on `cells` along the longer side. Returns ``(height, width, channels)`` float32, at most
    ±0.5 stop, 0 outside the hole.

    Rim pixels that are NaN or infinite in either picture are not looked at; places where the two show different
    things (a mover at the edge, wrong registration) do not bleed into the hole. Without any rim the result is 0.
    """
    result = np.zeros(light.shape, np.float32)
    if not hole.any():
        return result
    factor = max(1, -(-max(hole.shape) // cells))
    seen = np.zeros((-(-hole.shape[0] // factor), -(-hole.shape[1] // factor), 2 * light.shape[-1] + 1), np.float32)
    _gather(np.ascontiguousarray(light), np.ascontiguousarray(shown), np.ascontiguousarray(hole), factor, seen)
    rim = seen[..., -1] > 0
    if not rim.any():
        return result
    stops = _boundary(seen, rim, sigma=max(_SMOOTH * width, _LEAST_SMOOTH) / factor)
    correction = membrane(stops, rim)
    if screened:
        away = np.maximum(cv2.distanceTransform((~rim).astype(np.uint8), cv2.DIST_L2, 5) - 1, 0)
        correction *= np.exp(-away * np.float32(factor / (_FADE * width)))[..., np.newaxis]
    _scatter(np.clip(correction, -_LIMIT, _LIMIT), np.ascontiguousarray(hole), factor, result)
    return result


def _boundary(seen: Array, rim: Mask, *, sigma: float) -> Array:
    """Stops from what is shown to the frame's light, smoothed along the rim and free of outliers, 0 off the rim."""
    count = seen[..., -1:]
    stops, misfit = _compared(seen, sigma)
    trust = np.ones_like(count)
    whole = np.median(stops[rim], axis=0)
    neighbourhood = np.broadcast_to(whole, stops.shape)
    usual = _MISFIT + 2 * np.median(misfit[rim])
    for _ in range(3):
        off = stops - neighbourhood
        spread = np.maximum(1.4826 * np.median(np.abs(off[rim]), axis=0), _LEAST_SPREAD)
        outlying = ((off / (3 * spread)) ** 2).max(axis=-1, keepdims=True)
        # What is this unlike is not trusted at all, and its fourth power must not overflow.
        unlike = np.minimum(misfit / usual, np.float32(1e3))
        trust = rim[..., np.newaxis] / (1 + outlying**2) / (1 + unlike**4)
        neighbourhood = _mean(stops, count * trust, _FAR * sigma, otherwise=whole)
    # Once more without the outliers, which the first smoothing spread over their neighbours.
    stops, misfit = _compared(seen * trust, sigma)
    window = _blurred(count * trust, sigma)
    believed = window / np.maximum(_blurred(count, sigma), 1e-6)
    # What chance alone makes of a window's mean; in the dark, all there is.
    chance = (_DEVIATION * misfit) ** 2 / np.maximum(4 * np.pi * sigma**2 * window, 1)
    doubt = _WEAK + chance / _LEAST_SPREAD**2
    mixed = (believed * stops + doubt * neighbourhood) / (believed + doubt)
    return np.where(rim[..., np.newaxis], mixed, 0).astype(np.float32)


def _compared(seen: Array, sigma: float) -> tuple[Array, Array]:
    """Stops between the local means of both lights, per channel, and how far they differ when matched, as a part."""
    channels = seen.shape[-1] // 2
    count = np.maximum(_blurred(seen[..., -1:], sigma), 1e-6)
    own, other = (
        np.maximum(_blurred(seen[..., part], sigma) / count, 0) + np.float32(_BLACK)
        for part in (slice(0, channels), slice(channels, 2 * channels))
    )
    gain = own / other
    rest = _blurred(np.abs(seen[..., :channels] - gain * seen[..., channels:-1]), sigma) / count
    return np.log2(gain), (rest / own).mean(axis=-1, keepdims=True)


def _mean(values: Array, weight: Array, sigma: float, *, otherwise: Array) -> Array:
    """Weighted local means, which go over to `otherwise` where there is little weight."""
    total = _blurred(weight, sigma)
    little = _WEAK * float(total.max())
    mean: Array = (_blurred(values * weight, sigma) + little * otherwise) / np.maximum(total + little, 1e-12)
    return mean


def _blurred(values: Array, sigma: float) -> Array:
    blurred = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.float32).reshape(values.shape)


@njit(cache=True, nogil=True, parallel=True)
def _gather(light: Any, shown: Any, hole: Any, factor: Any, seen: Any) -> None:
    """Sums over the rim pixels of each cell: light, what is shown, and their number."""
    height, width, channels = light.shape
    for row in prange(seen.shape[0]):
        for y in range(row * factor, min((row + 1) * factor, height)):
            for x in range(width):
                if hole[y, x]:
                    continue
                sound = True
                for channel in range(channels):
                    if not (np.isfinite(shown[y, x, channel]) and np.isfinite(light[y, x, channel])):
                        sound = False
                if not sound:
                    continue
                column = x // factor
                for channel in range(channels):
                    seen[row, column, channel] += min(max(light[y, x, channel], -_BRIGHTEST), _BRIGHTEST)
                    seen[row, column, channels + channel] += min(max(shown[y, x, channel], -_BRIGHTEST), _BRIGHTEST)
                seen[row, column, 2 * channels] += np.float32(1)


@njit(cache=True, nogil=True, parallel=True)
def _scatter(cells: Any, hole: Any, factor: Any, result: Any) -> None:
    """Bilinear values of the cells in the pixels of the hole."""
    height, width, channels = result.shape
    for y in prange(height):
        down = min(max((y - (factor - 1) / 2) / factor, 0.0), cells.shape[0] - 1.0)
        top = int(down)
        bottom = min(top + 1, cells.shape[0] - 1)
        v = np.float32(down - top)
        for x in range(width):
            if not hole[y, x]:
                continue
            across = min(max((x - (factor - 1) / 2) / factor, 0.0), cells.shape[1] - 1.0)
            left = int(across)
            right = min(left + 1, cells.shape[1] - 1)
            u = np.float32(across - left)
            for channel in range(channels):
                upper = cells[top, left, channel] * (1 - u) + cells[top, right, channel] * u
                lower = cells[bottom, left, channel] * (1 - u) + cells[bottom, right, channel] * u
                result[y, x, channel] = upper * (1 - v) + lower * v
