"""Completes pixels that no frame has seen with pieces of pictures that look as if they belonged there (S7).

Wexler 2007 (voting over all patches, coarse to fine), Barnes 2009 (the search), Darabi 2012 (patches may be lighter or
darker), He & Sun 2012 and Huang 2014 (hints from repetition and lines), Newson 2014 (texture as a feature; patches in
space-time, when `pixels` stacks registered neighbour frames as channels), Pritch 2009 (few coherent pieces).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._pyramid import membrane
from overscan.core.engines.plate.synthesis._atlas import Array, Level, Mask, Numbers, Picture, levels_of
from overscan.core.engines.plate.synthesis._levelling import levelled
from overscan.core.engines.plate.synthesis._patchmatch import key_for, measure, scatter, search, vote
from overscan.core.engines.plate.synthesis._seams import merge, settle
from overscan.core.engines.plate.synthesis._structure import dominant_offsets, line_directions

__all__ = ["NO_PICTURE", "Picture", "Synthesis", "synthesise"]

NO_PICTURE = np.int16(-1)
"""`Synthesis.picture` of a pixel that was filled smoothly, because there was nothing to copy."""

_HINT_SIDE = 128
"""Longest shorter side of the level that hints are taken from."""
_OFFSETS, _LINES = 30, 3
"""Hints taken, at most."""
_JUMP, _TRIES = 5, 4
"""See `search`."""
_DECAYS = (2.0, 1.6, 1.4)
"""How many times less a pixel is worth for each pixel it lies further from what is known, in the first rounds of the
coarsest level: the hole closes from its edge inwards."""
_DECAY = 1.2
_MORE_ROUNDS = 6
"""More rounds for each level up: what is where is decided there, and a round costs a quarter."""
_FURTHEST = 40.0
"""Pixels from what is known beyond which worth falls no more."""
_GUIDE = 0.03
"""What it costs to copy beside the picture's line directions, as a part of its variance."""
_STIFFNESS = np.float32(2.0)
"""What a seam costs against a patch's distance."""
_LEAST_SEAM = 0.002
"""What a seam costs at least, as a part of the pictures' variance: a cut that cannot be seen is still a cut."""
_LEAST_PIECE = 48
"""Pixels of a piece that may stand on its own."""
_SETTLINGS = 4
"""Passes over the map at each level."""


_STEEPEST = 2.5
"""Largest step between pieces that is evened out in full, in times `adapt`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """For every pixel of the hole, rows and columns as ``np.nonzero(hole)`` gives them."""

    picture: npt.NDArray[np.int16]
    """``(n,)``: which picture of the atlas the pixel is taken from, `NO_PICTURE` where filled smoothly."""
    x: Numbers
    """``(n,)``: column of the pixel's source there."""
    y: Numbers
    """``(n,)``: its row."""
    blended: Array
    """Picture 0, completed: what was copied, with steps to the known part and between pieces evened out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Map:
    """Addresses of the pixels whose patches touch the hole; -1 elsewhere."""

    rows: Numbers
    columns: Numbers
    at_row: Numbers
    at_column: Numbers
    cost: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hints:
    offsets: Numbers
    directions: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effort:
    patch: int
    colours: int
    adapt: np.float32
    lean: float
    contrast: float
    rounds: int
    iterations: int

    @property
    def radius(self) -> int:
        return self.patch // 2

    def prior(self, level: Level, hints: _Hints) -> tuple[np.float32, np.float32, Numbers, Array]:
        """The terms of `price` at one level: per row squared, of a picture as high as the level's."""
        lean = np.float32(self.lean * self.contrast / level.hole.shape[0] ** 2)
        return (lean, np.float32(_GUIDE * self.contrast), level.top_of, hints.directions)


