"""Turns an address map into few pieces that meet where both agree.

The map is a labelling: a label is an offset (address minus position), a seam runs where neighbours have different
ones (shift-maps; Pritch 2009). Positions, atlas and targets are those of `_patchmatch`. Masks are uint8: `hole` is
what is completed, `anchor` the known pixels that it has to meet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from overscan.core.engines.plate.synthesis._patchmatch import BLOCK, distance, price

_SIDES = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)], np.int32)
_MOST_LABELS = 64
"""Labels round a piece that are told apart."""
_LABELS_TRIED = 6
"""Labels round a piece that are tried, those with the longest common border first."""


@njit(cache=True, nogil=True)
def _apart(atlas: Any, row: Any, column: Any, other_row: Any, other_column: Any, colours: Any) -> Any:
    """Squared difference of two pixels of the atlas."""
    total = np.float32(0)
    for channel in range(colours):
        gap = atlas[row, column, channel] - atlas[other_row, other_column, channel]
        total += gap * gap
    return total


@njit(cache=True, nogil=True)
def _seam(
    row: Any,
    column: Any,
    down: Any,
    right: Any,
    from_row: Any,
    from_column: Any,
    target: Any,
    atlas: Any,
    colours: Any,
    least_seam: Any,
    hole: Any,
    anchor: Any,
    at_row: Any,
    at_column: Any,
) -> Any:
    """How visible the seam is between a pixel copied from the address given and its neighbour as it stands."""
    height, width = hole.shape
    next_row, next_column = row + down, column + right
    if not (0 <= next_row < height and 0 <= next_column < width):
        return np.float32(0)
    if hole[next_row, next_column]:
        other_row, other_column = at_row[next_row, next_column], at_column[next_row, next_column]
        if other_row == from_row + down and other_column == from_column + right:
            return np.float32(0)
        here = _apart(atlas, from_row, from_column, other_row - down, other_column - right, colours)
        there = _apart(atlas, from_row + down, from_column + right, other_row, other_column, colours)
        return least_seam + here + there
    if not anchor[next_row, next_column]:
        return np.float32(0)
    total = np.float32(0)
    for channel in range(colours):
        gap = atlas[from_row + down, from_column + right, channel] - target[next_row, next_column, channel]
        total += gap * gap
    return np.float32(2) * total


@njit(cache=True, nogil=True, parallel=True)
def settle(
    rows: Any,
    columns: Any,
    target: Any,
    weight: Any,
    atlas: Any,
    valid: Any,
    radius: Any,
    colours: Any,
    limit: Any,
    lean: Any,
    guide: Any,
    tops: Any,
    directions: Any,
    stiffness: Any,
    least_seam: Any,
    hole: Any,
    anchor: Any,
    at_row: Any,
    at_column: Any,
    cost: Any,
) -> None:
    """Let the pixels given, of one colour of the chessboard, take over a neighbour's label where that costs less.

    The cost is the patch's distance and its `price`, plus `stiffness` times the seams to the four neighbours,
    each at least `least_seam` where there is one.
    """
    height, width = hole.shape
    count = rows.shape[0]
    for block in prange((count + BLOCK - 1) // BLOCK):
        sums = np.empty(colours, np.float32)
        for index in range(block * BLOCK, min(count, (block + 1) * BLOCK)):
            row, column = rows[index], columns[index]
            best_row, best_column, best_cost = at_row[row, column], at_column[row, column], cost[row, column]
            least = np.float32(np.inf)
            for attempt in range(-1, 4):
                new_row, new_column, new_cost = at_row[row, column], at_column[row, column], cost[row, column]
                if attempt >= 0:
                    down, right = _SIDES[attempt, 0], _SIDES[attempt, 1]
                    if not (0 <= row + down < height and 0 <= column + right < width):
                        continue
                    if not hole[row + down, column + right]:
                        continue
                    new_row = at_row[row + down, column + right] - down
                    new_column = at_column[row + down, column + right] - right
                    if not (0 <= new_row < valid.shape[0] and 0 <= new_column < valid.shape[1]):
                        continue
                    if valid[new_row, new_column] == 0 or (new_row == best_row and new_column == best_column):
                        continue
                    new_cost = price(row, column, new_row, new_column, lean, guide, tops, directions) + distance(
                        target, weight, row, column, atlas, new_row, new_column, radius, colours, limit, least, sums
                    )
                total = new_cost
                for side in range(4):
                    if total >= least:
                        break
                    total += stiffness * _seam(
                        row,
                        column,
                        _SIDES[side, 0],
                        _SIDES[side, 1],
                        new_row,
                        new_column,
                        target,
                        atlas,
                        colours,
                        least_seam,
                        hole,
                        anchor,
                        at_row,
                        at_column,
                    )
                if total < least:
                    best_row, best_column, best_cost, least = new_row, new_column, new_cost, total
            at_row[row, column], at_column[row, column], cost[row, column] = best_row, best_column, best_cost


@njit(cache=True, nogil=True)
def _pieces(rows: Any, columns: Any, hole: Any, at_row: Any, at_column: Any) -> Any:
    """The pixels of the hole sorted by piece, as ``(count, 2)``, and where each piece starts, one more than pieces."""
    height, width = hole.shape
    count = rows.shape[0]
    seen = np.zeros((height, width), np.uint8)
    members = np.empty((count, 2), np.int32)
    starts = np.empty(count + 1, np.int32)
    filled, pieces = 0, 0
    for index in range(count):
        if seen[rows[index], columns[index]]:
            continue
        starts[pieces] = filled
        pieces += 1
        seen[rows[index], columns[index]] = 1
        members[filled, 0], members[filled, 1] = rows[index], columns[index]
        head = filled
        filled += 1
        while head < filled:
            row, column = members[head, 0], members[head, 1]
            head += 1
            for side in range(4):
                down, right = _SIDES[side, 0], _SIDES[side, 1]
                next_row, next_column = row + down, column + right
                if not (0 <= next_row < height and 0 <= next_column < width):
                    continue
                if not hole[next_row, next_column] or seen[next_row, next_column]:
                    continue
                if at_row[next_row, next_column] != at_row[row, column] + down:
                    continue
                if at_column[next_row, next_column] != at_column[row, column] + right:
                    continue
                seen[next_row, next_column] = 1
                members[filled, 0], members[filled, 1] = next_row, next_column
                filled += 1
    starts[pieces] = filled
    return members, starts[: pieces + 1]


@njit(cache=True, nogil=True)
def merge(
    rows: Any,
    columns: Any,
    target: Any,
    weight: Any,
    atlas: Any,
    valid: Any,
    radius: Any,
    colours: Any,
    limit: Any,
    lean: Any,
    guide: Any,
    tops: Any,
    directions: Any,
    stiffness: Any,
    least_seam: Any,
    least_piece: Any,
    hole: Any,
    anchor: Any,
    at_row: Any,
    at_column: Any,
    cost: Any,
) -> int:
    """Give whole pieces a neighbouring piece's label where that costs less; return how many took one.

    A piece of fewer than `least_piece` pixels takes the cheapest of its neighbours' that are allowed, whatever the
    price. Smallest pieces first, so that crumbs are gone before the large ones are judged. Serial: a piece is judged
    against its neighbours as they have become.
    """
    height, width = hole.shape
    sums = np.empty(colours, np.float32)
    members, starts = _pieces(rows, columns, hole, at_row, at_column)
    sizes = starts[1:] - starts[:-1]
    inside = np.zeros((height, width), np.int32)
    costs = np.empty(rows.shape[0], np.float32)
    best_costs = np.empty(rows.shape[0], np.float32)
    merged = 0
    for piece in np.argsort(sizes, kind="mergesort"):
        start, stop = starts[piece], starts[piece + 1]
        for index in range(start, stop):
            inside[members[index, 0], members[index, 1]] = piece + 1
        down_now = at_row[members[start, 0], members[start, 1]] - members[start, 0]
        right_now = at_column[members[start, 0], members[start, 1]] - members[start, 1]
        # The labels around, each with the length of the border shared.
        labels = np.empty((_MOST_LABELS, 2), np.int32)
        shared = np.zeros(_MOST_LABELS, np.int32)
        known = 0
        for index in range(start, stop):
            for side in range(4):
                row, column = members[index, 0] + _SIDES[side, 0], members[index, 1] + _SIDES[side, 1]
                if not (0 <= row < height and 0 <= column < width) or not hole[row, column]:
                    continue
                if inside[row, column] == piece + 1:
                    continue
                down, right = at_row[row, column] - row, at_column[row, column] - column
                if down == down_now and right == right_now:
                    continue
                place = 0
                while place < known and (labels[place, 0] != down or labels[place, 1] != right):
                    place += 1
                if place == known:
                    if known == _MOST_LABELS:
                        continue
                    labels[place, 0], labels[place, 1] = down, right
                    known += 1
                shared[place] += 1
        small = stop - start < least_piece
        least = np.inf
        best = -2
        for attempt in range(-1, min(known, _LABELS_TRIED)):
            down, right = down_now, right_now
            if attempt >= 0:
                longest = 0
                for place in range(1, known):
                    if shared[place] > shared[longest]:
                        longest = place
                shared[longest] = -1
                down, right = labels[longest, 0], labels[longest, 1]
            elif small:
                continue
            total = 0.0
            for index in range(start, stop):
                row, column = members[index, 0], members[index, 1]
                from_row, from_column = row + down, column + right
                if attempt < 0:
                    costs[index - start] = cost[row, column]
                elif (
                    0 <= from_row < valid.shape[0]
                    and 0 <= from_column < valid.shape[1]
                    and valid[from_row, from_column] == 1
                ):
                    costs[index - start] = price(
                        row, column, from_row, from_column, lean, guide, tops, directions
                    ) + distance(
                        target, weight, row, column, atlas, from_row, from_column, radius, colours, limit, np.inf, sums
                    )
                else:
                    total = np.inf
                    break
                total += costs[index - start]
                for side in range(4):
                    beside_row, beside_column = row + _SIDES[side, 0], column + _SIDES[side, 1]
                    if not (0 <= beside_row < height and 0 <= beside_column < width):
                        continue
                    if inside[beside_row, beside_column] == piece + 1:
                        continue
                    # Twice, for a seam costs both of its sides.
                    total += (
                        2
                        * stiffness
                        * _seam(
                            row,
                            column,
                            _SIDES[side, 0],
                            _SIDES[side, 1],
                            from_row,
                            from_column,
                            target,
                            atlas,
                            colours,
                            least_seam,
                            hole,
                            anchor,
                            at_row,
                            at_column,
                        )
                    )
                if total >= least:
                    break
            if total < least:
                least, best = total, attempt
                best_down, best_right = down, right
                best_costs[: stop - start] = costs[: stop - start]
        if best >= 0:
            merged += 1
            for index in range(start, stop):
                row, column = members[index, 0], members[index, 1]
                at_row[row, column], at_column[row, column] = row + best_down, column + best_right
                cost[row, column] = best_costs[index - start]
    return merged
