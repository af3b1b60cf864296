"""How one frame moves to another: dense flow, and the plane that explains most of it.

Flow: DIS (Kroeger 2016). Model: the poorest kind that explains it (`_models`), since a model with fewer parameters
extrapolates far more safely beyond the frame; then registered on the samples themselves (`_align`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate.motion._align import align
from overscan.core.engines.plate.motion._models import (
    DENSE,
    INLIER,
    KINDS,
    Array,
    Fit,
    Matrix,
    best_fit,
    distances,
    fit_models,
    inverse,
    project,
)
from overscan.core.engines.plate.motion._planes import Planes, find_planes
from overscan.core.engines.plate.motion._proxy import Proxy

Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]

_GRID = 8
"""Distance of the flow vectors that models are fitted to, in proxy samples."""
_SOME = (slice(_GRID // 2, None, _GRID), slice(_GRID // 2, None, _GRID))
_LEAST_VECTORS = 12
_LEAST_INLIERS = 0.25
_LARGEST_MEDIAN = 1.5
"""Below and above these a model does not explain the frame: dense mode."""
_RIM = 8
"""Size of a patch of the flow: so near to where a warped picture ends, flow also measures that end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Motion from one frame to another, in samples of the proxy."""

    model: Matrix
    """3x3, proxy position to proxy position: the first plane's."""
    kind: str
    """One of `KINDS`, or `DENSE` where no model fits."""
    inliers: float
    """Part of the vectors that agree with the model, 0 to 1."""
    residual: float
    """Median distance of the vectors from the model, in proxy samples."""
    flow: Array
    """``(height, width, 2)``: x and y distance."""
    trusted: Mask
    """Where the flow passed the forward-backward gate."""
    planes: Planes
    """Further planes."""
    scores: Matrix
    """``(5,)``: how badly each of `KINDS` explains the pair; 0 for all in `DENSE` mode."""
    models: Matrix
    """``(5, 3, 3)``: the best model of each of `KINDS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Motion between two frames that are not neighbours, as far as one plane has it."""

    model: Matrix
    kind: str
    inliers: float
    residual: float
    scores: Matrix
    models: Matrix
    """As `Motion` has them."""

    @property
    def holds(self) -> bool:
        """Whether it may be believed."""
        return self.kind != DENSE


def consistent(forward: Array, backward: Array) -> Mask:
    """The forward-backward gate of ProPainter (Zhou 2023): |f+b|² < 0.01 (|f|²+|b|²) + 0.5, in proxy samples."""
    gap = ((forward + backward) ** 2).sum(axis=-1)
    size = (forward**2).sum(axis=-1) + (backward**2).sum(axis=-1)
    passed: Mask = gap < 0.01 * size + 0.5
    return passed


def register(first: Proxy, second: Proxy) -> tuple[Motion, Motion]:
    """Motion from the first to the second frame, and back: the one's model is the other's inverse."""
    forward, backward = _flow(first.grey, second.grey), _flow(second.grey, first.grey)
    there = _gated(forward, backward, first.known, second.known)
    back = _gated(backward, forward, second.known, first.known)
    ahead = _vectors(forward, there & first.background, second.background)
    behind = _vectors(backward, back & second.background, first.background)
    start, end = np.concatenate([ahead[0], behind[1]]), np.concatenate([ahead[1], behind[0]])
    if min(len(ahead[0]), len(behind[0])) < _LEAST_VECTORS:
        return _dense(forward, there), _dense(backward, back)
    fits = fit_models(start, end, shape=first.grey.shape)
    best = best_fit(fits)
    agree = there & first.background & (_away(best.model, forward) < INLIER)
    model = align(first.grey, second.grey, model=best.model, kind=best.kind, use=agree, there=second.known)
    planes = find_planes(start, end, model=model, shape=first.grey.shape)
    return (
        _motion(model, best.kind, planes, forward, there, first, second, fits),
        _motion(inverse(model), best.kind, [inverse(plane) for plane in planes], backward, back, second, first, fits),
    )


