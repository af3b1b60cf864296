"""Small pictures of frames in log-shaped colour on one lattice over the canvas, for judging what is painted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np

from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate.motion._log import read_log
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import THUMBNAIL, Mask
from overscan.core.geometry import Window
from overscan.core.shots import Shot

STOPS = 17.52
"""Stops that 1 of a log-shaped picture is worth (ACEScct, S-2016-001)."""
_KEPT_BYTES = 200 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallPicture:
    """One frame on the canvas."""

    pixels: Array
    """``(height, width, channels)`` float32, as `read_log` gives it; 0 where not known."""
    known: Mask
    """Where the plate has samples and no matte."""


class Pictures:
    """Small pictures of one shot by frame index; those looked at last are kept in memory."""

    def __init__(self, *, shot: Shot, store: MotionStore, canvas: Window, longest: int) -> None:
        """`longest` is how many samples the longer side of the plate has in the pictures."""
        self._shot = shot
        self._store = store
        self._inner = store.thumbnails if longest <= THUMBNAIL else Lattice.over(store.window, longest=longest)
        self.lattice, (self._left, self._top) = self._inner.covering(canvas)
        self._kept: OrderedDict[int, SmallPicture] = OrderedDict()
        self._lock = Lock()

    def picture(self, frame: int) -> SmallPicture:
        """The picture of a frame, by index in the shot."""
        with self._lock:
            if frame in self._kept:
                self._kept.move_to_end(frame)
                return self._kept[frame]
        made = self._make(frame)
        with self._lock:
            self._kept[frame] = made
            while len(self._kept) > max(2, _KEPT_BYTES // (made.pixels.nbytes + made.known.nbytes)):
                self._kept.popitem(last=False)
        return made

    def _make(self, frame: int) -> SmallPicture:
        if self._inner == self._store.thumbnails:
            thumbnail = self._store.thumbnail(frame)
            return self._placed(thumbnail.pixels, thumbnail.known)
        number = self._shot.frames[frame]
        have, window, inner = self._shot.data_window(number), self._store.window, self._inner
        log = read_log(self._shot, number)
        matte = self._shot.read_matte(number)
        known = np.ones(have.shape, np.float32) if matte is None else (matte <= 0).astype(np.float32)
        if have != window:
            full, seen = np.zeros((*window.shape, log.shape[-1]), np.float32), np.zeros(window.shape, np.float32)
            full[have.slices_in(window)], seen[have.slices_in(window)] = log, known
            log, known = full, seen
        size = (inner.width, inner.height)
        small = np.asarray(cv2.resize(log, size, interpolation=cv2.INTER_AREA), np.float32)
        part = np.asarray(cv2.resize(known, size, interpolation=cv2.INTER_AREA))
        return self._placed(small.reshape(*inner.shape, log.shape[-1]), part > 0.999)

    def _placed(self, pixels: Array, known: Mask) -> SmallPicture:
        rows = slice(self._top, self._top + self._inner.height)
        columns = slice(self._left, self._left + self._inner.width)
        canvas = np.zeros((*self.lattice.shape, pixels.shape[-1]), np.float32)
        seen = np.zeros(self.lattice.shape, np.bool_)
        canvas[rows, columns], seen[rows, columns] = np.where(known[..., np.newaxis], pixels, np.float32(0)), known
        return SmallPicture(pixels=canvas, known=seen)