def synthesise(
    *,
    pictures: Sequence[Picture],
    hole: Mask,
    seed: int,
    patch: int = 7,
    rounds: int = 4,
    iterations: int = 4,
    adapt: float = 0.02,
    lean: float = 1.5,
) -> Synthesis:
    """Complete `hole` ``(height, width)`` of the first of `pictures` from patches of all of them.

    `patch` is odd, in pixels. Each level of the pyramid does `rounds` rounds of voting and searching, and coarser ones
    more, with `iterations` sweeps of the search each. A patch may be lighter or darker than its surround by `adapt` per
    channel (0.02 is a third of a stop in ACEScct). To copy from another height costs `lean` times the pictures'
    variance, times the square of the rise as a part of the picture's height: pictures are layered, and lit from above.

    The same arguments give the same bits on any number of threads. Sources lie at least half a patch within what is
    usable. Where no patch of even 3 x 3 pixels is usable in full, all of the fill is smooth and without a source.
    ValueError if the hole is not of the first picture's size or `patch` is not an odd number of at least 3.
    """
    if not pictures or pictures[0].usable.shape != hole.shape or patch < 3 or patch % 2 == 0:
        raise ValueError("synthesise needs a picture of the hole's size and an odd patch of at least 3 pixels")
    levels = levels_of(pictures, hole=hole, patch=patch) if hole.any() else []
    while not levels and patch > 3 and hole.any():
        patch -= 2
        levels = levels_of(pictures, hole=hole, patch=patch)
    if not levels:
        return _smooth(pictures[0].pixels, hole)
    effort = _Effort(
        patch=patch,
        colours=pictures[0].pixels.shape[-1],
        adapt=np.float32(adapt),
        lean=lean,
        contrast=_contrast(pictures),
        rounds=rounds,
        iterations=iterations,
    )
    hints = _hints(levels, effort, seed)
    found: _Map | None = None
    for depth in reversed(range(len(levels))):
        level = levels[depth]
        key = key_for(seed, depth)
        start = _begun(level, effort, key) if found is None else _grown(found, levels[depth + 1], level, effort, key)
        decays = [_DECAY] * (effort.rounds + _MORE_ROUNDS * depth)
        if found is None:
            decays[: len(_DECAYS)] = _DECAYS
        _complete(level, start, effort, hints[depth], decays, key, fresh=found is None)
        _cohere(level, start, effort, hints[depth])
        found = start
    assert found is not None
    return _finished(levels[0], found, effort, pictures[0].pixels)


def _smooth(pixels: Array, hole: Mask) -> Synthesis:
    nowhere = np.full(int(hole.sum()), -1, np.int32)
    blended = membrane(np.where(hole[..., np.newaxis], np.float32(0), pixels), ~hole)
    return Synthesis(picture=np.full(len(nowhere), NO_PICTURE), x=nowhere, y=nowhere.copy(), blended=blended)


def _contrast(pictures: Sequence[Picture]) -> float:
    """Variance of what is usable, summed over the channels as a patch's distance is."""
    usable = np.concatenate([picture.pixels[picture.usable] for picture in pictures])
    return float(usable.astype(np.float64).var(axis=0).sum())


def _hints(levels: list[Level], effort: _Effort, seed: int) -> list[_Hints]:
    """What the largest level of a moderate size says, for every level."""
    chosen = next((depth for depth, level in enumerate(levels) if min(level.hole.shape) <= _HINT_SIDE), len(levels) - 1)
    level = levels[chosen]
    height, width = level.hole.shape
    inside = (level.centres[:, 0] < height) & (level.centres[:, 1] < width)
    offsets = dominant_offsets(
        level.target,
        usable=level.anchor > 0,
        centres=np.ascontiguousarray(level.centres[inside]),
        patch=effort.patch,
        colours=effort.colours,
        limit=float(effort.adapt),
        seed=seed,
        most=_OFFSETS,
    )
    directions = line_directions(level.target[..., : effort.colours], known=level.anchor > 0, most=_LINES)
    return [
        _Hints(offsets=np.round(offsets * 2.0 ** (chosen - depth)).astype(np.int32), directions=directions)
        for depth in range(len(levels))
    ]


def _empty_map(level: Level, effort: _Effort) -> _Map:
    near = cv2.dilate(level.hole, np.ones((effort.patch, effort.patch), np.uint8))
    rows, columns = np.nonzero(near)
    return _Map(
        rows=rows.astype(np.int32),
        columns=columns.astype(np.int32),
        at_row=np.full(level.hole.shape, -1, np.int32),
        at_column=np.full(level.hole.shape, -1, np.int32),
        cost=np.zeros(level.hole.shape, np.float32),
    )


def _begun(level: Level, effort: _Effort, key: np.uint64) -> _Map:
    """Addresses by chance."""
    start = _empty_map(level, effort)
    scatter(start.rows, start.columns, key, level.centres, start.at_row, start.at_column)
    return start


