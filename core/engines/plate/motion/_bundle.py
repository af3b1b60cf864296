"""Adjusts the cameras of many frames at once, so that no error is left to add up (Brown & Lowe 2007)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from overscan.core.engines.plate.motion._models import PARAMETERS, Frame, Matrix, grid, inverse, normalised, transfer

_ROUNDS = 30
_DONE = 1e-5
"""Steps shorter than this, in samples, end the search."""
_HUBER = 0.25
"""Links that are off by more, in samples, count less and less."""
_BROKEN = 3.0
"""A link that is off by more after the adjustment saw something else than the background."""
_LEAST_POINTS = 4
_DAMPING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """A measured motion between two frames, by their places among the matrices."""

    first: int
    second: int
    model: Matrix
    """From the first to the second, in samples."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    """One direction of a tie, as positions in one frame and where they were seen in the other."""

    tie: int
    here: int
    there: int
    start: Matrix
    end: Matrix
    weight: float


def adjust(
    matrices: Matrix, *, ties: Sequence[Tie], fixed: npt.NDArray[np.bool_], kind: str, shape: tuple[int, int]
) -> tuple[Matrix, Matrix]:
    """Matrices ``(n, 3, 3)`` of `kind` that agree best with the ties, and by how much each tie is off, in samples.

    Matrices map a frame to a common reference; those that are `fixed` stay as they are, and at least one must be, in
    every group of frames that ties join. The error is the distance in the frames themselves, both ways, under Huber's
    loss for each tie as a whole, so that it does not matter how far the reference is away. `shape` is that of a frame.
    """
    parameters, frame = PARAMETERS[kind], Frame.of(shape)
    current = matrices.copy()
    observed = _observations(ties, shape)
    unknown = np.flatnonzero(~fixed)
    place = np.full(len(matrices), -1)
    place[unknown] = np.arange(len(unknown))
    size = len(unknown) * parameters
    off = _off(current, observed, len(ties))
    for _ in range(_ROUNDS if size else 0):
        normal, right = np.zeros((size, size)), np.zeros(size)
        for points in observed:
            # One robust weight for the whole tie: its points were measured together.
            weight = points.weight * min(1.0, _HUBER / max(off[points.tie], 1e-9))
            relative = np.linalg.inv(current[points.there]) @ current[points.here]
            reached, slope = transfer(relative, points.start)
            here = np.einsum("nij,njk->nik", slope, frame.derivatives(points.start, parameters))
            there = -frame.derivatives(reached, parameters)
            _add(normal, right, here, there, points.end - reached, weight, place[points.here], place[points.there])
        amounts = _solved(normal, right)
        step = 0.0
        for at, number in enumerate(unknown):
            change = frame.element(amounts[at * parameters : (at + 1) * parameters])
            current[number] = current[number] @ change
            corners = grid(shape, columns=2, rows=2)
            step = max(step, float(np.abs(transfer(change, corners)[0] - corners).max()))
        off = _off(current, observed, len(ties))
        if step < _DONE:
            break
    for number in unknown:
        current[number] = _unit(current[number])
    return current, off


def broken(off: Matrix) -> npt.NDArray[np.bool_]:
    """Which ties contradict the others, by how far they are off after `adjust`."""
    contradicts: npt.NDArray[np.bool_] = off > _BROKEN
    return contradicts


def _observations(ties: Sequence[Tie], shape: tuple[int, int]) -> list[_Points]:
    observed = []
    for index, tie in enumerate(ties):
        for here, there, model in ((tie.first, tie.second, tie.model), (tie.second, tie.first, inverse(tie.model))):
            start = common_points(model, shape)
            if len(start) >= _LEAST_POINTS:
                end, _ = transfer(model, start)
                observed.append(_Points(tie=index, here=here, there=there, start=start, end=end, weight=tie.weight))
    return observed


def common_points(model: Matrix, shape: tuple[int, int], *, columns: int = 8, rows: int = 6) -> Matrix:
    """The points of a grid over a picture that `model` takes into a picture of the same shape: ``(n, 2)``."""
    points = grid(shape, columns=columns, rows=rows)
    depth: Matrix = points @ model[2, :2] + model[2, 2]
    reached, _ = transfer(model, points)
    inside = (depth > 0) & (reached >= 0).all(axis=1) & (reached <= np.array([shape[1] - 1, shape[0] - 1])).all(axis=1)
    common: Matrix = points[inside]
    return common


def _off(matrices: Matrix, observed: Sequence[_Points], count: int) -> Matrix:
    """Root mean square distance of each tie, in samples; 0 for ties that see nothing in common."""
    total, points = np.zeros(count), np.zeros(count)
    for seen in observed:
        relative = np.linalg.inv(matrices[seen.there]) @ matrices[seen.here]
        gap = transfer(relative, seen.start)[0] - seen.end
        total[seen.tie] += (gap**2).sum()
        points[seen.tie] += len(gap)
    return np.asarray(np.sqrt(total / np.maximum(points, 1)))


def _unit(matrix: Matrix) -> Matrix:
    """The same motion with determinant 1, so that long chains neither grow nor shrink; affine ones keep a last 1."""
    if matrix[2, 0] == 0 and matrix[2, 1] == 0:
        return normalised(matrix)
    return np.asarray(matrix / np.cbrt(np.linalg.det(matrix)))


@njit(cache=True, nogil=True)
def _add(normal: Any, right: Any, here: Any, there: Any, gap: Any, weight: float, first: int, second: int) -> None:
    """Add one direction of a tie to the normal equations, in one order of summation; places below 0 are fixed."""
    count, _, parameters = here.shape
    for index in range(count):
        for axis in range(2):
            for i in range(2 * parameters):
                own = first if i < parameters else second
                if own < 0:
                    continue
                row = own * parameters + i % parameters
                slope = here[index, axis, i] if i < parameters else there[index, axis, i - parameters]
                right[row] += weight * slope * gap[index, axis]
                for j in range(2 * parameters):
                    other = first if j < parameters else second
                    if other < 0:
                        continue
                    value = here[index, axis, j] if j < parameters else there[index, axis, j - parameters]
                    normal[row, other * parameters + j % parameters] += weight * slope * value


@njit(cache=True, nogil=True)
def _solved(normal: Any, right: Any) -> Any:
    """Solve by Cholesky's decomposition: a library's would sum in another order on another number of threads."""
    size = len(right)
    factor = np.zeros((size, size))
    answer = right.copy()
    for i in range(size):
        for j in range(i + 1):
            total = normal[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                factor[i, i] = np.sqrt(max(total, 0.0) + _DAMPING * max(normal[i, i], 1.0))
            else:
                factor[i, j] = total / factor[j, j]
    for i in range(size):
        for k in range(i):
            answer[i] -= factor[i, k] * answer[k]
        answer[i] /= factor[i, i]
    for back in range(size):
        i = size - 1 - back
        for k in range(i + 1, size):
            answer[i] -= factor[k, i] * answer[k]
        answer[i] /= factor[i, i]
    return answer
