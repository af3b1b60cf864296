"""Finds the source of every pixel that a frame does not show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from overscan.core.engines.plate._choose import Chooser
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._trace import GATE, NOWHERE, Flags, Found, Target, Visible, trace
from overscan.core.engines.plate._trials import Reliability
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._field import Field, FieldMaker
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.engines.plate.motion._settle import settle
from overscan.core.geometry import Window
from overscan.core.shots import Shot

_EDGE = 2
"""Samples along the edge of a frame that are not copied: lenses, codecs and filters spoil them."""
_MATTE_GROWTH = 4 / 1920
"""Width of the rim round a matte that is not copied from, as a part of the plate's width: motion blur and shadows."""
_PAIRS_KEPT = 48
"""Pairs of frames whose completed motion is kept, of some 4 MB each."""
_MASKS_KEPT = 8
"""Of a byte a sample, for the few frames that light is averaged over."""
_TRUST = 0.52
"""Copying must be expected to beat a smooth fill (see `Reliability.at`) by 0.35 dB: a trial's rim is often shallower
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
        self,
        *,
        shot: Shot,
        store: MotionStore,
        maker: FieldMaker,
        chooser: Chooser,
        path: CameraPath | None,
        reliability: Reliability | None,
        reach: int,
    ) -> None:
        """Without a `reliability` every find is used; without a `path` addresses stay where the motion led."""
        self._shot = shot
        self._store = store
        self._maker = maker
        self._chooser = chooser
        self._path = path
        self._reliability = reliability
        self._reach = reach
        # What is followed one way through time is mostly followed back the other way.
        self._completed = lru_cache(maxsize=_PAIRS_KEPT)(self._complete)
        self._everything: dict[Window, Visible] = {}
        self._shown = lru_cache(maxsize=_MASKS_KEPT)(self._visible)

    def find(self, targets: Sequence[Target], *, tick: Callable[[], None]) -> list[Sources]:
        """Sources for all targets, followed together."""
        later, earlier = (
            self.walk(targets, direction=direction, reach=self._reach, visible_at=self._visible, tick=tick)
            for direction in (1, -1)
        )
        return [
            self._trusted(target, self._settled(target, self._chooser.choose(target, after, before)))
            for target, after, before in zip(targets, later, earlier, strict=True)
        ]

    def walk(
        self,
        targets: Sequence[Target],
        *,
        direction: int,
        reach: int,
        visible_at: Callable[[int], Visible],
        tick: Callable[[], None],
        gate: float = GATE,
    ) -> list[Found]:
        """Follow targets along the completed motion; see `trace`."""
        return trace(
            list(targets),
            direction=direction,
            reach=reach,
            frames=len(self._shot.frames),
            field_at=self._fields,
            visible_at=visible_at,
            tick=tick,
            gate=gate,
        )

    def moved(self, frame: int, direction: int, x: Array, y: Array) -> tuple[Array, Array]:
        """Where the next frame, in a direction of time, shows what a frame shows at positions in plate space."""
        return self._fields(frame, direction)[0].carried(x, y)

    def may_copy(self, frame: int, x: Array, y: Array) -> Mask:
        """Which positions ``(count,)`` of a frame, in plate space, may be copied from."""
        return self._shown(frame).at(x, y)

    def kept_out(self, frame: int, lattice: Lattice) -> Mask:
        """What must not be copied from a frame, on a lattice; beyond the frame nothing is kept out."""
        window = self._shot.data_window(self._shot.frames[frame])
        covered = np.any(self._covers(frame, window), axis=0)
        x, y = lattice.nodes()
        columns, rows = np.rint(x - window.x).astype(np.intp), np.rint(y - window.y).astype(np.intp)
        inside = lattice.inside(window)
        kept: Mask = np.zeros(lattice.shape, np.bool_)
        kept[inside] = covered[rows[inside], columns[inside]]
        return kept

    def _settled(self, target: Target, found: Found) -> Found:
        return found if self._path is None else settle(self._path, target=target, found=found)

    def _trusted(self, target: Target, found: Found) -> Sources:
        if self._reliability is None:
            return Sources(found=found, trust=np.ones(len(target.x), np.float32))
        trust = self._reliability.sample(target.frame, target.x, target.y)
        found.frame[trust <= _TRUST] = NOWHERE
        return Sources(found=found, trust=trust)

    def _fields(self, frame: int, direction: int) -> tuple[Field, Field]:
        forward, backward = self._completed(frame if direction > 0 else frame - 1)
        return (forward, backward) if direction > 0 else (backward, forward)

    def _complete(self, pair: int) -> tuple[Field, Field]:
        kept = self._store.pair(pair)
        return self._maker.complete(kept.forward), self._maker.complete(kept.backward)

    def _visible(self, index: int) -> Visible:
        """What may be copied from a frame."""
        frame = self._shot.frames[index]
        window = self._shot.data_window(frame)
        lattice = Lattice(x0=window.x, y0=window.y, dx=1, dy=1, width=window.width, height=window.height)
        if frame not in self._shot.sources:
            return Visible(lattice=lattice, flags=np.zeros(window.shape, np.uint8))
        if window not in self._everything:
            flags = np.zeros(window.shape, np.uint8)
            flags[_EDGE : window.height - _EDGE, _EDGE : window.width - _EDGE] = 1
            self._everything = {window: Visible(lattice=lattice, flags=flags)}
        everything = self._everything[window]
        covers = [cover for cover in self._covers(index, window) if cover.any()]
        if not covers:
            return everything
        return Visible(lattice=lattice, flags=np.where(np.any(covers, axis=0), np.uint8(0), everything.flags))

    def _covers(self, index: int, window: Window) -> list[Flags]:
        """What must not be copied: ``(height, width)`` of the window each, not 0 where so."""
        frame = self._shot.frames[index]
        rim = max(1, round(_MATTE_GROWTH * window.width))
        covers = [self._movers(index, window)]
        for matte in (self._shot.matte, self._shot.never_copy):
            if matte is not None:
                flags = (matte.read(frame, window=window) > 0).astype(np.uint8)
                covers.append(np.asarray(cv2.dilate(flags, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)), np.uint8))
        return covers

    def _movers(self, index: int, window: Window) -> Flags:
        """What moves by itself in a frame: where it is now, nothing is of the background behind it."""
        lattice, movers = self._store.coarse, self._store.movers(index)
        if not movers.any():
            return np.zeros(window.shape, np.uint8)
        columns = np.rint((np.arange(window.x, window.right) - lattice.x0) / lattice.dx).astype(np.intp)
        rows = np.rint((np.arange(window.y, window.bottom) - lattice.y0) / lattice.dy).astype(np.intp)
        columns, rows = np.clip(columns, 0, lattice.width - 1), np.clip(rows, 0, lattice.height - 1)
        return np.ascontiguousarray(movers[rows[:, np.newaxis], columns[np.newaxis, :]]).view(np.uint8)
