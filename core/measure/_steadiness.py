"""Figures of a result in time and in place: does it flicker or swim, and does it lie where the truth lies?"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_GATE_SHARE, _GATE_FLOOR = 0.01, 0.5
"""ProPainter's (Zhou 2023) forward-backward gate: |f + b|² < 0.01 (|f|² + |b|²) + 0.5."""
_LEAST_PIXELS = 200
_STEPS = 12
_STEP_PX = 1e-3
"""A registration has arrived when it moves by less."""
_FURTHEST_PX = 8.0
_BLUR = 1.0
"""Sigma, in px, of the Gaussian that lies over both pictures, against grain."""
_LEAST_CORRELATION = 0.8
"""Pictures that are less alike at their best shift do not show the same thing, so that no shift can be told."""
_LARGEST_ERROR_PX = 0.02
"""Standard error of a shift, from the detail there is and what differs, beyond which it is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelMotion:
    """Where each pixel of a frame goes in the next."""

    vectors: Pixels = field(repr=False)
    """``(height, width, 2)``: x and y, in px."""
    trusted: Mask = field(repr=False)
    """``(height, width)``: flow there and back agree, and the pixel stays inside the picture."""


def pixel_motion(first: Pixels, second: Pixels) -> PixelMotion:
    """Optical flow between two neighbouring frames of the truth (DIS, Kroeger 2016), with a forward-backward gate.

    `first`, `second`: ``(height, width, 3)`` float32, 0..1, display-encoded. Raises `ValueError` for other shapes.
    """
    if first.shape != second.shape or first.ndim != 3 or first.shape[2] != 3:
        raise ValueError(f"expected two pictures of shape (height, width, 3), got {first.shape} and {second.shape}")
    greys = [np.clip(np.round(picture.mean(axis=2) * 255.0), 0, 255).astype(np.uint8) for picture in (first, second)]
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    nothing = np.zeros((*greys[0].shape, 2), np.float32)
    there = np.asarray(finder.calc(greys[0], greys[1], nothing.copy()), np.float32)
    back = np.asarray(finder.calc(greys[1], greys[0], nothing.copy()), np.float32)
    columns, rows = _targets(there)
    height, width = greys[0].shape
    met = np.asarray(cv2.remap(back, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    apart, length = np.square(there + met).sum(axis=2), (np.square(there) + np.square(met)).sum(axis=2)
    inside = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
    return PixelMotion(vectors=there, trusted=inside & (apart < _GATE_SHARE * length + _GATE_FLOOR))


def warp_error(first: Pixels, second: Pixels, *, motion: PixelMotion, mask: Mask) -> float:
    """How much the masked pixels of `first` differ from where they went in `second`: the flicker of a pair of frames.

    `first`, `second`: ``(height, width, channels)`` float32, in any range; `motion`: the truth's, between the same
    frames; `mask`: over `first`. Returns the mean absolute difference, in the unit of the pictures, over pixels
    whose motion is trusted; NaN where there is none. To be read as a multiple of the truth's own: 1 is as steady as
    the truth, and far below 1 is a blur (after Lai 2018, with the absolute in place of the squared difference).
    """
    counted = mask & motion.trusted
    if not counted.any():
        return float("nan")
    columns, rows = _targets(motion.vectors)
    moved = cv2.remap(second, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    difference = np.abs(first - np.asarray(moved, np.float32).reshape(first.shape))
    return float(np.mean(difference[counted], dtype=np.float64))


def misplacement(result: Pixels, truth: Pixels, *, mask: Mask) -> float:
    """How far, in px, the masked part of `result` lies from where `truth` has it; the worst of the mask's pieces.

    `result`, `truth`: ``(height, width)`` or ``(height, width, channels)`` float32, log- or display-encoded;
    `mask`: ``(height, width)``, True where it counts. Each connected piece of the mask is registered on its own
    (Lucas and Kanade 1981; exposure and contrast may differ), so that opposite errors on two sides do not cancel.
    Returns NaN where no piece can be registered: fewer than 200 px, too little detail to tell a shift to 0.02 px
    (standard error), more than 8 px away, or something else in the picture (a correlation below 0.8).
    """
    if result.shape != truth.shape or mask.shape != truth.shape[:2]:
        raise ValueError(f"expected pictures and a mask of one size, got {result.shape}, {truth.shape}, {mask.shape}")
    right, made = (picture if picture.ndim == 2 else picture.mean(axis=2) for picture in (truth, result))
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    found = [_shift(right, made, pieces == piece) for piece in range(1, count)]
    lengths = [float(np.hypot(*shift)) for shift in found if shift is not None]
    return max(lengths, default=float("nan"))


def _shift(truth: Pixels, result: Pixels, mask: Mask) -> tuple[float, float] | None:
    """x and y by which `result` lies further right and down than `truth`, where that can be told."""
    # Outside the piece both pictures may be the truth, and must not enter through the blur.
    side = 2 * math.ceil(3 * _BLUR) + 1
    inner = cv2.erode(
        mask.astype(np.uint8), np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    mask = inner > 0
    if np.count_nonzero(mask) < _LEAST_PIXELS:
        return None
    made, true = (cv2.GaussianBlur(picture, (0, 0), _BLUR) for picture in (result, truth))
    target = true[mask].astype(np.float64)
    shift = np.zeros(2)
    for _ in range(_STEPS):
        columns, rows = _targets(np.broadcast_to(shift.astype(np.float32), (*mask.shape, 2)))
        moved = np.asarray(cv2.remap(made, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        slopes = [cv2.Sobel(moved, cv2.CV_32F, *order, scale=1 / 8)[mask] for order in ((1, 0), (0, 1))]
        terms = np.stack([*slopes, moved[mask], np.ones(target.size)], axis=1).astype(np.float64)
        normal = terms.T @ terms
        if np.linalg.cond(normal) > 1e12:
            return None
        found = np.linalg.solve(normal, terms.T @ target)
        gain = found[2]
        if not gain > 0:
            return None
        step = found[:2] / gain
        shift += step
        if np.hypot(*shift) > _FURTHEST_PX:
            return None
        if np.hypot(*step) < _STEP_PX:
            break
    left = float(np.mean(np.square(target - terms @ found)))
    errors = np.sqrt(left * np.diag(np.linalg.inv(normal))[:2]) / gain
    if left > (1 - _LEAST_CORRELATION**2) * float(target.var()) or np.hypot(*errors) > _LARGEST_ERROR_PX:
        return None
    return float(shift[0]), float(shift[1])


def _targets(vectors: Pixels) -> tuple[Pixels, Pixels]:
    height, width = vectors.shape[:2]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return columns + vectors[..., 0], rows + vectors[..., 1]
