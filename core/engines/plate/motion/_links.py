"""Which frames are registered to each other besides neighbours, so that a chain of pairs cannot drift (S2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate.motion._bundle import common_points
from overscan.core.engines.plate.motion._models import Matrix, inverse

Numbers = npt.NDArray[np.int32]

_EVERY = 12
"""Frames between two keyframes."""
_MOST_KEYFRAMES = 100
"""In longer shots keyframes lie farther apart."""
_LEAST_OVERLAP = 0.3
"""Part of a keyframe that the other must show for the two to be linked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Two keyframes to be linked, by index in the shot."""

    first: int
    second: int
    guess: Matrix
    """The motion from the first to the second as the pairs between them have it, in proxy samples."""


def keyframes(count: int) -> list[int]:
    """The keyframes of a shot of `count` frames, by index: a fixed grid, and the last frame."""
    every = max(_EVERY, -(-count // _MOST_KEYFRAMES))
    return sorted({*range(0, count, every), count - 1})


def chained(models: list[Matrix | None]) -> tuple[Matrix, Numbers]:
    """Motion from every frame to the first, and the number of the run that each frame belongs to.

    `models` are the motions of the pairs, in their order; where one is None another run begins, and the motion before
    is taken to go on. Returns ``(n + 1, 3, 3)`` float64 and ``(n + 1,)`` int32.
    """
    matrices, runs = [np.eye(3)], [0]
    last = next((model for model in models if model is not None), np.eye(3))
    for model in models:
        last = last if model is None else model
        matrices.append(_unit(matrices[-1] @ np.linalg.inv(last)))
        runs.append(runs[-1] + (model is None))
    return np.stack(matrices), np.array(runs, np.int32)


def wanted_links(keys: list[int], *, matrices: Matrix, runs: Numbers, shape: tuple[int, int]) -> list[Wanted]:
    """Links between keyframes that see enough of the same, at distances of 1, 2, 4, 8 … keyframes.

    Like a skip list: from every keyframe to the next two, from every second one to the fourth, from every fourth to
    the eighth and so on, so that there are about three a keyframe however long the camera rests. Two neighbouring
    keyframes with a break in the chain between them may show the same place all the same: that is tried as if the
    camera had gone on, and as if it had stood still.
    """
    wanted = []
    for place, first in enumerate(keys):
        step = 1
        while place + step < len(keys):
            second = keys[place + step]
            guess = np.linalg.inv(matrices[second]) @ matrices[first]
            unbroken = runs[first] == runs[second]
            if place % max(1, step // 2) == 0 and (unbroken or step == 1) and _overlap(guess, shape) > _LEAST_OVERLAP:
                wanted.append(Wanted(first=first, second=second, guess=guess))
            if not unbroken and step == 1:
                wanted.append(Wanted(first=first, second=second, guess=np.eye(3)))
            step *= 2
    return wanted


def _overlap(model: Matrix, shape: tuple[int, int]) -> float:
    """Part of a picture that `model` takes into a picture of the same shape; the smaller of there and back."""
    there = len(common_points(model, shape, columns=16, rows=12))
    back = len(common_points(inverse(model), shape, columns=16, rows=12))
    return min(there, back) / (16 * 12)


def _unit(matrix: Matrix) -> Matrix:
    """The same motion, scaled so that long chains neither grow nor shrink."""
    return np.asarray(matrix / np.cbrt(np.linalg.det(matrix)))
