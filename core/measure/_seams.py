"""Figures of how well a fill sits in its plate: the step of exposure across the seam, and the strength of the grain."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.colour import gain_log2

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_BAND = 3
"""Width of what is compared on either side of the seam, px."""
_STRETCH = 32
"""The seam is cut into stretches that fit in squares of this side, px."""
_LEAST_IN_STRETCH = 24

_FLAT_BLUR = 2.0
_FLAT_SHARE = 0.25
_LEAST_FLAT = 64
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def seam_step(result: Pixels, truth: Pixels, *, generated: Mask, counted: Mask | None = None) -> float:
    """The step of exposure across the seam, in stops, beyond what the truth has there.

    `result`, `truth`: scene-linear ``(height, width, channels)`` float32; `generated`: ``(height, width)``;
    `counted`: the generated pixels that count, all of them where None. The seam is cut into stretches of 32 px; in
    each, the median of log2 light within 3 px inside it, less that within 3 px outside, is compared with the same of
    the truth. Returns the median over the stretches of the absolute difference; NaN where there is no seam. Medians
    over a stretch are blind to grain and to single misplaced edges, which have figures of their own.
    """
    if result.shape != truth.shape or generated.shape != truth.shape[:2]:
        raise ValueError(f"expected one size, got {result.shape}, {truth.shape} and {generated.shape}")
    reach = np.ones((2 * _BAND + 1, 2 * _BAND + 1), np.uint8)
    holes = generated.astype(np.uint8)
    inside = generated & (cv2.dilate(1 - holes, reach) > 0)
    if counted is not None:
        inside &= counted
    outside = ~generated & (cv2.dilate(inside.astype(np.uint8), reach) > 0)
    light = gain_log2(result).mean(axis=2), gain_log2(truth).mean(axis=2)
    steps = []
    # The squares overlap by half, so that a seam on the border of two has both its sides in a third.
    for top in range(0, generated.shape[0], _STRETCH // 2):
        for left in range(0, generated.shape[1], _STRETCH // 2):
            area = (slice(top, top + _STRETCH), slice(left, left + _STRETCH))
            near, far = inside[area], outside[area]
            if min(np.count_nonzero(near), np.count_nonzero(far)) >= _LEAST_IN_STRETCH:
                made, true = (float(np.median(one[area][near]) - np.median(one[area][far])) for one in light)
                steps.append(abs(made - true))
    return float(np.median(steps)) if steps else float("nan")


def grain_ratio(result: Pixels, truth: Pixels, *, mask: Mask) -> tuple[float, ...]:
    """The strength of the result's grain as a multiple of the truth's, by channel: 1 is right, 0 is none.

    `result`, `truth`: scene-linear ``(height, width, channels)`` float32, finite; `mask`: ``(height, width)``. Grain
    is what Immerkaer's (1996) kernel leaves, which is blind to planes and straight edges, by its median absolute
    value, in the flattest quarter of the masked truth; the same pixels count in both, so that grain that grows with
    light is compared at the same light. NaN where fewer than 64 px count or the truth has no grain.
    """
    if result.shape != truth.shape or result.ndim != 3 or mask.shape != truth.shape[:2]:
        raise ValueError(
            f"expected (height, width, channels) and a mask, got {result.shape}, {truth.shape}, {mask.shape}"
        )
    flat = _flattest(truth, mask)
    ratios = []
    for channel in range(truth.shape[2]):
        made, true = (
            float(np.median(np.abs(cv2.filter2D(np.ascontiguousarray(one[..., channel]), -1, _IMMERKAER)[flat])))
            if np.count_nonzero(flat) >= _LEAST_FLAT
            else 0.0
            for one in (result, truth)
        )
        ratios.append(made / true if true > 0.0 else float("nan"))
    return tuple(ratios)


def _flattest(truth: Pixels, mask: Mask) -> Mask:
    """The flattest quarter of the mask's inside, where the kernel sees nothing from beyond it."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) > 0
    if not inner.any():
        return inner
    smooth = cv2.GaussianBlur(gain_log2(truth).mean(axis=2), (0, 0), _FLAT_BLUR)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return np.asarray(inner & (slope <= np.quantile(slope[inner], _FLAT_SHARE)), np.bool_)
