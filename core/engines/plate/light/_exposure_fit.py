"""The least squares behind `_exposure`: gains on a graph of frames, one radial falloff, outliers voted out.

Numbers only; no pictures. Nothing here calls a threaded library routine, so that the bits do not depend on threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_ROUNDS = 6
_LEAST_SPREAD = 0.004
"""In stops; blocks that agree better than this still count alike."""
_FLOOR = 0.001
"""In stops; what a comparison of two frames may be off however many blocks it has."""
_ALIKE = 4.0
"""Blocks that share one error: neighbours are registered wrongly together."""
_PRIOR = 1.0
"""Standard deviation, in stops, that v2 and v4 are expected to have before anything is seen."""
_DRAWS = 8
"""Simulated shots without any flicker, which tell what noise alone makes of the gains."""
_SURE = 3.0
"""Standard errors that a falloff must be larger than."""
_LEAST_FALLOFF = 0.02
"""In stops at the corner; less is not corrected."""
_LEAST_LEVER = 0.005
"""How much r² must change between the frames of a pair, on the whole: a still camera says nothing about falloff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equations:
    """One for each block and channel: ``stops = gain[second] - gain[first] + radial @ (v2, v4)``."""

    edges: Integers
    """``(pairs, 2)``: first and second frame."""
    pair: Integers
    """``(count,)``, ascending: the pair of each block."""
    stops: Reals
    """``(count, channels)``."""
    weight: Reals
    """``(count, channels)``."""
    radial: Reals
    """``(count, 2)``."""
    quarter: Integers
    """``(count,)``: 0 to 3, the part of the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """What the normal equations need of the blocks, ``(pairs, channels, ...)``."""

    weight: Reals
    right: Reals
    """Of stops and of the two radial terms, ``(…, 3)``."""
    square: Reals
    """Of products of those, ``(…, 3, 3)``."""


def fit(equations: Equations, *, frames: int) -> tuple[Reals, tuple[float, float]]:
    """Gains ``(frames, channels)`` and (v2, v4)."""
    channels = equations.stops.shape[-1]
    weight = _voted(equations, equations.stops - _medians(equations)[equations.pair])
    gains, falloff = np.zeros((frames, channels)), np.zeros(2)
    for _ in range(_ROUNDS):
        gains, falloff = _solve(_summed(equations, weight), equations.edges, frames)
        weight = _voted(equations, _residuals(equations, gains, falloff))
    sums = _summed(equations, weight)
    gains, falloff = _solve(sums, equations.edges, frames)
    if not _supported(equations, weight, falloff, frames):
        falloff = np.zeros(2)
        gains = _gains(sums.right[..., :1], sums.weight, equations.edges, frames)[..., 0]
    return gains * _kept(gains, sums.weight, equations.edges, frames), (float(falloff[0]), float(falloff[1]))


def _residuals(equations: Equations, gains: Reals, falloff: Reals) -> Reals:
    first, second = equations.edges[equations.pair].T
    radial = (equations.radial * falloff).sum(axis=-1, keepdims=True)
    left: Reals = equations.stops - (gains[second] - gains[first]) - radial
    return left


def _medians(equations: Equations) -> Reals:
    """Of each pair's stops, over blocks that have a weight; 0 where none has."""
    pairs, channels = len(equations.edges), equations.stops.shape[-1]
    medians = np.zeros((pairs, channels))
    starts = np.searchsorted(equations.pair, np.arange(pairs + 1))
    for pair in range(pairs):
        of = slice(starts[pair], starts[pair + 1])
        for channel in range(channels):
            stops = equations.stops[of, channel][equations.weight[of, channel] > 0]
            if len(stops):
                medians[pair, channel] = np.median(stops)
    return medians


def _voted(equations: Equations, residuals: Reals) -> Reals:
    """Weights of the blocks after the vote; each pair and channel sums up to its precision, in 1/stops²."""
    pairs, channels = len(equations.edges), residuals.shape[-1]
    starts = np.searchsorted(equations.pair, np.arange(pairs + 1))
    voted = np.zeros_like(residuals)
    for pair in range(pairs):
        of = slice(starts[pair], starts[pair + 1])
        for channel in range(channels):
            weight, residual = equations.weight[of, channel], residuals[of, channel]
            used = weight > 0
            if not used.any():
                continue
            spread = max(1.4826 * float(np.median(np.abs(residual[used]))), _LEAST_SPREAD)
            # Geman-McClure: what is far off has no say at all.
            weight = weight / (1 + (residual / (2.5 * spread)) ** 2) ** 2
            total = weight.sum()
            independent = max(1.0, total**2 / (weight**2).sum() / _ALIKE)
            voted[of, channel] = weight / total / (_FLOOR**2 + spread**2 / independent)
    return voted


