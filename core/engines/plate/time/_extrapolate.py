"""Where the camera goes from here: motion between neighbours, carried on and slowly dying away.

Motions are added up as logarithms of homographies (the Lie algebra of SL(3), as in Mei 2008), where shift, turn and
zoom are separate amounts per frame: a zoom goes on as equal factors and never runs away, a turn stays a turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from overscan.core.engines.plate.motion._models import Matrix

HALF_LIFE = 18.0
"""Frames after which the camera has half its speed."""
_LATEST, _LATEST_FADES = 0.5, 3.0
"""How much of what the last pair does otherwise than the ones before goes on, and the frames after which half of that:
it may be the beginning of a move, or shake. By the mean of four clips of DAVIS all of it is as good as half."""
_MEMORY = 3.0
"""Frames back at which a pair counts half for the steady motion."""
_ROOTS = 5
_TERMS = 12
"""Square roots taken and terms of the series of a logarithm: enough for a motion of the picture's own size."""


def camera_ahead(
    steps: Sequence[Matrix], weights: Sequence[float], *, count: int, shape: tuple[int, int]
) -> list[Matrix]:
    """Where the plane moves from the last frame to each of `count` frames after it: 3x3, proxy samples.

    `steps` are the motions between neighbours, the last one into the last frame, ``(n, 3, 3)`` in proxy samples of
    pictures of `shape` ``(height, width)``; `weights` say how far each is to be believed. Without steps nothing moves.
    """
    if not steps:
        return [np.eye(3)] * count
    unit = _unit(shape)
    back = np.linalg.inv(unit)
    speeds = [_logarithm(unit @ step @ back) for step in steps]
    ages = np.arange(len(speeds) - 1, -1, -1)
    memory = np.asarray(weights, np.float64) * 0.5 ** (ages / _MEMORY)
    total = memory.sum()
    steady = np.tensordot(memory, speeds, axes=1) / total if total > 0 else np.zeros((3, 3))
    special = _LATEST * (speeds[-1] - steady)
    place = np.eye(3)
    ahead = []
    for frame in range(count):
        speed = 0.5 ** (frame / HALF_LIFE) * (steady + special * 0.5 ** (frame / _LATEST_FADES))
        place = _exponential(speed) @ place
        ahead.append(back @ place @ unit)
    return ahead


def _unit(shape: tuple[int, int]) -> Matrix:
    """Proxy samples to coordinates from the picture's centre, in which its longer side is 2."""
    height, width = shape
    scale = 2.0 / max(width, height, 2)
    return np.array([[scale, 0, -scale * (width - 1) / 2], [0, scale, -scale * (height - 1) / 2], [0, 0, 1]])


def _logarithm(motion: Matrix) -> Matrix:
    determinant = float(np.linalg.det(motion))
    if not np.isfinite(motion).all() or determinant <= 1e-6:
        return np.zeros((3, 3))  # it turns the picture over: no camera does
    root = motion / np.cbrt(determinant)
    for _ in range(_ROOTS):
        root = _square_root(root)
    rest = root - np.eye(3)
    power, total = rest, rest.copy()
    for term in range(2, _TERMS + 1):
        power = -power @ rest
        total += power / term
    result: Matrix = total * 2**_ROOTS
    return result if np.isfinite(result).all() and np.abs(result).max() < 1 else np.zeros((3, 3))


def _square_root(matrix: Matrix) -> Matrix:
    """By Denman & Beavers 1976."""
    root, other = matrix, np.eye(3)
    for _ in range(12):
        root, other = (root + np.linalg.inv(other)) / 2, (other + np.linalg.inv(root)) / 2
    return root


def _exponential(speed: Matrix) -> Matrix:
    small = speed / 2**_ROOTS
    term, total = np.eye(3), np.eye(3)
    for number in range(1, _TERMS + 1):
        term = term @ small / number
        total = total + term
    for _ in range(_ROOTS):
        total = total @ total
    return total
