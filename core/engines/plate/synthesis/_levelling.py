"""Takes away the steps that an address map leaves between its pieces and at the known part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from overscan.core.engines.plate.synthesis._atlas import TEXTURES, Array, Level, Numbers
from overscan.core.engines.plate.synthesis._patchmatch import BLOCK

_SIDES = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)], np.int32)
_SWEEPS = 200
_HASTE = np.float32(1.95)
"""Over-relaxation, nearly the best for a hole of a hundred pixels' width."""
_SCREEN = 1 / 10
"""How far a correction reaches from where it is asked for, as a part of the longer side."""


def levelled(level: Level, *, at_row: Numbers, at_column: Numbers, limit: float) -> Array:
    """What to add to the light copied from the addresses ``(height, width)`` given: ``(height, width, channels)``.

    Smooth within each piece, and such that pieces meet each other and the known part without a step (Perez 2003),
    but for steps of more than about `limit`, which are edges; screened, for an extension is held on one side only
    (Bhat 2008). 0 outside of the hole.
    """
    shape, colours = level.hole.shape, level.atlas.shape[-1] - TEXTURES
    around = np.zeros(shape, np.float32)
    wanted = np.zeros((*shape, colours), np.float32)
    rows, columns = (part.astype(np.int32) for part in np.nonzero(level.hole))
    judged = (level.target, level.atlas, colours, np.float32(limit), level.hole, level.anchor, at_row, at_column)
    _ask(rows, columns, *judged, around, wanted)
    correction = np.zeros_like(wanted)
    screen = np.float32(1 / (_SCREEN * max(shape)) ** 2)
    odd = (rows + columns) % 2 == 1
    halves = [(rows[half], columns[half]) for half in (odd, ~odd)]
    for _ in range(_SWEEPS):
        for half_rows, half_columns in halves:
            _relax(half_rows, half_columns, around, wanted, screen, _HASTE, level.hole, correction)
    return correction


@njit(cache=True, nogil=True, parallel=True)
def _ask(
    rows: Any,
    columns: Any,
    target: Any,
    atlas: Any,
    colours: int,
    limit: Any,
    hole: Any,
    anchor: Any,
    at_row: Any,
    at_column: Any,
    around: Any,
    wanted: Any,
) -> None:
    """What a correction should do at the pixels given: `around` neighbours tie it, to a sum of `wanted` differences.

    Between neighbours of one piece the correction should not change; over a seam it should change by the step that
    the pieces make there, the mean of both sides (Perez 2003), and at the known part make up for the difference. A
    step of more than `limit` in any channel is more and more an edge of the picture's own, of 2 `limit` nothing else:
    evened out, it would bleed into the fill.
    """
    height, width = hole.shape
    count = rows.shape[0]
    for block in prange((count + BLOCK - 1) // BLOCK):
        step = np.empty(colours, np.float32)
        for index in range(block * BLOCK, min(count, (block + 1) * BLOCK)):
            row, column = rows[index], columns[index]
            from_row, from_column = at_row[row, column], at_column[row, column]
            for channel in range(colours):
                wanted[row, column, channel] = np.float32(0)
            ties = np.float32(0)
            for side in range(4):
                down, right = _SIDES[side, 0], _SIDES[side, 1]
                next_row, next_column = row + down, column + right
                if not (0 <= next_row < height and 0 <= next_column < width):
                    continue
                inner = hole[next_row, next_column] == 1
                if not inner and not anchor[next_row, next_column]:
                    continue
                other_row, other_column = at_row[next_row, next_column], at_column[next_row, next_column]
                if inner and other_row == from_row + down and other_column == from_column + right:
                    ties += np.float32(1)
                    continue
                steepest = np.float32(0)
                for channel in range(colours):
                    onward = atlas[from_row + down, from_column + right, channel]
                    if inner:
                        step[channel] = np.float32(0.5) * (
                            atlas[other_row, other_column, channel]
                            - onward
                            + atlas[other_row - down, other_column - right, channel]
                            - atlas[from_row, from_column, channel]
                        )
                    else:
                        step[channel] = target[next_row, next_column, channel] - onward
                    steepest = max(steepest, abs(step[channel]))
                trust = min(max(np.float32(2) - steepest / limit, np.float32(0)), np.float32(1))
                for channel in range(colours):
                    wanted[row, column, channel] += trust * step[channel]
                # Over a seam that is an edge the correction stays the same; at the known part it is then free.
                ties += np.float32(1) if inner else trust
            around[row, column] = ties


@njit(cache=True, nogil=True, parallel=True)
def _relax(
    rows: Any,
    columns: Any,
    around: Any,
    wanted: Any,
    screen: Any,
    haste: Any,
    hole: Any,
    correction: Any,
) -> None:
    """One sweep of over-relaxation of `correction` on one colour of the chessboard (screened Poisson; Bhat 2008)."""
    height, width, colours = correction.shape
    for index in prange(rows.shape[0]):
        row, column = rows[index], columns[index]
        scale = np.float32(1) / (around[row, column] + screen)
        for channel in range(colours):
            total = wanted[row, column, channel]
            if row > 0 and hole[row - 1, column]:
                total += correction[row - 1, column, channel]
            if row < height - 1 and hole[row + 1, column]:
                total += correction[row + 1, column, channel]
            if column > 0 and hole[row, column - 1]:
                total += correction[row, column - 1, channel]
            if column < width - 1 and hole[row, column + 1]:
                total += correction[row, column + 1, channel]
            correction[row, column, channel] += haste * (total * scale - correction[row, column, channel])