def _summed(equations: Equations, weight: Reals) -> _Sums:
    pairs, channels = len(equations.edges), weight.shape[-1]
    sums, right, square = np.zeros((pairs, channels)), np.zeros((pairs, channels, 3)), np.zeros((pairs, channels, 3, 3))
    for channel in range(channels):
        terms = [equations.stops[:, channel], equations.radial[:, 0], equations.radial[:, 1]]
        own = weight[:, channel]
        sums[:, channel] = np.bincount(equations.pair, own, pairs)
        for i, term in enumerate(terms):
            right[:, channel, i] = np.bincount(equations.pair, own * term, pairs)
            for j, other in enumerate(terms):
                square[:, channel, i, j] = np.bincount(equations.pair, own * term * other, pairs)
    return _Sums(weight=sums, right=right, square=square)


def _solve(sums: _Sums, edges: Integers, frames: int) -> tuple[Reals, Reals]:
    """Gains and falloff together: the falloff from what no gains explain of it (the Schur complement)."""
    answers = _gains(sums.right, sums.weight, edges, frames)
    moved = answers[edges[:, 1]] - answers[edges[:, 0]]
    left = (sums.square - sums.right[..., :, np.newaxis] * moved[..., np.newaxis, :]).sum(axis=(0, 1))
    matrix, right = left[1:, 1:] + np.eye(2) / _PRIOR**2, left[1:, 0]
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    falloff = (
        np.array([matrix[1, 1] * right[0] - matrix[0, 1] * right[1], matrix[0, 0] * right[1] - matrix[1, 0] * right[0]])
        / determinant
    )
    return answers[..., 0] - (answers[..., 1:] * falloff).sum(axis=-1), falloff


def _gains(right: Reals, weight: Reals, edges: Integers, frames: int) -> Reals:
    """Solve the graph's Laplacian for several right sides ``(pairs, channels, sides)``: ``(frames, channels, sides)``.

    Conjugate gradients from 0 stay among what the graph can tell: frames that hang together get mean 0, others 0.
    """
    first, second = edges.T

    def gathered(values: Reals) -> Reals:
        columns = values.reshape(len(edges), -1)
        total = np.stack(
            [np.bincount(second, one, frames) - np.bincount(first, one, frames) for one in columns.T], axis=-1
        )
        return total.reshape(frames, *values.shape[1:])

    residual = gathered(right)
    answer, direction = np.zeros_like(residual), residual.copy()
    size = (residual**2).sum(axis=0)
    enough = 1e-22 * size
    for _ in range(4 * frames + 20):
        if (size <= enough).all():
            break
        forward = gathered(weight[..., np.newaxis] * (direction[second] - direction[first]))
        curvature = (direction * forward).sum(axis=0)
        step = np.where(size > enough, size / np.where(curvature > 0, curvature, np.inf), 0)
        answer += step * direction
        residual -= step * forward
        before, size = size, (residual**2).sum(axis=0)
        direction = residual + size / np.where(before > 0, before, np.inf) * direction
    return answer


def _supported(equations: Equations, weight: Reals, falloff: Reals, frames: int) -> bool:
    """Whether the camera moved enough, and every part of the frame tells the same (a jackknife over its quarters)."""
    change = equations.radial[:, 0][:, np.newaxis] ** 2
    if np.sqrt((weight * change).sum() / max(weight.sum(), 1e-12)) < _LEAST_LEVER:
        return False
    radius = np.linspace(0, 1, 11)
    curve = np.stack([radius**2, radius**4], axis=-1)

    def size(values: Reals) -> float:
        return float(np.sqrt(((curve * values).sum(axis=-1) ** 2).mean()))

    others = []
    for quarter in range(4):
        kept = np.where((equations.quarter != quarter)[:, np.newaxis], weight, 0)
        others.append(_solve(_summed(equations, kept), equations.edges, frames)[1])
    mean = np.mean(others, axis=0)
    error = np.sqrt(3 / 4 * sum(size(other - mean) ** 2 for other in others))
    return abs(float(falloff.sum())) > _LEAST_FALLOFF and size(falloff) > _SURE * error


def _kept(gains: Reals, weight: Reals, edges: Integers, frames: int) -> Reals:
    """Per channel how much of the gains is more than noise, 0 to 1: a Wiener factor against simulated noise."""
    # A fixed seed: the draws say how noise spreads over this graph, and are the same in every run.
    noise = np.random.Generator(np.random.PCG64(5)).standard_normal((*weight.shape, _DRAWS))
    spread = _gains(noise * np.sqrt(weight)[..., np.newaxis], weight, edges, frames)
    expected = (spread**2).mean(axis=(0, 2))
    found = (gains**2).mean(axis=0)
    factor: Reals = np.maximum(0, 1 - 2 * expected / np.maximum(found, 1e-12))
    return factor
