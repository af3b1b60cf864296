"""Completed motion: a displacement for every position of the canvas, seen or not (S4)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._motion import KeptMotion, MotionStore
from overscan.core.engines.plate._proxy import Mask
from overscan.core.engines.plate._pyramid import membrane
from overscan.core.engines.plate._registration import project
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


class FieldMaker:
    """Completes kept motion over one canvas."""

    def __init__(self, *, store: MotionStore, canvas: Window) -> None:
        self._fine = store.fine
        self._canvas, (self._left, self._top) = store.coarse.covering(canvas)
        self._inner = store.coarse
        x, y = self._canvas.nodes()
        # The same nodes in proxy samples, which the models speak of.
        self._nodes = np.stack([(x - self._fine.x0) / self._fine.dx, (y - self._fine.y0) / self._fine.dy], axis=-1)
        self._fade = 1.0 / (_DECAY * self._inner.width)

    @property
    def lattice(self) -> Lattice:
        """The lattice of all fields."""
        return self._canvas

    def complete(self, motion: KeptMotion, *, allowed: Mask | None = None) -> Field:
        """The field of `motion`; with `allowed` (on `lattice`), as if only that had been seen."""
        model = project(motion.model, self._nodes) - self._nodes
        rows = slice(self._top, self._top + self._inner.height)
        columns = slice(self._left, self._left + self._inner.width)
        trusted = np.zeros(self._canvas.shape, np.bool_)
        trusted[rows, columns] = motion.trusted
        if allowed is not None:
            trusted &= allowed
        detail = np.zeros((*self._canvas.shape, 2), np.float32)
        detail[rows, columns] = motion.detail
        if motion.kind == "dense":
            vectors = membrane(detail + model.astype(np.float32), trusted) if trusted.any() else model
        else:
            background = trusted & ((detail**2).sum(axis=-1) < _BACKGROUND**2)
            vectors = model
            if background.any():
                away = cv2.distanceTransform((~background).astype(np.uint8), cv2.DIST_L2, 5)
                vectors = model + membrane(detail, background) * np.exp(-away * self._fade)[..., np.newaxis]
            # What was seen to move by itself keeps its own motion: only what was not seen follows the background.
            own = trusted & ~background
            vectors[own] = model[own] + detail[own]
        scale = np.array([self._fine.dx, self._fine.dy])
        return Field(lattice=self._canvas, vectors=(vectors * scale).astype(np.float32))
