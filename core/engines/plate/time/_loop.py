"""What moves by itself goes on as it did after an earlier moment that looks alike: video textures (Schödl 2000).

Frames are compared in the place of the last one, to which the camera path takes them, and only where anything moves by
itself: a tree that sways or a crowd on the spot comes back to where it was, somebody who walks through does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

import cv2
import numpy as np

from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._models import Matrix, project
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import Mask

_SHORTEST = 6
"""Frames that a loop is long at least: shorter ones tremble."""
_WINDOW = (1.0, 0.7, 0.4)
"""How much the frames before two moments count for whether these are alike: things must also move alike."""
_ALIKE = 1.0
"""How much of the change from frame to frame two moments may differ by. A jump of no more than that is not seen."""
_LEAST_AREA = 0.002
"""Part of the picture that must move by itself for anything to be looped, or to be missed."""
_MARGIN = 5
"""Size of the neighbourhood by which what moves is grown, in samples of the thumbnails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What is shown again and again where things move by themselves."""

    frames: tuple[int, ...]
    """Indices in the shot of what follows the last frame, again and again; the last frame itself comes last."""
    lattice: Lattice
    where: Mask
    """On `lattice`, in the last frame's place: all that moves by itself in any of these frames."""
    moved: tuple[Matrix, ...]
    """By `frames`: the plate's pixel space in the last frame to that in the other, 3x3."""

    def at(self, distance: int) -> tuple[int, Matrix]:
        """Index of the frame that is shown so many frames after the last one, and where it is, as in `moved`."""
        place = (distance - 1) % len(self.frames)
        return self.frames[place], self.moved[place]


def find_loop(*, store: MotionStore, path: CameraPath, direction: int) -> Loop | None:
    """The best loop before the shot's end (its beginning, where `direction` is -1); None where nothing is alike."""
    ends = range(len(store.frames))[::-direction]
    anchor = ends[0]
    order = list(takewhile(lambda frame: path.between(first=anchor, second=frame) is not None, ends))
    if len(order) <= _SHORTEST + len(_WINDOW) - 1 or not moves_much(store, direction=direction):
        return None
    seen = [_Seen.of(store, path, anchor, frame) for frame in order]
    best: tuple[float, int] | None = None
    where = np.logical_or.reduce([picture.moving for picture in seen[:_SHORTEST]])
    for back in range(_SHORTEST, len(seen)):
        where = where | seen[back].moving
        off = _difference(seen, back, where)
        if off is not None and off <= _ALIKE and (best is None or off < best[0]):
            best = off, back
    if best is None:
        return None
    back = best[1]
    frames = tuple(order[back - 1 :: -1])
    moving = np.logical_or.reduce([picture.moving for picture in seen[: back + 1]])
    models = [path.in_plate(first=anchor, second=frame) for frame in frames]
    return Loop(
        frames=frames,
        lattice=store.thumbnails,
        where=moving,
        moved=tuple(np.eye(3) if model is None else model for model in models),
    )


def moves_much(store: MotionStore, *, direction: int) -> bool:
    """Whether so much moves by itself at the shot's end (its beginning) that one sees what becomes of it."""
    return bool(store.movers(len(store.frames) - 1 if direction > 0 else 0).mean() > _LEAST_AREA)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A frame in the place of the last one."""

    pixels: Array
    known: Mask
    moving: Mask

    @classmethod
    def of(cls, store: MotionStore, path: CameraPath, anchor: int, frame: int) -> _Seen:
        lattice, thumbnail = store.thumbnails, store.thumbnail(frame)
        model = path.in_plate(first=anchor, second=frame)
        assert model is not None
        nodes = project(model, np.stack(lattice.nodes(), axis=-1).astype(np.float64))
        across, down = _columns_rows(nodes, lattice)
        known = cv2.remap(thumbnail.known.astype(np.float32), across, down, cv2.INTER_LINEAR)
        pixels = cv2.remap(thumbnail.pixels, across, down, cv2.INTER_LINEAR).reshape(thumbnail.pixels.shape)
        moving = cv2.remap(store.movers(frame).astype(np.uint8), *_columns_rows(nodes, store.coarse), cv2.INTER_NEAREST)
        grown = cv2.dilate(np.asarray(moving, np.uint8), np.ones((_MARGIN, _MARGIN), np.uint8))
        return cls(pixels=np.asarray(pixels, np.float32), known=np.asarray(known) > 0.99, moving=grown > 0)


def _columns_rows(places: Matrix, lattice: Lattice) -> tuple[Array, Array]:
    return (
        ((places[..., 0] - lattice.x0) / lattice.dx).astype(np.float32),
        ((places[..., 1] - lattice.y0) / lattice.dy).astype(np.float32),
    )


def _difference(seen: list[_Seen], back: int, where: Mask) -> float | None:
    """How little alike the moment `back` frames before the last is, in units of the change from frame to frame."""
    if where.mean() < _LEAST_AREA:
        return None
    apart = change = 0.0
    for age, weight in enumerate(_WINDOW):
        if back + age >= len(seen):
            return None
        one, other, next_one = seen[age], seen[back + age], seen[age + 1]
        both = where & one.known & other.known & next_one.known
        if both.sum() < 0.5 * where.sum():
            return None
        apart += weight * float(np.abs(one.pixels - other.pixels)[both].mean())
        change += weight * float(np.abs(one.pixels - next_one.pixels)[both].mean())
    return apart / change if change > 0 else None
