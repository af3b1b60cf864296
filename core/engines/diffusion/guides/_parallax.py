"""A picture seen from elsewhere, where the distance of each of its samples is known (depth image based rendering)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from overscan.core.engines.diffusion.guides._path import Matrix, View, projected

_NEAREST = 1e-3
"""Part of its distance that a thing may come up to; nearer it is in the lens."""
_LARGEST = 8
"""Samples of the target on a side, at most, that one of the source is drawn with."""
_AGREE = 0.05
"""Part by which two distances may differ and still be one surface's."""


def addresses(
    distances: npt.NDArray[np.float64],
    *,
    before: View,
    after: View,
    of_sources: Matrix,
    of_targets: Matrix,
    size: tuple[int, int],
) -> npt.NDArray[np.float32]:
    """Where each sample of a picture of `size` (width, height) seen by `after` is in one seen by `before`.

    `distances` ``(h, w)`` are those of the source's samples along the line of sight, infinite for sky. `of_sources` and
    `of_targets` are 3x3, from samples to the plate's pixel space. The answer is ``(height, width, 2)``, x and y in
    samples of the source; NaN where nothing is seen that `before` saw.
    """
    inverse = _splatted(distances, before, after, of_sources, of_targets, size)
    width, height = size
    across, down = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    with np.errstate(divide="ignore"):
        far = np.where(inverse > 0, 1 / inverse, np.inf).ravel()
    targets = _mapped(of_targets, across.ravel(), down.ravel())
    found = projected(targets, after, before, distances=far)
    places = _mapped(_inverse(of_sources), found[:, 0], found[:, 1]).reshape(height, width, 2)
    known = np.isfinite(inverse) & _is_seen(places, distances, inverse, before, after, targets, far)
    return np.where(known[..., np.newaxis], places, np.nan).astype(np.float32)


def _splatted(
    distances: npt.NDArray[np.float64],
    before: View,
    after: View,
    of_sources: Matrix,
    of_targets: Matrix,
    size: tuple[int, int],
) -> npt.NDArray[np.float64]:
    """1/distance ``(height, width)`` of what each sample shows that is nearest to it; NaN where nothing fell."""
    height, width = distances.shape
    across, down = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    points, far = _mapped(of_sources, across.ravel(), down.ravel()), distances.ravel()
    places = _mapped(_inverse(of_targets), *projected(points, before, after, distances=far).T)
    shrunk = _depth_after(points, far, before, after)
    front = shrunk > _NEAREST
    places, shrunk, inverse = places[front], shrunk[front], 1 / far[front] / shrunk[front]
    # What comes nearer is drawn larger, or what is behind it would show through.
    grown = of_sources[0, 0] / of_targets[0, 0] * before.rays[0, 0] / after.rays[0, 0] / shrunk
    first = np.floor(places - (grown[:, np.newaxis] - 1) / 2)
    inside = ((first > -_LARGEST) & (first < size)).all(axis=1)
    sides = np.minimum(np.ceil(grown) + 1, _LARGEST)
    found = np.full((size[1], size[0]), -1.0)
    _draw(found, first[inside].astype(np.int64), sides[inside].astype(np.int64), inverse[inside])
    return np.where(found < 0, np.nan, found)


@njit(cache=True, nogil=True)
def _draw(
    found: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    sides: npt.NDArray[np.int64],
    inverse: npt.NDArray[np.float64],
) -> None:
    """Squares of `sides` samples from their upper left corners on, the largest value on top."""
    height, width = found.shape
    for at in range(len(sides)):
        for row in range(max(0, first[at, 1]), min(height, first[at, 1] + sides[at])):
            for column in range(max(0, first[at, 0]), min(width, first[at, 0] + sides[at])):
                if inverse[at] > found[row, column]:
                    found[row, column] = inverse[at]


def _depth_after(
    points: Matrix, distances: npt.NDArray[np.float64], before: View, after: View
) -> npt.NDArray[np.float64]:
    """Distance along the line of sight of `after` over that of `before`; below 0 behind it."""
    directions = np.c_[points, np.ones(len(points))] @ before.rays.T
    near = 1 / distances  # 0 for sky, which no travel moves
    seen = directions @ before.turn.T + near[:, np.newaxis] * (before.place - after.place)
    return np.asarray(-(seen @ after.turn)[:, 2])


def _is_seen(
    places: npt.NDArray[np.float64],
    distances: npt.NDArray[np.float64],
    inverse: npt.NDArray[np.float64],
    before: View,
    after: View,
    targets: Matrix,
    far: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Whether the source has, at each place, the surface that was meant, and not one that hides it."""
    height, width = distances.shape
    with np.errstate(invalid="ignore"):
        inside = np.isfinite(places).all(axis=-1) & (places >= 0).all(axis=-1)
        inside &= (places[..., 0] <= width - 1) & (places[..., 1] <= height - 1)
    at = np.rint(np.where(inside[..., np.newaxis], places, 0)).astype(int)
    with np.errstate(divide="ignore", invalid="ignore"):
        there = 1 / distances[at[..., 1], at[..., 0]]
        expected = (1 / far / _depth_after(targets, far, after, before)).reshape(inverse.shape)
    return np.asarray(inside & (np.abs(there - expected) <= _AGREE * np.maximum(there, expected) + 1e-12))


def _mapped(matrix: Matrix, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Matrix:
    """Points ``(n, 2)`` under an affine 3x3."""
    mapped: Matrix = np.c_[x, y] @ matrix[:2, :2].T + matrix[:2, 2]
    return mapped


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(matrix), np.float64)
