"""Completed motion: a displacement for every position of the canvas, seen or not (S4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numba import njit, prange

from overscan.core.engines.plate._lattice import Array, Lattice, sample_points
from overscan.core.engines.plate._pyramid import membrane
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._models import DENSE, Matrix
from overscan.core.engines.plate.motion._motion import KeptMotion, MotionStore
from overscan.core.engines.plate.motion._planes import NO_PLANE
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.geometry import Window

_DECAY = 0.125
"""Distance over which what the flow adds to the model fades beyond what was seen, as a part of the plate's width."""
_BACKGROUND = 3.0
"""Flow that differs from the model by more, in proxy samples, moves by itself and must not steer the background."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Displacements in plate samples on a lattice over the canvas."""

    lattice: Lattice
    vectors: Array
    """``(height, width, 2)`` float32."""

    def carried(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where positions ``(count,)`` of the plate's pixel space are moved to; bilinear, held at the edges."""
        column = ((x - self.lattice.x0) / self.lattice.dx).astype(np.float32)
        row = ((y - self.lattice.y0) / self.lattice.dy).astype(np.float32)
        along, down = (np.ascontiguousarray(self.vectors[..., axis]) for axis in (0, 1))
        return x + sample_points(along, column, row), y + sample_points(down, column, row)


class FieldMaker:
    """Completes kept motion over one canvas."""

    def __init__(self, *, store: MotionStore, canvas: Window, path: CameraPath | None = None) -> None:
        """With a `path` its motions take the place of the pairs' own models."""
        self._fine = store.fine
        self._canvas, (self._left, self._top) = store.coarse.covering(canvas)
        self._inner = store.coarse
        self._store = store
        self._path = path
        # Where the first node lies in proxy samples, which the models speak of, and how far apart nodes are there.
        self._origin = (
            (self._canvas.x0 - self._fine.x0) / self._fine.dx,
            (self._canvas.y0 - self._fine.y0) / self._fine.dy,
            self._canvas.dx / self._fine.dx,
            self._canvas.dy / self._fine.dy,
        )
        self._fade = 1.0 / (_DECAY * self._inner.width)
        self._where = (
            slice(self._top, self._top + self._inner.height),
            slice(self._left, self._left + self._inner.width),
        )

    @property
    def lattice(self) -> Lattice:
        """The lattice of all fields."""
        return self._canvas

    def complete(self, motion: KeptMotion, *, allowed: Mask | None = None) -> Field:
        """The field of `motion`; with `allowed` (on `lattice`), as if only that had been seen."""
        trusted = self._placed(motion.trusted)
        if allowed is not None:
            trusted &= allowed
        seen = np.zeros((*self._canvas.shape, 2), np.float32)
        seen[self._where] = motion.detail
        own = self._moves(motion.model)
        seen += own
        given = self._given(motion)
        if given is None and motion.kind == DENSE:
            vectors = membrane(seen, trusted) if trusted.any() else own
        else:
            base = self._base(motion, own if given is None else self._moves(given), trusted)
            vectors = self._completed(base, seen, trusted, self._background(motion, seen, base, trusted))
        return Field(lattice=self._canvas, vectors=vectors * np.array([self._fine.dx, self._fine.dy], np.float32))

    def _completed(self, base: Array, seen: Array, trusted: Mask, background: Mask) -> Array:
        """What was seen where it was, `base` with a fading rest elsewhere."""
        vectors = base
        if background.any():
            away = cv2.distanceTransform((~background).astype(np.uint8), cv2.DIST_L2, 5)
            fade = np.exp(-np.float32(self._fade) * away)
            vectors = base + membrane(seen - base, background) * fade[..., np.newaxis]
        # What was seen to move by itself keeps its own motion: only what was not seen follows the background.
        rest = trusted & ~background
        vectors[rest] = seen[rest]
        return vectors

    def _background(self, motion: KeptMotion, seen: Array, base: Array, trusted: Mask) -> Mask:
        background: Mask = trusted & (((seen - base) ** 2).sum(axis=-1) < _BACKGROUND**2)
        if motion.frames is not None:
            background &= ~self._placed(self._store.movers(motion.frames[0]))
        return background

    def _base(self, motion: KeptMotion, first: Array, trusted: Mask) -> Array:
        """The motion of the planes: beyond what was seen, that of the plane that was seen nearest."""
        models, labels = motion.planes.models, motion.planes.labels
        if not len(models):
            return first
        placed = np.full(self._canvas.shape, NO_PLANE, np.uint8)
        placed[self._where] = labels
        told = trusted & (placed != NO_PLANE)
        if not told.any():
            return first
        each = np.stack([(placed == label).astype(np.float32) for label in range(1, len(models) + 1)], axis=-1)
        shares = membrane(each, told)
        base = first.copy()
        for label, model in enumerate(models):
            base += shares[..., label : label + 1] * (self._moves(model) - first)
        return base

    def _given(self, motion: KeptMotion) -> Matrix | None:
        """The path's motion for the same two frames."""
        if self._path is None or motion.frames is None:
            return None
        return self._path.between(first=motion.frames[0], second=motion.frames[1])

    def _moves(self, model: Matrix) -> Array:
        """How far `model` moves each node, in proxy samples."""
        moves = np.empty((*self._canvas.shape, 2), np.float32)
        _fill_moves(moves, model, *self._origin)
        return moves

    def _placed(self, mask: Mask) -> Mask:
        placed = np.zeros(self._canvas.shape, np.bool_)
        placed[self._where] = mask
        return placed


@njit(cache=True, nogil=True, parallel=True)
def _fill_moves(moves: Any, model: Any, x0: float, y0: float, dx: float, dy: float) -> None:
    for row in prange(moves.shape[0]):
        y = y0 + row * dy
        for column in range(moves.shape[1]):
            x = x0 + column * dx
            # As `project`: nothing is mapped sensibly near the horizon and beyond.
            depth = max(model[2, 0] * x + model[2, 1] * y + model[2, 2], 0.05)
            moves[row, column, 0] = (model[0, 0] * x + model[0, 1] * y + model[0, 2]) / depth - x
            moves[row, column, 1] = (model[1, 0] * x + model[1, 1] * y + model[1, 2]) / depth - y
