"""Further planes of a picture: a wall behind the street, the ground before it (Granados 2012, by sequential MAGSAC)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate.motion._models import (
    INLIER,
    PARAMETERS,
    Array,
    Matrix,
    best_fit,
    distances,
    find_affine,
    fit_models,
)
from overscan.core.engines.plate.motion._proxy import COARSER

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint8]

NO_PLANE = 255
"""Label of a place that follows no plane, or was not seen."""

_MOST = 3
_LEAST_SHARE = 0.08
"""Part of all vectors that a further plane must explain."""
_LEAST_COMPACT = 0.6
"""Part of a plane's cells that lie among others of it: noise explains itself by any plane, here and there."""
_LEAST_VECTORS = 24
_LEAST_SIDE = 0.6
"""Part of one side of the picture that a plane must take up: what takes up less may as well move by itself."""
_CELL = 16
"""Size of the cells that planes are looked at in, in proxy samples."""
_FURTHER = 2.0
"""Vectors nearer to a plane than this, in proxy samples, are not another plane's."""
_AGREEING = 9
"""Size of the neighbourhood that agrees on a label, in samples of the coarser lattice."""
_RELUCTANCE = 0.15
"""By how many proxy samples a further plane must explain a place better than the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """The planes beyond the first, and where each plane was seen."""

    models: Matrix
    """``(n, 3, 3)``, proxy position to proxy position."""
    labels: Labels
    """On the coarser lattice: 0 the first plane, 1 … n the further ones, `NO_PLANE`. Empty where n is 0."""

    @classmethod
    def none(cls) -> Planes:
        """No plane but the first."""
        return cls(models=np.zeros((0, 3, 3)), labels=np.zeros((0, 0), np.uint8))

    @classmethod
    def over(cls, flow: Array, trusted: Mask, *, models: list[Matrix]) -> Planes:
        """Label each place of a picture by the plane of `models`, the first one first, that its surroundings follow."""
        if len(models) < 2:
            return cls.none()
        seen = trusted[::COARSER, ::COARSER]
        vectors = flow[::COARSER, ::COARSER]
        rows, columns = np.mgrid[0 : flow.shape[0] : COARSER, 0 : flow.shape[1] : COARSER]
        nodes = np.stack([columns, rows], axis=-1).astype(np.float32)
        size = (_AGREEING, _AGREEING)
        share = np.maximum(cv2.blur(seen.astype(np.float32), size), 1e-6)
        costs: list[Array] = []
        for model in models:
            away = np.where(seen, np.minimum(distances(model, nodes, nodes + vectors), 2 * _FURTHER), 0)
            cost = np.asarray(cv2.blur(away.astype(np.float32), size), np.float32) / share
            costs.append((cost + (_RELUCTANCE if costs else 0)).astype(np.float32))
        labels = np.argmin(costs, axis=0).astype(np.uint8)
        labels[~seen | (np.min(costs, axis=0) > 1.5 * INLIER)] = NO_PLANE
        return cls(models=np.stack(models[1:]), labels=labels)


def find_planes(start: Array, end: Array, *, model: Matrix, shape: tuple[int, int]) -> list[Matrix]:
    """Up to three planes besides `model` that explain a good part of the vectors from `start` to `end` ``(n, 2)``."""
    found: list[Matrix] = []
    least = max(_LEAST_VECTORS, _LEAST_SHARE * len(start))
    left = distances(model, start, end) > _FURTHER
    while len(found) < _MOST and np.count_nonzero(left) >= least:
        begin, finish = start[left], end[left]
        # Affine: a small part of a picture says nothing about perspective.
        plane = find_affine(begin, finish)
        if plane is None:
            break
        own = distances(plane, begin, finish) < INLIER
        if np.count_nonzero(own) < least:
            break
        fits = [fit for fit in fit_models(begin[own], finish[own], shape=shape) if PARAMETERS[fit.kind] <= 6]
        if _is_scenery(begin[own], shape):
            found.append(best_fit(fits).model)
        left[np.flatnonzero(left)[distances(plane, begin, finish) < _FURTHER]] = False
    return found


def _is_scenery(points: Array, shape: tuple[int, int]) -> bool:
    """Whether points ``(n, 2)`` lie together, and take up most of a side of the picture."""
    height, width = (max(1, -(-length // _CELL)) for length in shape)
    cells = np.zeros((height, width), np.uint8)
    column, row = (points / _CELL).astype(np.intp).T
    cells[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] = 1
    among = cv2.boxFilter(cells.astype(np.float32), -1, (3, 3), normalize=True, borderType=cv2.BORDER_REFLECT) > 0.55
    compact = np.count_nonzero(among & (cells > 0)) >= _LEAST_COMPACT * np.count_nonzero(cells)
    sides = (cells[:2].max(axis=0), cells[-2:].max(axis=0), cells[:, :2].max(axis=1), cells[:, -2:].max(axis=1))
    return bool(compact and max(side.mean() for side in sides) >= _LEAST_SIDE)