def _grown(coarse: _Map, coarser: Level, level: Level, effort: _Effort, key: np.uint64) -> _Map:
    """The coarser level's addresses at twice the size; by chance where that leads to nothing usable."""
    start = _begun(level, effort, key)
    rows, columns = start.rows, start.columns
    from_row = coarse.at_row[rows // 2, columns // 2]
    from_column = coarse.at_column[rows // 2, columns // 2]
    picture = coarser.picture_at(np.maximum(from_row, 0))
    row = level.tops[picture] + 2 * (from_row - coarser.tops[picture]) + rows % 2
    column = 2 * from_column + columns % 2
    sound = (from_row >= 0) & (row < level.valid.shape[0]) & (column < level.valid.shape[1])
    sound[sound] = level.valid[row[sound], column[sound]] > 0
    start.at_row[rows[sound], columns[sound]] = row[sound]
    start.at_column[rows[sound], columns[sound]] = column[sound]
    start.cost[rows, columns] = coarse.cost[rows // 2, columns // 2]
    return start


def _complete(
    level: Level, found: _Map, effort: _Effort, hints: _Hints, decays: list[float], key: np.uint64, *, fresh: bool
) -> None:
    """Rounds of voting and searching, one for each of `decays`; `found` and the level's target are changed in place."""
    depth = np.minimum(cv2.distanceTransform(level.hole, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), _FURTHEST)
    compared = ((level.hole | level.anchor) > 0).astype(np.float32)
    hole_rows, hole_columns = (part.astype(np.int32) for part in np.nonzero(level.hole))
    odd = (found.rows + found.columns) % 2 == 1
    halves = [(found.rows[half], found.columns[half]) for half in (odd, ~odd)]
    bias = np.zeros((*level.hole.shape, effort.colours), np.float32)
    everywhere = (found.rows, found.columns)
    common = (level.atlas, effort.radius)
    prior = effort.prior(level, hints)
    terms = (effort.colours, effort.adapt, *prior)
    addresses = (found.at_row, found.at_column, found.cost)
    for number, decay in enumerate(decays):
        weight = compared * (decay**-depth).astype(np.float32)
        if number > 0 or not fresh:
            spread = float(np.percentile(found.cost[found.rows, found.columns], 75))
            sharpness = np.float32(0.5 / max(spread, 1e-9))
            vote(hole_rows, hole_columns, level.target, *common, sharpness, weight, *addresses, bias)
        measure(*everywhere, level.target, weight, *common, *terms, *addresses, bias)
        for iteration in range(effort.iterations):
            for rows, columns in halves:
                search(
                    rows,
                    columns,
                    key_for(int(key), number, iteration),
                    level.target,
                    weight,
                    level.atlas,
                    level.valid,
                    level.centres,
                    hints.offsets,
                    effort.radius,
                    effort.colours,
                    effort.adapt,
                    _JUMP,
                    _TRIES,
                    0.0,
                    *prior,
                    *addresses,
                )
        measure(*everywhere, level.target, weight, *common, *terms, *addresses, bias)


def _cohere(level: Level, found: _Map, effort: _Effort, hints: _Hints) -> None:
    """Make the address map of the hole one of few pieces."""
    weight = ((level.hole | level.anchor) > 0).astype(np.float32)
    rows, columns = (part.astype(np.int32) for part in np.nonzero(level.hole))
    odd = (rows + columns) % 2 == 1
    bias = np.zeros((*level.hole.shape, effort.colours), np.float32)
    # Without the cost of another height: what lies where is decided, and rows of one area need not be torn for it.
    least_seam = np.float32(_LEAST_SEAM * effort.contrast)
    _, guide, tops, directions = effort.prior(level, hints)
    terms = (effort.radius, effort.colours, effort.adapt, np.float32(0), guide, tops, directions)
    measure(rows, columns, level.target, weight, level.atlas, *terms, found.at_row, found.at_column, found.cost, bias)
    judged = (level.target, weight, level.atlas, level.valid, *terms, _STIFFNESS, least_seam)
    state = (level.hole, level.anchor, found.at_row, found.at_column, found.cost)
    for _ in range(_SETTLINGS):
        for half in (odd, ~odd):
            settle(rows[half], columns[half], *judged, *state)
    for _ in range(_SETTLINGS):
        if merge(rows, columns, *judged, _LEAST_PIECE, *state) == 0:
            break
        for half in (odd, ~odd):
            settle(rows[half], columns[half], *judged, *state)


def _finished(level: Level, found: _Map, effort: _Effort, pixels: Array) -> Synthesis:
    rows, columns = (part.astype(np.int32) for part in np.nonzero(level.hole))
    from_row, from_column = found.at_row[rows, columns], found.at_column[rows, columns]
    picture = level.picture_at(from_row)
    blended = pixels.copy()
    correction = levelled(level, at_row=found.at_row, at_column=found.at_column, limit=_STEEPEST * float(effort.adapt))
    blended[rows, columns] = level.atlas[from_row, from_column, : effort.colours] + correction[rows, columns]
    return Synthesis(picture=picture.astype(np.int16), x=from_column, y=from_row - level.tops[picture], blended=blended)
