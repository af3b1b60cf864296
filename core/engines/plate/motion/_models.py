"""Plane motions: the kinds a camera can make, how they are fitted to vectors, and which of them to believe.

The kinds are groups that hold one another: still, translation, similarity, affine, homography. Each is spanned by the
first so many of eight generators, so that all code that adjusts a motion works for every kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
Points = npt.NDArray[np.floating]

DENSE = "dense"
"""Kind of a motion that no model explains."""
KINDS = ("still", "translation", "similarity", "affine", "homography")
"""From the fewest parameters to the most."""
PARAMETERS = dict(zip(KINDS, (0, 2, 4, 6, 8), strict=True))

INLIER = 1.0
"""Largest distance of a vector that agrees with a model, in proxy samples."""
_NOISE = 0.4
"""Standard deviation of a good flow vector, in proxy samples."""
_LEAST_DEPTH = 0.05
"""A homography's horizon may lie within a wide extension; beyond it nothing is mapped sensibly anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The coordinates that generators are written in: centred, the longer half of the picture is 1."""

    x: float
    y: float
    scale: float

    @classmethod
    def of(cls, shape: tuple[int, int]) -> Frame:
        """For pictures of `shape` ``(height, width)``."""
        height, width = shape
        return cls(x=(width - 1) / 2, y=(height - 1) / 2, scale=max(width, height, 2) / 2)

    def element(self, amounts: Matrix) -> Matrix:
        """The 3x3 matrix ``I + sum of amounts times generators``, in picture coordinates.

        Up to 8 amounts: x, y, turn, zoom, aspect, shear, and two of perspective.
        """
        x, y, turn, zoom, aspect, shear, across, down = [*(float(value) for value in amounts), *[0.0] * 8][:8]
        inner = np.array(
            [[1 + zoom + aspect, shear - turn, x], [shear + turn, 1 + zoom - aspect, y], [across, down, 1.0]]
        )
        outer = np.array([[self.scale, 0, self.x], [0, self.scale, self.y], [0, 0, 1.0]])
        inverse = np.array([[1, 0, -self.x], [0, 1, -self.y], [0, 0, self.scale]]) / self.scale
        return _product(_product(outer, inner), inverse)

    def derivatives(self, points: Points, parameters: int) -> Matrix:
        """How far `element` moves points ``(n, 2)`` per unit of its first amounts: ``(n, 2, parameters)``."""
        u = (points[:, 0].astype(np.float64) - self.x) / self.scale
        v = (points[:, 1].astype(np.float64) - self.y) / self.scale
        one, zero = np.ones_like(u), np.zeros_like(u)
        columns = ((one, zero), (zero, one), (-v, u), (u, v), (u, -v), (v, u), (-u * u, -u * v), (-u * v, -v * v))
        result: Matrix = np.empty((len(u), 2, parameters))
        for at, (across, down) in enumerate(columns[:parameters]):
            result[:, 0, at], result[:, 1, at] = self.scale * across, self.scale * down
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The best model of one kind."""

    kind: str
    model: Matrix
    score: float
    """Geometric robust information criterion; less is better."""
    distance: Array
    """Of every vector from the model, in proxy samples."""


def project(model: Matrix, points: Points) -> Matrix:
    """Points ``(…, 2)`` mapped by a 3x3 `model`."""
    # Element by element: a matrix product may sum in another order on another number of threads.
    x, y = points[..., 0].astype(np.float64), points[..., 1].astype(np.float64)
    depth = np.maximum(model[2, 0] * x + model[2, 1] * y + model[2, 2], _LEAST_DEPTH)
    result: Matrix = np.empty((*x.shape, 2))
    result[..., 0] = (model[0, 0] * x + model[0, 1] * y + model[0, 2]) / depth
    result[..., 1] = (model[1, 0] * x + model[1, 1] * y + model[1, 2]) / depth
    return result


def fit_models(start: Array, end: Array, *, shape: tuple[int, int]) -> list[Fit]:
    """The best model of every kind that takes points `start` ``(n, 2)`` to `end`, by GRIC, fewest parameters first.

    Robust: RANSAC and MAGSAC (Barath 2019), then least squares with Tukey's weights. A homography whose perspective is
    too strong to be believed beyond a picture of `shape` is left out. A richer kind never scores worse than the poorer
    one it holds by more than its parameters cost, so that the scores of many pairs can be added up by kind.
    """
    shift = np.eye(3)
    shift[:2, 2] = _centre(end - start)
    similarity, _ = cv2.estimateAffinePartial2D(
        start, end, method=cv2.RANSAC, ransacReprojThreshold=INLIER, maxIters=1000, confidence=0.999
    )
    homography, _ = cv2.findHomography(start, end, cv2.USAC_MAGSAC, INLIER, maxIters=2000, confidence=0.999)
    models: dict[str, Matrix | None] = {
        "still": np.eye(3),
        "translation": shift,
        "similarity": None if similarity is None else _square(similarity),
        "affine": find_affine(start, end),
        "homography": None if homography is None else np.asarray(homography, np.float64),
    }
    fits: list[Fit] = []
    for kind, model in models.items():
        if model is None or not np.isfinite(model).all() or not is_believable(model, shape):
            model = fits[-1].model
        model = _polished(model, start, end, kind=kind, frame=Frame.of(shape))
        distance = distances(model, start, end)
        score = _gric(distance, PARAMETERS[kind])
        if fits:
            cost = (PARAMETERS[kind] - PARAMETERS[fits[-1].kind]) * np.log(_DATA * len(start))
            if fits[-1].score + cost < score:
                model, distance, score = fits[-1].model, fits[-1].distance, fits[-1].score + float(cost)
        fits.append(Fit(kind=kind, model=model, score=score, distance=distance))
    return fits


def find_affine(start: Array, end: Array) -> Matrix | None:
    """The affine motion that most points of `start` ``(n, 2)`` follow to `end`, by MAGSAC; None where none is found."""
    affine, _ = cv2.estimateAffine2D(start, end, method=cv2.USAC_MAGSAC, ransacReprojThreshold=INLIER)
    return None if affine is None else _square(affine)


def best_fit(fits: list[Fit]) -> Fit:
    """The one to believe."""
    return min(fits, key=lambda fit: fit.score)


def distances(model: Matrix, start: Points, end: Points) -> Array:
    """How far `model` takes each point of `start` from `end`."""
    gap = project(model, start) - end
    away: Array = np.hypot(gap[..., 0], gap[..., 1]).astype(np.float32)
    return away


def within_kind(model: Matrix, *, kind: str, shape: tuple[int, int]) -> Matrix:
    """The motion of `kind` that is nearest to `model` over a picture of `shape`."""
    if kind == "homography":
        return model
    frame, points = Frame.of(shape), grid(shape)
    if not PARAMETERS[kind]:
        return np.eye(3)
    moves = frame.derivatives(points, PARAMETERS[kind]).reshape(-1, PARAMETERS[kind])
    amounts = np.linalg.lstsq(moves, (project(model, points) - points).ravel(), rcond=None)[0]
    return frame.element(np.asarray(amounts, np.float64))


def grid(shape: tuple[int, int], *, columns: int = 8, rows: int = 6) -> Matrix:
    """Points ``(columns * rows, 2)`` spread evenly over a picture, its corners included."""
    height, width = shape
    x, y = np.meshgrid(np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows))
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def inverse(model: Matrix) -> Matrix:
    """The motion back, 1 in its last corner where it can be."""
    return normalised(np.asarray(np.linalg.inv(model), np.float64))


def normalised(model: Matrix) -> Matrix:
    """The same motion with its last value 1, where that does not turn it inside out."""
    return model / model[2, 2] if model[2, 2] > _LEAST_DEPTH * abs(model).max() * 1e-6 else model


def _polished(model: Matrix, start: Array, end: Array, *, kind: str, frame: Frame) -> Matrix:
    """The model of `kind` with the least error near `model`: sampling stops at one that is merely good."""
    parameters = PARAMETERS[kind]
    if not parameters:
        return model
    current = model
    moves = frame.derivatives(start, parameters)
    for _ in range(_POLISHINGS):
        reached, slope = transfer(current, start.astype(np.float64))
        gap = end - reached
        near = np.maximum(1 - (gap**2).sum(axis=-1) / _REACH**2, 0) ** 2
        rows = np.einsum("nij,njk->nik", slope, moves)
        normal = np.einsum("n,nik,nij->kj", near, rows, rows)
        right = np.einsum("n,nik,ni->k", near, rows, gap)
        try:
            change = frame.element(np.asarray(np.linalg.solve(normal, right), np.float64))
        except np.linalg.LinAlgError:
            return model
        current = current @ change
    return normalised(current) if np.isfinite(current).all() else model


def transfer(model: Matrix, points: Matrix) -> tuple[Matrix, Matrix]:
    """Points ``(n, 2)`` mapped by `model`, and how the result changes with them: ``(n, 2)`` and ``(n, 2, 2)``.

    Unlike `project` it maps what lies behind the horizon too.
    """
    x, y = points[:, 0], points[:, 1]
    depth = model[2, 0] * x + model[2, 1] * y + model[2, 2]
    depth = np.where(np.abs(depth) < 1e-12, 1e-12, depth)
    mapped: Matrix = np.empty((len(points), 2))
    slope: Matrix = np.empty((len(points), 2, 2))
    for row in range(2):
        mapped[:, row] = (model[row, 0] * x + model[row, 1] * y + model[row, 2]) / depth
        for column in range(2):
            slope[:, row, column] = (model[row, column] - mapped[:, row] * model[2, column]) / depth
    return mapped, slope


_POLISHINGS = 4
_REACH = 2.0
"""Vectors farther from a model than this, in proxy samples, have no say in it."""
_DATA, _MANIFOLD = 4, 2
"""Dimensions of a vector, and of the points that it may start at."""


def _gric(distance: Array, parameters: int) -> float:
    """Geometric robust information criterion (Torr 1998)."""
    count = len(distance)
    errors = np.minimum((distance.astype(np.float64) / _NOISE) ** 2, 2 * (_DATA - _MANIFOLD))
    return float(errors.sum() + count * _MANIFOLD * np.log(_DATA) + parameters * np.log(_DATA * count))


def _centre(moves: Array) -> Matrix:
    """Where most of the moves are: the mean of those near their median."""
    centre = np.median(moves, axis=0).astype(np.float64)
    near = (np.abs(moves - centre) < INLIER).all(axis=1)
    return np.asarray(moves[near].mean(axis=0, dtype=np.float64)) if near.any() else centre


def is_believable(model: Matrix, shape: tuple[int, int]) -> bool:
    """Whether a plate twice as wide and high would not be bent beyond recognition, nor anything turned over."""
    height, width = shape
    corners = np.array([[x, y] for x in (-0.5 * width, 1.5 * width) for y in (-0.5 * height, 1.5 * height)])
    depth = model[2, 0] * corners[:, 0] + model[2, 1] * corners[:, 1] + model[2, 2]
    middle = model[2, 0] * width / 2 + model[2, 1] * height / 2 + model[2, 2]
    turned = np.linalg.det(model[:2, :2]) <= 0
    return bool(not turned and middle > 0 and (depth > 0.4 * middle).all() and (depth < 2.5 * middle).all())


def _square(affine: npt.ArrayLike) -> Matrix:
    return np.vstack([np.asarray(affine, np.float64), [0.0, 0.0, 1.0]])


def _product(one: Matrix, other: Matrix) -> Matrix:
    return np.asarray(one @ other, np.float64)
