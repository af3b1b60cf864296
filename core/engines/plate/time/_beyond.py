"""What lies round and behind the last frame (or the first): its background, followed into the frames before.

Everything that new frames may come to look at is in one map, so that a place that comes into view once looks the same
in all of them: the frame's own background, what other frames show of it, and what is synthesised because none does.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from overscan.core.colour import acescct_to_linear
from overscan.core.engines.plate._address_map import AddressMap
from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._gain import painted_gain
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._measured import Measured
from overscan.core.engines.plate._pictures import STOPS, Pictures
from overscan.core.engines.plate._trace import NOWHERE, Target, Visible, trace
from overscan.core.engines.plate.light._seam import seam_correction
from overscan.core.engines.plate.motion._field import Field, FieldMaker
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.engines.plate.motion._settle import settle
from overscan.core.engines.plate.synthesis._synthesis import Picture, synthesise
from overscan.core.geometry import Window
from overscan.core.results import SourceKind
from overscan.core.shots import Shot

_EDGE = 2
"""Samples along the edge of a frame that are not copied: lenses, codecs and filters spoil them."""
_RIM = 2
"""Nodes round what moves by itself that are not background either: motion blur, and flow that is not that sharp."""
_SEAM = 12 / 1920
"""Width of the rim beside what the frame does not show, along which the light of both is compared, as a part of the
plate's width."""
_PATCHES_FROM = (24, 48)
"""How many frames away those are that are also copied from: far enough to show something else."""


def find_background(
    *,
    shot: Shot,
    store: MotionStore,
    maker: FieldMaker,
    measured: Measured,
    pictures: Pictures,
    anchor: int,
    direction: int,
    reach: int,
    tick: Callable[[], None],
) -> AddressMap:
    """The background of frame `anchor`, by index, from itself and the frames in `direction` (+1 later, -1 earlier).

    For all nodes of the pictures' lattice; nothing that moves by itself is background. Nodes that the anchor shows are
    of kind `PLATE`. The gains of the others let their light meet the anchor's without a seam.
    """
    lattice = pictures.lattice
    count = len(shot.frames)
    still: dict[int, Mask] = {}

    def background(frame: int) -> Mask:
        """On the store's coarse lattice."""
        if frame not in still:
            size = 2 * _RIM + 1
            moving = store.movers(frame).astype(np.uint8)
            still[frame] = cv2.dilate(moving, np.ones((size, size), np.uint8)) == 0
        return still[frame]

    def fields(frame: int, way: int) -> tuple[Field, Field]:
        pair = store.pair(frame if way > 0 else frame - 1)
        onward, back = (pair.forward, pair.backward) if way > 0 else (pair.backward, pair.forward)
        here, there = (_nearest(background(at), store.coarse, maker.lattice) for at in (frame, frame + way))
        return maker.complete(onward, allowed=here), maker.complete(back, allowed=there)

    def flags(frame: int, edge: int) -> Mask:
        return _nearest(background(frame), store.coarse, lattice) & shown_nodes(shot, frame, lattice, edge=edge)

    found = AddressMap.empty(lattice, channels=len(shot.colours))
    own = flags(anchor, 0)
    x, y = lattice.nodes()
    found.frame[own], found.x[own], found.y[own] = anchor, x[own], y[own]
    if count > 1 and not own.all():
        rim = own & _beside(~own, width=_SEAM * store.window.width / lattice.dx)
        rows, columns = np.nonzero(~own | rim)
        target = Target(frame=anchor, x=x[rows, columns], y=y[rows, columns])
        (traced,) = trace(
            [target],
            direction=direction,
            reach=reach,
            frames=count,
            field_at=fields,
            visible_at=lambda frame: Visible(lattice=lattice, flags=flags(frame, _EDGE).astype(np.uint8)),
            tick=tick,
        )
        traced = settle(measured.path, target=target, found=traced)
        seen = AddressMap.empty(lattice, channels=len(shot.colours))
        seen.frame[rows, columns], seen.x[rows, columns], seen.y[rows, columns] = traced.frame, traced.x, traced.y
        seen.kind[rows, columns] = SourceKind.COPIED
        seen.gain = _seam_gain(seen, own, shot=shot, pictures=pictures, measured=measured, anchor=anchor, tick=tick)
        rest = np.nonzero(~own)
        found.frame[rest], found.x[rest], found.y[rest] = seen.frame[rest], seen.x[rest], seen.y[rest]
        found.gain[rest], found.kind[rest] = seen.gain[rest], seen.kind[rest]
    return found


