"""Frames before the first and after the last of a plate.

The camera goes on as `_steered` says. What moves by itself goes on as after an earlier moment that looks alike
(`_loop`); where there is none it goes on for a few frames, slowing down, and is then held in its place in the scene.
What comes into view is looked up in the background of the last frame (`_beyond`). Frames before the first are the clip
reversed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from overscan.core.engines.plate._address_map import Addresses, AddressMap
from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._fill import smooth_fill
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._measured import Measured
from overscan.core.engines.plate._trace import NOWHERE
from overscan.core.engines.plate.light._grain import grain_field, kept_variance, regrain
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._models import Matrix, project
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.engines.plate.time._beyond import shown_nodes
from overscan.core.engines.plate.time._calm import Calm
from overscan.core.engines.plate.time._loop import Loop
from overscan.core.engines.plate.time._splat import splat
from overscan.core.engines.plate.time._steered import camera_beyond
from overscan.core.geometry import Window
from overscan.core.results import Generated, SourceKind
from overscan.core.shots import Shot, spacing

_STEADY, STILL = 5, 8
"""Frames that things go on at their own speed for, and the first that they are held in."""
_OWN_WAY = 2
"""Frames that things go on at their own speed for, where they then go on in a loop: its first frames may be a little
off, and so early nothing else is nearer to the truth."""
_COVERED = 0.5
"""Coverage below which a place was uncovered by what moved away from it."""
_IN_FRONT = 1.0
"""Log weight per proxy sample of own motion: what moves by itself passes in front."""
_MOST_IN_FRONT = 12.0
_MOVES = 3.0
"""Own motion, in proxy samples, from which on a pixel counts as one that moves by itself."""
_NOISE = 0.5
"""Own motion, in proxy samples, that is none but errors of the flow, and half of what is believed wholly."""
_PER_FRAME = 0.97
"""How much less a pixel is trusted for each frame away from its source."""
_OWN_MOTION_PER_FRAME = 0.8
"""The same for what moves by itself."""
_LOOPED = 0.5
"""How far a pixel in a loop is trusted: it may well be so, but nobody knows."""

Points = npt.NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class _Made:
    """One new frame in the making; arrays have one entry for each of its pixels."""

    frame: int
    """Its number in the result."""
    window: Window
    distance: int
    """Frames from the anchor."""
    sources: Addresses
    moves: npt.NDArray[np.bool_]
    """Whether the pixel moves by itself."""
    looped: npt.NDArray[np.bool_]
    """Whether it is part of a loop."""
    light: Array
    kept: Array
    """Part of the grain's variance that is left in the light."""


