"""Finds for each patch of a picture the one most like it in an atlas, and paints with what was found (Barnes 2009).

Positions are (row, column) of pixel centres. A *target* is the picture under completion, the *atlas* a stack of
pictures to copy from, both ``(height, width, channels)`` float32. Of the channels the first `colours` may be offset
by a bias of their own per patch; the others are texture features, compared as they are.

All kernels give the same bits on any number of threads: each output is written from its own inputs, chance comes
from a hash of (key, pixel), and the search works on one colour of a chessboard at a time, whose pixels look only at
pixels of the other colour and at themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

BLOCK = 64
"""Pixels that share one piece of scratch memory."""

_STIFF = np.float32(1.25)
"""1 + what a bias costs, as a part of the error it takes away; else flat patches would fit anything near them."""
_ASTRAY = np.float32(2)
"""Pixels beside a line at which a copy has nothing of it any more."""
_UPRIGHT = np.float32(0.3)
"""What is left of the cost of another height for a copy along a line."""
_FAINTEST = np.float32(30)
"""Patches that fit badly keep a vote of exp(-30), so that a pixel with none better is painted at all."""


@njit(cache=True, nogil=True)
def _mixed(key: Any, counter: Any) -> Any:
    """A well mixed 64-bit number from a key and a counter (SplitMix64; Steele 2014)."""
    bits = np.uint64(key) + np.uint64(counter) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def key_for(seed: int, *numbers: int) -> np.uint64:
    """The key of one use of chance: a hash of `seed` and the numbers that tell the use from others."""
    key = np.uint64(seed % 2**64)
    for number in numbers:
        key = np.uint64(_mixed(key, np.uint64(number)))
    return key


@njit(cache=True, nogil=True)
def _fraction(key: Any, counter: Any) -> Any:
    """A number from 0 up to 1."""
    return (_mixed(key, counter) >> np.uint64(40)) * (1.0 / (1 << 24))


@njit(cache=True, nogil=True)
def price(
    row: Any, column: Any, from_row: Any, from_column: Any, lean: Any, guide: Any, tops: Any, directions: Any
) -> Any:
    """What an address costs, whatever is there.

    Copying from another height costs `lean` times the rows' distance squared. Copying along one of `directions`
    ``(n, 2)``, unit vectors, is free, beside them costs up to `guide`, reached `_ASTRAY` pixels beside (Huang 2014).
    `tops` has for each row of the atlas the row that its picture begins at; picture 0 alone shares its lines with the
    target.
    """
    top = tops[from_row]
    down, right = np.float32(from_row - top - row), np.float32(from_column - column)
    beside = _ASTRAY
    if top == 0:
        for index in range(directions.shape[0]):
            beside = min(beside, abs(down * directions[index, 1] - right * directions[index, 0]))
    astray = beside / _ASTRAY
    return lean * down * down * (_UPRIGHT + (np.float32(1) - _UPRIGHT) * astray) + guide * astray


@njit(cache=True, nogil=True)
def distance(
    target: Any,
    weight: Any,
    row: Any,
    column: Any,
    atlas: Any,
    from_row: Any,
    from_column: Any,
    radius: Any,
    colours: Any,
    limit: Any,
    stop: Any,
    sums: Any,
) -> Any:
    """Mean squared error of the patch at (row, column) against the atlas's, after the best bias within ±`limit`.

    Each pixel counts by its `weight`; what lies outside of the target is left out. Infinite once it cannot be less
    than `stop`. Leaves the biases (target minus atlas) in the first `colours` places of `sums`.
    """
    height, width, channels = target.shape
    first_row, last_row = max(-radius, -row), min(radius, height - 1 - row)
    first_column, last_column = max(-radius, -column), min(radius, width - 1 - column)
    mass = np.float32(0)
    for i in range(first_row, last_row + 1):
        for j in range(first_column, last_column + 1):
            mass += weight[row + i, column + j]
    for channel in range(colours):
        sums[channel] = np.float32(0)
    if mass <= 0:
        return np.float32(np.inf)
    squares, seen, error = np.float32(0), np.float32(0), np.float32(0)
    enough = stop * mass
    for i in range(first_row, last_row + 1):
        for j in range(first_column, last_column + 1):
            counts = weight[row + i, column + j]
            if counts <= 0:
                continue
            seen += counts
            for channel in range(colours):
                gap = target[row + i, column + j, channel] - atlas[from_row + i, from_column + j, channel]
                sums[channel] += counts * gap
                squares += counts * gap * gap
            for channel in range(colours, channels):
                gap = target[row + i, column + j, channel] - atlas[from_row + i, from_column + j, channel]
                squares += counts * gap * gap
        # The least error over all biases grows with each row, so that it may be compared on the way.
        error = squares
        if seen > 0:
            for channel in range(colours):
                bias = min(max(sums[channel] / (_STIFF * seen), -limit), limit)
                error -= bias * (np.float32(2) * sums[channel] - _STIFF * bias * seen)
        if error >= enough:
            return np.float32(np.inf)
    for channel in range(colours):
        sums[channel] = min(max(sums[channel] / (_STIFF * seen), -limit), limit)
    return max(error, np.float32(0)) / mass


@njit(cache=True, nogil=True)
def scatter(rows: Any, columns: Any, key: Any, centres: Any, at_row: Any, at_column: Any) -> None:
    """Give the pixels given an address each, at random among `centres` ``(n, 2)``."""
    for index in range(rows.shape[0]):
        row, column = rows[index], columns[index]
        pick = int(_fraction(_mixed(key, row * at_row.shape[1] + column), 0) * centres.shape[0])
        at_row[row, column], at_column[row, column] = centres[pick, 0], centres[pick, 1]


@njit(cache=True, nogil=True, parallel=True)
def measure(
    rows: Any,
    columns: Any,
    target: Any,
    weight: Any,
    atlas: Any,
    radius: Any,
    colours: Any,
    limit: Any,
    lean: Any,
    guide: Any,
    tops: Any,
    directions: Any,
    at_row: Any,
    at_column: Any,
    cost: Any,
    bias: Any,
) -> None:
    """Set `cost` and `bias` ``(height, width, colours)`` of the pixels given from their present addresses."""
    count = rows.shape[0]
    for block in prange((count + BLOCK - 1) // BLOCK):
        sums = np.empty(colours, np.float32)
        for index in range(block * BLOCK, min(count, (block + 1) * BLOCK)):
            row, column = rows[index], columns[index]
            from_row, from_column = at_row[row, column], at_column[row, column]
            cost[row, column] = price(row, column, from_row, from_column, lean, guide, tops, directions) + distance(
                target, weight, row, column, atlas, from_row, from_column, radius, colours, limit, np.inf, sums
            )
            for channel in range(colours):
                bias[row, column, channel] = sums[channel]


@njit(cache=True, nogil=True, parallel=True)
def search(
    rows: Any,
    columns: Any,
    key: Any,
    target: Any,
    weight: Any,
    atlas: Any,
    valid: Any,
    centres: Any,
    offsets: Any,
    radius: Any,
    colours: Any,
    limit: Any,
    jump: Any,
    tries: Any,
    apart: float,
    lean: Any,
    guide: Any,
    tops: Any,
    directions: Any,
    at_row: Any,
    at_column: Any,
    cost: Any,
) -> None:
    """Better addresses for the pixels given, all of one colour of the chessboard.

    Candidates are, shifted, the addresses of neighbours 1 and `jump` (odd) pixels away; addresses at random, `tries`
    of them ever nearer to the best so far and one of all `centres` ``(n, 2)``; one of `offsets` ``(n, 2)``; and one
    along one of `directions`. Addresses less than `apart` from the pixel itself, and those that are not `valid`, do
    not count. To a patch's distance comes its `price`.
    """
    height, width = target.shape[:2]
    atlas_height, atlas_width = valid.shape
    longest = max(height, width)
    count = rows.shape[0]
    for block in prange((count + BLOCK - 1) // BLOCK):
        sums = np.empty(colours, np.float32)
        for index in range(block * BLOCK, min(count, (block + 1) * BLOCK)):
            row, column = rows[index], columns[index]
            own = _mixed(key, row * width + column)
            best_row, best_column, best = at_row[row, column], at_column[row, column], cost[row, column]
            for attempt in range(11 + tries):
                if attempt < 8:
                    step = 1 if attempt < 4 else jump
                    side = attempt & 3
                    down = step * ((side == 0) - (side == 1))
                    right = step * ((side == 2) - (side == 3))
                    if not (0 <= row + down < height and 0 <= column + right < width):
                        continue
                    if at_row[row + down, column + right] < 0:
                        continue
                    new_row = at_row[row + down, column + right] - down
                    new_column = at_column[row + down, column + right] - right
                elif attempt == 8:
                    pick = int(_fraction(own, 1) * centres.shape[0])
                    new_row, new_column = centres[pick, 0], centres[pick, 1]
                elif attempt == 9:
                    if offsets.shape[0] == 0:
                        continue
                    pick = int(_fraction(own, 2) * offsets.shape[0])
                    new_row, new_column = row + offsets[pick, 0], column + offsets[pick, 1]
                elif attempt == 10:
                    if directions.shape[0] == 0:
                        continue
                    pick = int(_fraction(own, 3) * directions.shape[0])
                    far = (2.0 * _fraction(own, 4) - 1.0) * longest
                    new_row = row + int(np.floor(far * directions[pick, 0] + 0.5))
                    new_column = column + int(np.floor(far * directions[pick, 1] + 0.5))
                else:
                    draw = 5 + 3 * (attempt - 11)
                    reach = longest ** (1.0 - (attempt - 11 + _fraction(own, draw)) / tries)
                    new_row = best_row + int(np.floor((2.0 * _fraction(own, draw + 1) - 1.0) * reach + 0.5))
                    new_column = best_column + int(np.floor((2.0 * _fraction(own, draw + 2) - 1.0) * reach + 0.5))
                if new_row == best_row and new_column == best_column:
                    continue
                if not (0 <= new_row < atlas_height and 0 <= new_column < atlas_width):
                    continue
                if valid[new_row, new_column] == 0:
                    continue
                if apart > 0 and (new_row - row) ** 2 + (new_column - column) ** 2 < apart * apart:
                    continue
                fixed = price(row, column, new_row, new_column, lean, guide, tops, directions)
                if fixed >= best:
                    continue
                error = fixed + distance(
                    target, weight, row, column, atlas, new_row, new_column, radius, colours, limit, best - fixed, sums
                )
                if error < best:
                    best_row, best_column, best = new_row, new_column, error
            at_row[row, column], at_column[row, column], cost[row, column] = best_row, best_column, best


@njit(cache=True, nogil=True, parallel=True)
def vote(
    rows: Any,
    columns: Any,
    target: Any,
    atlas: Any,
    radius: Any,
    sharpness: Any,
    confidence: Any,
    at_row: Any,
    at_column: Any,
    cost: Any,
    bias: Any,
) -> None:
    """Paint the pixels given with the mean of what all patches over them say (Wexler 2007).

    A patch counts by its centre's `confidence` and by exp(-cost * sharpness).
    """
    height, width, channels = target.shape
    colours = bias.shape[2]
    count = rows.shape[0]
    for block in prange((count + BLOCK - 1) // BLOCK):
        sums = np.empty(channels, np.float32)
        for index in range(block * BLOCK, min(count, (block + 1) * BLOCK)):
            row, column = rows[index], columns[index]
            sums[:] = np.float32(0)
            mass = np.float32(0)
            for i in range(max(row - radius, 0), min(row + radius, height - 1) + 1):
                for j in range(max(column - radius, 0), min(column + radius, width - 1) + 1):
                    if at_row[i, j] < 0:
                        continue
                    counts = confidence[i, j] * np.float32(np.exp(-min(cost[i, j] * sharpness, _FAINTEST)))
                    from_row, from_column = at_row[i, j] + row - i, at_column[i, j] + column - j
                    for channel in range(channels):
                        sums[channel] += counts * atlas[from_row, from_column, channel]
                    for channel in range(colours):
                        sums[channel] += counts * bias[i, j, channel]
                    mass += counts
            if mass > 0:
                for channel in range(channels):
                    target[row, column, channel] = sums[channel] / mass