def synthesise_rest(
    found: AddressMap,
    *,
    shot: Shot,
    store: MotionStore,
    pictures: Pictures,
    measured: Measured,
    anchor: int,
    seed: int,
    rounds: int,
    tick: Callable[[], None],
) -> None:
    """Give addresses to the nodes that have none: pieces of the plate that look as if they belonged there."""
    hole = found.frame == NOWHERE
    if not hole.any() or hole.all():
        return
    lattice = found.lattice
    completed = _look(found, pictures=pictures, measured=measured, anchor=anchor, tick=tick)
    frames = len(shot.frames)
    near = {at for far in _PATCHES_FROM for at in (anchor - far, anchor + far) if 0 <= at < frames}
    others = [at for at in sorted(near) if shot.frames[at] in shot.sources]
    atlas = [Picture(pixels=completed, usable=~hole)]
    for at in others:
        # A second one of what moves by itself would be seen at once.
        usable = pictures.picture(at).known & shown_nodes(shot, at, lattice)
        usable &= _nearest(~store.movers(at), store.coarse, lattice)
        atlas.append(Picture(pixels=pictures.picture(at).pixels, usable=usable))
    result = synthesise(pictures=atlas, hole=hole, seed=seed, rounds=rounds)
    tick()
    rows, columns = np.nonzero(hole)
    x, y = lattice.nodes()
    fetched = np.zeros((len(rows), completed.shape[-1]), np.float32)
    before = found.frame.copy(), found.x.copy(), found.y.copy(), found.gain.copy()
    for index, picture in enumerate(atlas):
        here = result.picture == index
        to, source = (rows[here], columns[here]), (result.y[here], result.x[here])
        fetched[here] = picture.pixels[source]
        # What the map has an address for keeps it; other pictures are frames as they are.
        own = (others[index - 1], x[source], y[source], 0) if index else tuple(values[source] for values in before)
        found.frame[to], found.x[to], found.y[to], found.gain[to] = own
        found.kind[to] = SourceKind.SYNTHESISED
    painted = found.frame[rows, columns] != NOWHERE
    found.gain[rows, columns] += painted_gain(
        blended=result.blended, fetched=fetched, picture=completed, known=~hole, hole=hole, painted=painted
    )


def shown_nodes(shot: Shot, frame: int, lattice: Lattice, *, edge: int = 0) -> Mask:
    """Nodes where a frame, by index, may be copied from, all but `edge` samples along its sides."""
    number = shot.frames[frame]
    window = shot.data_window(number)
    if number not in shot.sources or min(window.shape) <= 2 * edge:
        return np.zeros(lattice.shape, np.bool_)
    shown = lattice.inside(window.grown(left=-edge, right=-edge, top=-edge, bottom=-edge))
    matte = None if shot.never_copy is None else shot.never_copy.read(number, window=window)
    return shown if matte is None else shown & ~_covered(matte, window, lattice)


def _look(found: AddressMap, *, pictures: Pictures, measured: Measured, anchor: int, tick: Callable[[], None]) -> Array:
    """What a map's nodes show in frame `anchor`, log-shaped, ``(height, width, channels)``; 0 without an address."""
    lattice = found.lattice
    nodes_x, nodes_y = lattice.nodes()
    shown = np.zeros((*lattice.shape, pictures.picture(anchor).pixels.shape[-1]), np.float32)
    for frame in sorted({int(number) for number in np.unique(found.frame)} - {int(NOWHERE)}):
        tick()
        where = np.nonzero(found.frame == frame)
        at_x, at_y = found.x[where], found.y[where]
        x = np.clip((at_x - lattice.x0) / lattice.dx, 0, lattice.width - 1).astype(np.float32)
        y = np.clip((at_y - lattice.y0) / lattice.dy, 0, lattice.height - 1).astype(np.float32)
        gain = found.gain[where] + measured.exposure.gain(
            source=frame, target=anchor, x_source=at_x, y_source=at_y, x=nodes_x[where], y=nodes_y[where]
        )
        shown[where] = fetch(pictures.picture(frame).pixels, x, y)[0] + gain / np.float32(STOPS)
    return shown


def _seam_gain(
    seen: AddressMap,
    own: Mask,
    *,
    shot: Shot,
    pictures: Pictures,
    measured: Measured,
    anchor: int,
    tick: Callable[[], None],
) -> Array:
    """Stops by which what other frames show beside the anchor's `own` nodes misses these, carried on from there."""
    there = seen.frame != NOWHERE
    picture = pictures.picture(anchor)
    looks = acescct_to_linear(_look(seen, pictures=pictures, measured=measured, anchor=anchor, tick=tick))
    rim = there & own & picture.known
    width = shot.data_window(shot.frames[anchor]).width / seen.lattice.dx
    return seam_correction(
        light=np.where(own[..., np.newaxis], acescct_to_linear(picture.pixels), np.float32(np.nan)),
        shown=np.where(rim[..., np.newaxis], looks, np.float32(np.nan)),
        hole=~own,
        width=max(1, round(width)),
        screened=True,
    )


def _beside(mask: Mask, *, width: float) -> Mask:
    """`mask` grown by `width` nodes, at least 2."""
    size = 2 * max(2, round(width)) + 1
    grown: Mask = cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
    return grown


def _covered(matte: Array, window: Window, lattice: Lattice) -> Mask:
    """Nodes near which the matte covers anything."""
    x, y = lattice.nodes()
    cell = np.ones((2 * round(lattice.dy) + 1, 2 * round(lattice.dx) + 1), np.uint8)
    wide = cv2.dilate((matte > 0).astype(np.uint8), cell)
    columns = np.clip(np.rint(x - window.x).astype(np.intp), 0, window.width - 1)
    rows = np.clip(np.rint(y - window.y).astype(np.intp), 0, window.height - 1)
    covered: Mask = wide[rows, columns] > 0
    return covered


def _nearest(mask: Mask, inner: Lattice, outer: Lattice) -> Mask:
    """`mask` on `inner` at the nodes of `outer`; true beyond it."""
    x, y = outer.nodes()
    columns, rows = (
        np.rint((x - inner.x0) / inner.dx).astype(np.intp),
        np.rint((y - inner.y0) / inner.dy).astype(np.intp),
    )
    inside = (columns >= 0) & (rows >= 0) & (columns < inner.width) & (rows < inner.height)
    result = np.ones(outer.shape, np.bool_)
    result[inside] = mask[rows[inside], columns[inside]]
    return result
