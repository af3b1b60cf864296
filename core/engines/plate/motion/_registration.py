"""How one frame moves to another: dense flow, and the plane that explains most of it.

Flow: DIS (Kroeger 2016). Model: translation, similarity, affine or homography by MAGSAC (Barath 2019), chosen by GRIC
(Torr 1998), since a model with fewer parameters extrapolates far more safely beyond the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]

_GRID = 8
"""Distance of the flow vectors that models are fitted to, in proxy samples."""
_INLIER = 1.0
"""Largest distance of a vector that agrees with a model, in proxy samples."""
_NOISE = 0.4
"""Standard deviation of a good flow vector, in proxy samples."""
_LEAST_VECTORS = 12
_LEAST_INLIERS = 0.25
_LARGEST_MEDIAN = 1.5
"""Below and above these a model does not explain the frame: dense mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Motion from one frame to another, in samples of the proxy."""

    model: Matrix
    """3x3, proxy position to proxy position."""
    kind: str
    """``translation``, ``similarity``, ``affine``, ``homography``, or ``dense`` where no model fits."""
    inliers: float
    """Part of the vectors that agree with the model, 0 to 1."""
    residual: float
    """Median distance of the vectors from the model, in proxy samples."""
    flow: Array
    """``(height, width, 2)``: x and y distance."""
    trusted: Mask
    """Where the flow passed the forward-backward gate."""


def consistent(forward: Array, backward: Array) -> Mask:
    """The forward-backward gate of ProPainter (Zhou 2023): |f+b|² < 0.01 (|f|²+|b|²) + 0.5, in proxy samples."""
    gap = ((forward + backward) ** 2).sum(axis=-1)
    size = (forward**2).sum(axis=-1) + (backward**2).sum(axis=-1)
    passed: Mask = gap < 0.01 * size + 0.5
    return passed


def register(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], *, known_first: Mask, known_second: Mask
) -> tuple[Motion, Motion]:
    """Motion from the first to the second picture, and back. Pictures ``(height, width)`` uint8 of one size."""
    forward, backward = _flow(first, second), _flow(second, first)
    return (
        _motion(forward, backward, known_first, known_second),
        _motion(backward, forward, known_second, known_first),
    )


def _flow(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> Array:
    height, width = first.shape
    if min(height, width) < 16:
        return np.zeros((height, width, 2), np.float32)  # too small for the finest patches of DIS
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(engine.calc(first, second, np.zeros((height, width, 2), np.float32)), np.float32)


def _motion(flow: Array, back: Array, known: Mask, known_there: Mask) -> Motion:
    height, width = known.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    returned = np.asarray(cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
    there = cv2.remap(known_there.astype(np.float32), x, y, cv2.INTER_LINEAR, borderValue=0)
    trusted = consistent(flow, returned) & known & (there > 0.99)
    grid = (slice(_GRID // 2, None, _GRID), slice(_GRID // 2, None, _GRID))
    chosen = trusted[grid]
    start = np.stack([columns[grid][chosen], rows[grid][chosen]], axis=-1)
    end = start + flow[grid][chosen]
    seen = max(1, int(np.count_nonzero(known[grid])))
    if len(start) < _LEAST_VECTORS:
        return Motion(model=np.eye(3), kind="dense", inliers=0.0, residual=np.inf, flow=flow, trusted=trusted)
    kind, model, distance = _best_model(start, end)
    inliers = float(np.count_nonzero(distance < _INLIER)) / seen
    residual = float(np.median(distance))
    if inliers < _LEAST_INLIERS or residual > _LARGEST_MEDIAN:
        kind = "dense"
    return Motion(model=model, kind=kind, inliers=inliers, residual=residual, flow=flow, trusted=trusted)


def _best_model(start: Array, end: Array) -> tuple[str, Matrix, Array]:
    shift = np.eye(3)
    shift[:2, 2] = np.median(end - start, axis=0)
    similarity, _ = cv2.estimateAffinePartial2D(
        start, end, method=cv2.RANSAC, ransacReprojThreshold=_INLIER, maxIters=1000, confidence=0.999
    )
    affine, _ = cv2.estimateAffine2D(start, end, method=cv2.USAC_MAGSAC, ransacReprojThreshold=_INLIER)
    homography, _ = cv2.findHomography(start, end, cv2.USAC_MAGSAC, _INLIER, maxIters=2000, confidence=0.999)
    candidates: list[tuple[str, Matrix, int]] = [("translation", shift, 2)]
    if similarity is not None:
        candidates.append(("similarity", _square(similarity), 4))
    if affine is not None:
        candidates.append(("affine", _square(affine), 6))
    if homography is not None and np.isfinite(homography).all():
        candidates.append(("homography", np.asarray(homography, np.float64), 8))
    scored = []
    for kind, model, parameters in candidates:
        distance = np.linalg.norm(project(model, start) - end, axis=-1).astype(np.float32)
        scored.append((_gric(distance, parameters), kind, model, distance))
    _, kind, model, distance = min(scored, key=lambda entry: entry[0])
    return kind, model, distance


def _gric(distance: Array, parameters: int) -> float:
    """Geometric robust information criterion (Torr 1998): data in 4 dimensions, a manifold of 2."""
    data, manifold = 4, 2
    count = len(distance)
    errors = np.minimum((distance.astype(np.float64) / _NOISE) ** 2, 2 * (data - manifold))
    return float(errors.sum() + count * manifold * np.log(data) + parameters * np.log(data * count))


def _square(affine: npt.ArrayLike) -> Matrix:
    return np.vstack([np.asarray(affine, np.float64), [0.0, 0.0, 1.0]])


def project(model: Matrix, points: npt.NDArray[np.floating]) -> Matrix:
    """Points ``(…, 2)`` mapped by a 3x3 `model`."""
    mapped = points.astype(np.float64) @ model[:, :2].T + model[:, 2]
    # A homography's horizon may lie within a wide extension; beyond it nothing is mapped sensibly anyway.
    depth = np.maximum(mapped[..., 2:], 0.05)
    result: Matrix = mapped[..., :2] / depth
    return result
