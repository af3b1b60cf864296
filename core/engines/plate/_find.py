"""Finds the source of every pixel that a frame does not show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from overscan.core.engines.plate._field import Field, FieldMaker
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._motion import MotionStore
from overscan.core.engines.plate._trace import NOWHERE, Found, Target, Visible, trace
from overscan.core.engines.plate._trials import Reliability
from overscan.core.geometry import Window
from overscan.core.shots import Shot

_EDGE = 2
"""Samples along the edge of a frame that are not copied: lenses, codecs and filters spoil them."""
_MATTE_GROWTH = 4 / 1920
"""Width of the rim round a matte that is not copied from, as a part of the plate's width: motion blur and shadows."""
_SEAM_WINDOW = 31 / 1920
"""Size of the neighbourhood that agrees on a direction of time, as a part of the plate's width."""
_TRUST = 0.55
"""Copying must be expected to beat a smooth fill (see `Reliability.at`) by 0.9 dB: a trial's rim is often shallower
than the region to generate, so that it flatters copying a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the pixels of a target come from."""

    found: Found
    trust: Array
    """How far copying is trusted there, 0 to 1."""


class Finder:
    """Finds sources in one shot."""

    def __init__(
        self, *, shot: Shot, store: MotionStore, maker: FieldMaker, reliability: Reliability | None, reach: int
    ) -> None:
        """Without a `reliability` every find is used."""
        self._shot = shot
        self._store = store
        self._maker = maker
        self._reliability = reliability
        self._reach = reach
        self._visible_cache: dict[Window, Visible] = {}

    def find(self, targets: list[Target], *, tick: Callable[[], None]) -> list[Sources]:
        """Sources for all targets, followed together."""
        later, earlier = (
            trace(
                targets,
                direction=direction,
                reach=self._reach,
                frames=len(self._shot.frames),
                field_at=self._fields,
                visible_at=self._visible,
                tick=tick,
            )
            for direction in (1, -1)
        )
        return [
            self._trusted(target, self._choose(target, after, before))
            for target, after, before in zip(targets, later, earlier, strict=True)
        ]

    def _trusted(self, target: Target, found: Found) -> Sources:
        if self._reliability is None:
            return Sources(found=found, trust=np.ones(len(target.x), np.float32))
        trust = self._reliability.sample(target.frame, target.x, target.y)
        found.frame[trust <= _TRUST] = NOWHERE
        return Sources(found=found, trust=trust)

    def _fields(self, frame: int, direction: int) -> tuple[Field, Field]:
        pair = self._store.pair(frame if direction > 0 else frame - 1)
        onward, back = (pair.forward, pair.backward) if direction > 0 else (pair.backward, pair.forward)
        return self._maker.complete(onward), self._maker.complete(back)

    def _visible(self, index: int) -> Visible:
        """What may be copied from a frame."""
        frame = self._shot.frames[index]
        window = self._shot.data_window(frame)
        matte = self._shot.read_matte(frame)
        if matte is None and window in self._visible_cache:
            return self._visible_cache[window]
        flags = np.zeros(window.shape, np.uint8)
        flags[_EDGE : window.height - _EDGE, _EDGE : window.width - _EDGE] = 1
        if matte is not None:
            rim = max(1, round(_MATTE_GROWTH * window.width))
            flags[cv2.dilate((matte > 0).astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0] = 0
        lattice = Lattice(x0=window.x, y0=window.y, dx=1, dy=1, width=window.width, height=window.height)
        visible = Visible(lattice=lattice, flags=flags)
        if matte is None:
            self._visible_cache = {window: visible}
        return visible

    def _choose(self, target: Target, later: Found, earlier: Found) -> Found:
        """One source a pixel: the nearer in time, agreed on by the neighbourhood so that seams are few."""
        window = self._shot.coverage(self._shot.frames[target.frame])
        rows, columns = (target.y - window.y).astype(np.intp), (target.x - window.x).astype(np.intp)
        cost = np.zeros(window.shape, np.float32)
        both = (later.frame != NOWHERE) & (earlier.frame != NOWHERE)
        difference = (later.frame - target.frame) - (target.frame - earlier.frame)
        cost[rows[both], columns[both]] = difference[both]
        size = max(3, round(_SEAM_WINDOW * window.width)) | 1
        agreed = cv2.blur(cost, (size, size))[rows, columns]
        use_later = np.where(both, agreed <= 0, later.frame != NOWHERE)
        return Found(
            frame=np.where(use_later, later.frame, earlier.frame),
            x=np.where(use_later, later.x, earlier.x),
            y=np.where(use_later, later.y, earlier.y),
        )