def register_link(first: Proxy, second: Proxy, *, guess: Matrix, use_first: Mask, use_second: Mask) -> Link:
    """Motion between two frames of which `guess` is the motion within a few dozen proxy samples.

    Only what is true in `use_first` and `use_second` ``(height, width)`` is looked at.
    """
    shape = first.grey.shape
    height, width = shape
    how = cv2.WARP_INVERSE_MAP
    size, bilinear = (width, height), cv2.INTER_LINEAR | how
    warped = np.asarray(
        cv2.warpPerspective(second.grey, guess, size, flags=bilinear, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
    have = cv2.warpPerspective(use_second.astype(np.uint8), guess, size, flags=cv2.INTER_NEAREST | how)
    have = cv2.erode(have, np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8), borderValue=1)
    common = use_first & (have > 0)
    forward, backward = _flow(first.grey, warped), _flow(warped, first.grey)
    passed = _gated(forward, backward, common, common)
    start, moved = _vectors(forward, passed, common)
    nothing = Link(
        model=guess,
        kind=DENSE,
        inliers=0.0,
        residual=np.inf,
        scores=np.zeros(len(KINDS)),
        models=np.stack([guess] * len(KINDS)),
    )
    if len(start) < _LEAST_VECTORS:
        return nothing
    end = project(guess, moved).astype(np.float32)
    fits = fit_models(start, end, shape=shape)
    best = best_fit(fits)
    seen = _nodes(common)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    nodes = np.stack([columns, rows], axis=-1).astype(np.float32)
    agree = passed & (distances(best.model, nodes, project(guess, nodes + forward)) < INLIER)
    model = align(first.grey, second.grey, model=best.model, kind=best.kind, use=agree, there=use_second)
    away = distances(model, start, end)
    inliers, residual = _facts(away, seen)
    kind = best.kind if _explains(inliers, residual) else DENSE
    return Link(model=model, kind=kind, inliers=inliers, residual=residual, scores=_scores(fits), models=_models(fits))


def _flow(first: Picture, second: Picture) -> Array:
    height, width = first.shape
    if min(height, width) < 16:
        return np.zeros((height, width, 2), np.float32)  # too small for the finest patches of DIS
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(engine.calc(first, second, np.zeros((height, width, 2), np.float32)), np.float32)


def _gated(flow: Array, back: Array, known: Mask, known_there: Mask) -> Mask:
    height, width = known.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    returned = np.asarray(cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
    there = cv2.remap(known_there.astype(np.float32), x, y, cv2.INTER_LINEAR, borderValue=0)
    trusted: Mask = consistent(flow, returned) & known & (there > 0.99)
    return trusted


def _vectors(flow: Array, use: Mask, use_there: Mask) -> tuple[Array, Array]:
    """Where the vectors of the grid begin and end, of those in `use` and `use_there`: ``(n, 2)`` each."""
    height, width = use.shape
    rows, columns = np.nonzero(use[_SOME])
    start = np.stack([columns, rows], axis=-1).astype(np.float32) * _GRID + _GRID // 2
    end = start + flow[_SOME][rows, columns]
    column = np.clip(np.rint(end[:, 0]), 0, width - 1).astype(np.intp)
    row = np.clip(np.rint(end[:, 1]), 0, height - 1).astype(np.intp)
    both = use_there[row, column]
    return start[both], end[both]


def _nodes(mask: Mask) -> int:
    """How many places of the grid are in a mask."""
    return int(np.count_nonzero(mask[_SOME]))


def _away(model: Matrix, flow: Array) -> Array:
    """Distance of every vector from `model`."""
    height, width = flow.shape[:2]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    nodes = np.stack([columns, rows], axis=-1)
    return distances(model, nodes, nodes + flow)


def _motion(
    model: Matrix,
    kind: str,
    planes: list[Matrix],
    flow: Array,
    trusted: Mask,
    here: Proxy,
    there: Proxy,
    fits: list[Fit],
) -> Motion:
    start, end = _vectors(flow, trusted & here.background, there.background)
    inliers, residual = _facts(distances(model, start, end), _nodes(here.background))
    if not _explains(inliers, residual):
        return _dense(flow, trusted, model=model, inliers=inliers, residual=residual)
    return Motion(
        model=model,
        kind=kind,
        inliers=inliers,
        residual=residual,
        flow=flow,
        trusted=trusted,
        planes=Planes.over(flow, trusted, models=[model, *planes]),
        scores=_scores(fits),
        models=_models(fits),
    )


def _dense(
    flow: Array, trusted: Mask, *, model: Matrix | None = None, inliers: float = 0.0, residual: float = np.inf
) -> Motion:
    return Motion(
        model=np.eye(3) if model is None else model,
        kind=DENSE,
        inliers=inliers,
        residual=residual,
        flow=flow,
        trusted=trusted,
        planes=Planes.none(),
        scores=np.zeros(len(KINDS)),
        models=np.stack([np.eye(3)] * len(KINDS)),
    )


def _facts(away: Array, seen: int) -> tuple[float, float]:
    """The part of the `seen` vectors that agrees, and the median distance."""
    return float(np.count_nonzero(away < INLIER)) / max(1, seen), float(np.median(away)) if len(away) else np.inf


def _explains(inliers: float, residual: float) -> bool:
    return inliers >= _LEAST_INLIERS and residual <= _LARGEST_MEDIAN


def _scores(fits: list[Fit]) -> Matrix:
    return np.array([fit.score for fit in fits])


def _models(fits: list[Fit]) -> Matrix:
    return np.stack([fit.model for fit in fits])
