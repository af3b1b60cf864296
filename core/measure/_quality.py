"""Full-reference quality figures. All take the whole image, and a mask where only a region counts."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.colour import analysis_proxy

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_WINDOW = 11
_SIGMA = 1.5
_DETAIL_SIGMA = 1.5


def psnr(result: npt.ArrayLike, truth: npt.ArrayLike, *, mask: Mask | None = None, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB; infinity where nothing differs.

    `result`, `truth`: ``(height, width)`` or ``(height, width, channels)``, any type, finite, 0..`peak`; display-
    encoded where figures shall compare with published ones. `mask`: ``(height, width)``, True where it counts.
    Raises `ValueError` for shapes that differ, values that are not finite and empty masks.
    """
    first, second, counted = _checked(result, truth, mask)
    error = float(np.mean(np.square(first[counted] - second[counted], dtype=np.float64)))
    return math.inf if error == 0.0 else 10.0 * math.log10(peak * peak / error)


def log_psnr(result: npt.ArrayLike, truth: npt.ArrayLike, *, mask: Mask | None = None) -> float:
    """`psnr` of scene-linear light as the eye and a grader weigh it: in ACEScct-shaped code values with a peak of 1.

    Shapes and errors as in `psnr`; light may be anything, NaN counts as black. Shadows and highlights far above 1
    both count, unlike in a display-encoded PSNR.
    """
    return psnr(analysis_proxy(result), analysis_proxy(truth), mask=mask)


def ssim(result: npt.ArrayLike, truth: npt.ArrayLike, *, mask: Mask | None = None, peak: float = 1.0) -> float:
    """Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004): 1 for equal images.

    Gaussian window of 11 px with sigma 1.5, K1 = 0.01, K2 = 0.03, per channel and averaged. Without a mask only
    windows inside the image count, as in the paper; with one, windows around every masked pixel do, the image being
    reflected at its border. Shapes, range and errors as in `psnr`; images are at least 11 px wide and high.
    """
    first, second, counted = _checked(result, truth, mask)
    height, width = counted.shape
    if min(height, width) < _WINDOW:
        raise ValueError(f"SSIM needs at least {_WINDOW}x{_WINDOW} pixels, got {width}x{height}")
    rows, columns = _bounds(counted, margin=_WINDOW)
    first, second, counted = first[rows, columns], second[rows, columns], counted[rows, columns]
    inside = counted
    if mask is None:
        inside = np.zeros_like(counted)
        inside[_WINDOW // 2 : -(_WINDOW // 2), _WINDOW // 2 : -(_WINDOW // 2)] = True
    # Channel by channel, as five blurred images at once take a lot of memory.
    likeness = [
        float(np.mean(_likeness(first[..., at], second[..., at], peak)[inside], dtype=np.float64))
        for at in range(first.shape[2])
    ]
    return sum(likeness) / len(likeness)


def _likeness(first: Pixels, second: Pixels, peak: float) -> Pixels:
    """SSIM at every pixel of two ``(height, width)`` images."""
    c1, c2 = np.float32((0.01 * peak) ** 2), np.float32((0.03 * peak) ** 2)
    mean_1, mean_2 = _blurred(first), _blurred(second)
    variance_1 = _blurred(first * first) - mean_1 * mean_1
    variance_2 = _blurred(second * second) - mean_2 * mean_2
    covariance = _blurred(first * second) - mean_1 * mean_2
    alike = (2.0 * mean_1 * mean_2 + c1) * (2.0 * covariance + c2)
    alike /= (mean_1 * mean_1 + mean_2 * mean_2 + c1) * (variance_1 + variance_2 + c2)
    return np.asarray(alike, dtype=np.float32)


def high_frequency_ratio(result: npt.ArrayLike, truth: npt.ArrayLike, *, mask: Mask | None = None) -> float:
    """How much fine detail the result has, as a multiple of the truth's: 1 right, 0 a blur, above 1 noise.

    The energy of what a Gaussian of sigma 1.5 px takes away, over the mask. Shapes and errors as in `psnr`; any
    range. NaN where the truth has no detail at all.
    """
    first, second, counted = _checked(result, truth, mask)
    detail, detail_true = (_energy(image - _smooth(image), counted) for image in (first, second))
    # What rounding leaves of a flat image is no detail.
    return detail / detail_true if detail_true > 1e-12 * _energy(second, counted) else math.nan


def _energy(image: Pixels, mask: Mask) -> float:
    return float(np.mean(np.square(image[mask], dtype=np.float64)))


def _checked(result: npt.ArrayLike, truth: npt.ArrayLike, mask: Mask | None) -> tuple[Pixels, Pixels, Mask]:
    """Both images as ``(height, width, channels)`` float32 and the mask as ``(height, width)`` bool."""
    first, second = np.asarray(result, dtype=np.float32), np.asarray(truth, dtype=np.float32)
    if first.shape != second.shape or first.ndim not in (2, 3):
        raise ValueError(f"expected two images of one shape, got {first.shape} and {second.shape}")
    if first.ndim == 2:
        first, second = first[..., None], second[..., None]
    counted = np.ones(first.shape[:2], dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
    if counted.shape != first.shape[:2]:
        raise ValueError(f"expected a mask of shape {first.shape[:2]}, got {counted.shape}")
    if not counted.any():
        raise ValueError("the mask has no pixel, so there is nothing to measure")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("NaN or infinite samples have no PSNR or SSIM; encode them first (analysis_proxy does)")
    return first, second, counted


def _bounds(mask: Mask, *, margin: int) -> tuple[slice, slice]:
    """The rows and columns that hold the mask, and `margin` more where there are."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )


def _blurred(image: Pixels) -> Pixels:
    blurred = cv2.GaussianBlur(image, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, dtype=np.float32).reshape(image.shape)


def _smooth(image: Pixels) -> Pixels:
    smooth = cv2.GaussianBlur(image, (0, 0), _DETAIL_SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(smooth, dtype=np.float32).reshape(image.shape)