class Continuation:
    """One end of a shot and what comes beyond it."""

    def __init__(
        self, *, shot: Shot, store: MotionStore, measured: Measured, loop: Loop | None, direction: int, longest: int
    ) -> None:
        """`direction` is +1 for the end and -1 for the beginning, `longest` how many frames are to come at most."""
        self._shot = shot
        self._store = store
        self._measured = measured
        self._loop = loop
        self._direction = direction
        self._count = len(shot.frames)
        self.anchor = self._count - 1 if direction > 0 else 0
        step = direction * spacing(shot.plate)
        last = shot.frames[self.anchor]
        numbers = [last + step * distance for distance in range(1, longest + 1)]
        self._ahead = camera_beyond(shot=shot, path=measured.path, direction=direction, numbers=numbers)

    def canvas(self) -> Window:
        """Everything that new frames look at, in the anchor's pixel space; at most a frame's size more on each side."""
        own = self._shot.data_window(self._shot.frames[self.anchor])
        edges = np.array([[x, y] for x in (own.x, own.right - 1) for y in (own.y, own.bottom - 1)], np.float64)
        corners = np.concatenate([edges, *(self._from(model, edges) for model in self._ahead)])
        most = own.grown(left=own.width, right=own.width, top=own.height, bottom=own.height)
        x0, y0 = np.floor(corners.min(axis=0)).astype(int)
        x1, y1 = np.ceil(corners.max(axis=0)).astype(int)
        seen = Window(x=int(x0), y=int(y0), width=int(x1 - x0) + 1, height=int(y1 - y0) + 1)
        return own.union(seen).intersection(most) or own

    def _from(self, model: Matrix, points: Points) -> Points:
        """Places in the anchor that `points` of a new frame come from, in the plate's pixel space."""
        return self._moved(np.asarray(np.linalg.inv(model), np.float64), points)

    def _moved(self, model: Matrix, points: Points) -> Points:
        """`points` of the plate's pixel space mapped by a model, which speaks of proxy samples."""
        fine = self._store.fine
        origin: Points = np.array([fine.x0, fine.y0], np.float64)
        pitch: Points = np.array([fine.dx, fine.dy], np.float64)
        found: Points = project(model, np.asarray((points - origin) / pitch, np.float64)) * pitch + origin
        return found

    def make(
        self,
        frames: Sequence[int],
        *,
        background: AddressMap,
        calm: Calm,
        maker: FieldMaker,
        leave_empty: bool,
        tick: Callable[[], None],
    ) -> Iterator[Generated]:
        """New frames, by their numbers in the result, made together so that each source is read once.

        `maker` completes motion over `canvas`, `background` is the anchor's over it, and `calm` the anchor's light.
        What has no source is filled smoothly, or left empty where `leave_empty`.
        """
        own_motion = self._own_motion(maker)
        works = [self._addressed(frame, background, own_motion, maker.lattice) for frame in frames]
        every = np.unique(np.concatenate([np.unique(work.sources.frame) for work in works]))
        for index in (int(number) for number in every if number != NOWHERE):
            tick()
            source = self._shot.frames[index]
            light = calm.light if index == self.anchor else self._shot.read_light(source)
            for work in works:
                self._light(work, index, light, calm)
        return (self._generated(work, leave_empty=leave_empty) for work in works)

    def _light(self, work: _Made, index: int, light: Array, calm: Calm) -> None:
        """Bring what frame `index` has for a new frame, as it would have looked in the anchor."""
        found, have = work.sources, self._shot.data_window(self._shot.frames[index])
        here = np.flatnonzero(found.frame == index)
        x, y = found.x[here], found.y[here]
        row, column = np.divmod(here, work.window.width)
        values, sound = fetch(light, x - np.float32(have.x), y - np.float32(have.y))
        gain = found.gain[here] + self._measured.exposure.gain(
            source=index,
            target=self.anchor,
            x_source=x,
            y_source=y,
            x=(column + work.window.x).astype(np.float32),
            y=(row + work.window.y).astype(np.float32),
        )
        with np.errstate(over="ignore"):
            work.light[here] = values * np.exp2(gain)
        found.frame[here[~sound]] = NOWHERE
        if not self._measured.grain.empty:
            kept = kept_variance(x, y, model=self._measured.grain)
            if index == self.anchor:
                rows = np.clip(np.rint(y - have.y), 0, have.height - 1).astype(np.intp)
                columns = np.clip(np.rint(x - have.x), 0, have.width - 1).astype(np.intp)
                kept *= calm.kept[rows, columns]
            work.kept[here] = kept

    def _own_motion(self, maker: FieldMaker) -> Array:
        """How far each node of `maker`'s lattice moves by itself to the next frame, in plate samples."""
        lattice = maker.lattice
        if self._count < 2:
            return np.zeros((*lattice.shape, 2), np.float32)
        pair = self._store.pair(self._count - 2 if self._direction > 0 else 0)
        motion = pair.backward if self._direction > 0 else pair.forward
        vectors = maker.complete(motion).vectors
        camera = self._measured.path.between(first=self.anchor, second=self.anchor - self._direction)
        if camera is None:
            return -vectors
        nodes = np.stack(lattice.nodes(), axis=-1).astype(np.float64)
        own: Array = (self._moved(camera, nodes) - nodes - vectors).astype(np.float32)
        size = np.linalg.norm(own / np.float32(self._store.fine.dx), axis=-1, keepdims=True)
        share = np.clip((size - _NOISE) / _NOISE, 0, 1)
        steady: Array = own * (share * share * (3 - 2 * share))
        return steady

    def _addressed(self, frame: int, background: AddressMap, own_motion: Array, lattice: Lattice) -> _Made:
        moment = self._shot.moments[frame]
        window = self._shot.coverage(moment.like)
        distance = round(abs(moment.time - moment.like) / spacing(self._shot.plate))
        points = np.stack(
            np.meshgrid(
                np.arange(window.x, window.right, dtype=np.float64),
                np.arange(window.y, window.bottom, dtype=np.float64),
            ),
            axis=-1,
        ).reshape(-1, 2)
        place = self._from(self._ahead[distance - 1], points).astype(np.float32)
        own = self._shot.data_window(self._shot.frames[self.anchor])
        front = _Front(
            x=np.full(len(place), np.nan, np.float32),
            y=np.full(len(place), np.nan, np.float32),
            moves=np.zeros(len(place), np.bool_),
        )
        moved, coverage = self._splatted(own_motion * np.float32(_own_frames(distance)), lattice)
        _look_up_front(
            place,
            moved,
            coverage,
            (lattice.x0, lattice.y0, lattice.dx, lattice.dy),
            (own.x, own.y, own.right - 1, own.bottom - 1),
            front.x,
            front.y,
            front.moves,
        )
        sources = _behind(place, background, own)
        looped = np.zeros(len(place), np.bool_)
        if self._loop is not None and distance > _OWN_WAY:
            front.x[front.moves] = np.nan  # that is in the loop
            looped = self._looped(self._loop, place, distance, sources)
            front.x[looped] = np.nan
            front.moves[:] = looped
        seen = np.isfinite(front.x)
        sources.frame[seen], sources.x[seen], sources.y[seen] = self.anchor, front.x[seen], front.y[seen]
        sources.gain[seen], sources.kind[seen] = 0, SourceKind.COPIED
        return _Made(
            frame=frame,
            window=window,
            distance=distance,
            sources=sources,
            moves=front.moves,
            looped=looped,
            light=np.zeros((len(place), len(self._shot.colours)), np.float32),
            kept=np.zeros(len(place), np.float32),
        )

    def _looped(self, loop: Loop, place: Array, distance: int, sources: Addresses) -> npt.NDArray[np.bool_]:
        """Let `sources` be the loop's where it shows anything; which pixels these are."""
        frame, model = loop.at(distance)
        here = np.flatnonzero(_nearest(loop.where, loop.lattice, place[:, 0], place[:, 1]))
        x, y = (values.astype(np.float32) for values in project(model, place[here]).T)
        shown = shown_nodes(self._shot, frame, loop.lattice)
        window = self._shot.data_window(self._shot.frames[frame])
        inside = (x >= window.x) & (y >= window.y) & (x <= window.right - 1) & (y <= window.bottom - 1)
        good = inside & _nearest(shown, loop.lattice, x, y)
        here, x, y = here[good], x[good], y[good]
        sources.frame[here], sources.x[here], sources.y[here] = frame, x, y
        sources.gain[here], sources.kind[here] = 0, SourceKind.COPIED
        looped = np.zeros(len(place), np.bool_)
        looped[here] = True
        return looped

    def _splatted(self, gone: Array, lattice: Lattice) -> tuple[Array, Array]:
        """How far what is now at each node has gone by itself, and how much of a mover it is; and coverage."""
        columns, rows = np.meshgrid(
            np.arange(lattice.width, dtype=np.float32), np.arange(lattice.height, dtype=np.float32)
        )
        steps = np.asarray(gone / np.array([lattice.dx, lattice.dy], np.float32), np.float32)
        size = np.minimum(np.linalg.norm(gone / np.float32(self._store.fine.dx), axis=-1), _MOST_IN_FRONT)
        return splat(
            np.concatenate([gone, size[..., np.newaxis]], axis=-1),
            x=np.where(shown_nodes(self._shot, self.anchor, lattice), columns + steps[..., 0], np.float32(-9)),
            y=np.asarray(rows + steps[..., 1], np.float32),
            log_weight=np.float32(_IN_FRONT) * (size - np.float32(_MOST_IN_FRONT)),
            shape=lattice.shape,
        )

    def _generated(self, work: _Made, *, leave_empty: bool) -> Generated:
        shape, sources = work.window.shape, work.sources
        found = sources.frame != NOWHERE
        numbers = np.array(self._shot.frames, np.float32)
        away = np.abs(sources.frame - self.anchor) + work.distance
        trust = np.where(work.moves, np.float32(_OWN_MOTION_PER_FRAME**work.distance), np.float32(_PER_FRAME) ** away)
        trust = np.where(work.looped, np.float32(_LOOPED) * np.float32(_PER_FRAME) ** work.distance, trust)
        # What no frame has shown is a guess, however good it looks.
        trust = np.where(sources.kind == SourceKind.SYNTHESISED, np.float32(0), trust)
        kind = np.where(found & (sources.kind != SourceKind.SYNTHESISED), SourceKind.COPIED, SourceKind.SYNTHESISED)

        def picture(values: npt.NDArray[Any], empty: float) -> Array:
            return np.where(found, values, np.float32(empty)).astype(np.float32).reshape(shape)

        light = np.where(found[:, np.newaxis], work.light, np.float32(0)).reshape(*shape, -1)
        if not leave_empty:
            light = smooth_fill(light, found.reshape(shape))
        grain = self._measured.grain
        if not grain.empty:
            field = grain_field(grain, seed=self._shot.job.seed, frame=work.frame, window=work.window)
            kept = np.where(found, work.kept, np.float32(leave_empty)).reshape(shape)
            light = regrain(light, model=grain, kept=kept, field=field)
        return Generated(
            window=work.window,
            light=light,
            alpha=np.ones(shape, np.float32),
            confidence=picture(trust, 0.0),
            source_x=picture(sources.x, np.nan),
            source_y=picture(sources.y, np.nan),
            source_frame=picture(numbers[np.maximum(sources.frame, 0)], np.nan),
            kind=kind.astype(np.uint8).reshape(shape),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Front:
    """What the anchor itself shows of a new frame's pixels; NaN where it shows nothing."""

    x: Array
    y: Array
    moves: npt.NDArray[np.bool_]


def _behind(place: Array, background: AddressMap, own: Window) -> Addresses:
    """The background at places of the anchor. Beyond its window its own nodes do not count: they lead nowhere."""
    x, y = np.ascontiguousarray(place[:, 0]), np.ascontiguousarray(place[:, 1])
    sources = background.look_up(x, y)
    outside = ~((x >= own.x) & (y >= own.y) & (x <= own.right - 1) & (y <= own.bottom - 1))
    beyond = replace(background, frame=np.where(background.kind == SourceKind.PLATE, NOWHERE, background.frame))
    further = beyond.look_up(x[outside], y[outside])
    sources.frame[outside], sources.x[outside], sources.y[outside] = further.frame, further.x, further.y
    sources.gain[outside], sources.kind[outside] = further.gain, further.kind
    return sources


def _nearest(mask: Mask, lattice: Lattice, x: Array, y: Array) -> Mask:
    """`mask` at the nodes of `lattice` nearest to positions; false beyond it."""
    columns = np.rint((x - lattice.x0) / lattice.dx).astype(np.intp)
    rows = np.rint((y - lattice.y0) / lattice.dy).astype(np.intp)
    inside = (columns >= 0) & (rows >= 0) & (columns < lattice.width) & (rows < lattice.height)
    found = np.zeros(len(x), np.bool_)
    found[inside] = mask[rows[inside], columns[inside]]
    return found


def _own_frames(distance: int) -> float:
    """How many frames' worth things have moved by themselves after so many frames."""
    return sum(min(1.0, max(0.0, (STILL - frame) / (STILL - _STEADY))) for frame in range(1, distance + 1))


@njit(cache=True, nogil=True, parallel=True)
def _look_up_front(place: Any, moved: Any, coverage: Any, grid: Any, own: Any, x: Any, y: Any, moves: Any) -> None:
    """Where pixels whose background lies at `place` in the anchor are shown there, what moves having moved."""
    x0, y0, dx, dy = grid
    left, top, right, bottom = own
    height, width = coverage.shape
    one = np.float32(1)
    for index in prange(place.shape[0]):
        column = min(max((place[index, 0] - x0) / dx, 0.0), width - 1.0)
        row = min(max((place[index, 1] - y0) / dy, 0.0), height - 1.0)
        c0, r0 = int(column), int(row)
        c1, r1 = min(c0 + 1, width - 1), min(r0 + 1, height - 1)
        u, v = np.float32(column - c0), np.float32(row - r0)
        total = gone_x = gone_y = size = np.float32(0)
        for i in range(2):
            r = r1 if i else r0
            for j in range(2):
                c = c1 if j else c0
                # Nodes that nothing has come to say nothing.
                share = coverage[r, c] * (v if i else one - v) * (u if j else one - u)
                total += share
                gone_x += share * moved[r, c, 0]
                gone_y += share * moved[r, c, 1]
                size += share * moved[r, c, 2]
        if total <= _COVERED:
            continue
        from_x, from_y = place[index, 0] - gone_x / total, place[index, 1] - gone_y / total
        if left <= from_x <= right and top <= from_y <= bottom:
            x[index], y[index] = from_x, from_y
            moves[index] = size / total > _MOVES
