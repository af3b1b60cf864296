"""Fetches copied pixels from the plate again, and compares: are the source layers true?

Independent of the engine that copied: its addresses are read from the layers, and the light at them is interpolated
here. What is compared is everything but a local gain: engines match exposure and level seams, and both are smooth over
a few samples. docs/receipts.md states the tolerance, and how often a wrong address would pass it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from overscan.core.geometry import Window
from overscan.core.plates import Plane
from overscan.core.results import SourceKind

SAMPLED = 10_000
"""Pixels that are fetched again in one check, where a result has so many."""
BLOCK = 8
"""Side of the squares that they are taken in; each has gains of its own."""
_FEWEST = 12
"""Copied pixels of one source frame that a square must have for its gain to be known."""
_TAPS, _BEFORE = 6, 2
_GAINS = (0.2, 5.0)
RELATIVE, STEPS, SIGMAS = 0.01, 0.25, 4.25
"""A pixel is reproduced where it differs by no more than so much of its light, plus so many times the largest step to
a neighbouring sample at its source, plus so many times the noise of the plate there: three standard deviations of the
difference between two samples with noise of their own."""
_FLOOR = 1e-3
"""Scene-linear; differences below are nothing."""
_MAD = 1.4826

Light = npt.NDArray[np.float32]
LightOf = Callable[[int], tuple[Light, Window]]
"""Light of a plate frame, ``(height, width, channels)``, and where it lies in the plate's pixel space."""
Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """What fetching again found in one frame, or in several."""

    sampled: int
    reproduced: int
    unreachable: int = 0
    """How many more were drawn, and could not be fetched: their frames are not there."""


def check_sources(
    *, light: Light, layers: Mapping[str, Plane], light_of: LightOf, count: int, seed: int, shift: float = 0.0
) -> SourceCheck:
    """Fetch about `count` copied pixels of one result frame again.

    `light` is the result's, ``(height, width, channels)`` scene-linear, over the window of its extra `layers`.
    `light_of` gives plate frames and raises KeyError for those that are not there. `shift` displaces every address by
    so many samples down and to the right: with it the check must fail, which tells what it is worth.
    """
    copied = (layers["source.kind"] == SourceKind.COPIED) & (layers["generated.A"] == 1)
    copied &= np.isfinite(layers["source.X"]) & np.isfinite(layers["source.Y"]) & np.isfinite(layers["source.frame"])
    sampled = reproduced = unreachable = 0
    for rows, columns in _blocks(copied, count, np.random.default_rng(seed)):
        frames = layers["source.frame"][rows, columns]
        for number in np.unique(frames):
            own = frames == number
            if own.sum() < _FEWEST:
                continue
            at = (rows[own], columns[own])
            try:
                plate, window = light_of(int(number))
            except KeyError:
                unreachable += len(at[0])
                continue
            x = layers["source.X"][at].astype(np.float64) - window.x + shift
            y = layers["source.Y"][at].astype(np.float64) - window.y + shift
            inside = (x >= 0) & (y >= 0) & (x <= plate.shape[1] - 1) & (y <= plate.shape[0] - 1)
            sampled += len(inside)  # nothing can have been copied from beyond the plate
            reproduced += int(_compared(light[at][inside], plate, x[inside], y[inside]).sum())
    return SourceCheck(sampled=sampled, reproduced=reproduced, unreachable=unreachable)


def _blocks(
    copied: npt.NDArray[np.bool_], count: int, random: np.random.Generator
) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Squares with enough copied pixels, drawn until they have `count`."""
    height, width = (side // BLOCK * BLOCK for side in copied.shape)
    if not height or not width:
        return []
    squares = copied[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).sum(axis=(1, 3))
    candidates = np.argwhere(squares >= _FEWEST)
    found, total = [], 0
    for row, column in candidates[random.permutation(len(candidates))]:
        if total >= count:
            break
        top, left = row * BLOCK, column * BLOCK
        rows, columns = np.nonzero(copied[top : top + BLOCK, left : left + BLOCK])
        found.append((rows + top, columns + left))
        total += len(rows)
    return found


def _compared(actual: Light, plate: Light, x: Points, y: Points) -> npt.NDArray[np.bool_]:
    """Which pixels hold the plate's light at their addresses, but for one gain a channel."""
    if not len(x):
        return np.zeros(0, np.bool_)
    taps = _neighbours(plate, x, y)
    across, down = _lanczos(x - np.floor(x)), _lanczos(y - np.floor(y))
    with np.errstate(invalid="ignore"):
        expected = np.einsum("nijc,ni,nj->nc", taps, down, across)
    usable = np.isfinite(expected).all(axis=1) & np.isfinite(actual).all(axis=1)
    if not usable.any():
        return np.ones(len(x), np.bool_)  # no light to compare
    noise = _noise(taps[usable])
    gain = _gain(actual[usable], expected[usable], noise)
    near = taps[:, _BEFORE - 1 : _BEFORE + 3, _BEFORE - 1 : _BEFORE + 3]
    with np.errstate(invalid="ignore"):
        steps = np.maximum(
            np.abs(np.diff(near, axis=1)).max(axis=(1, 2)), np.abs(np.diff(near, axis=2)).max(axis=(1, 2))
        )
        wanted = gain * expected
        allowed = RELATIVE * np.abs(wanted) + gain * STEPS * steps + SIGMAS * np.maximum(gain, 1) * noise + _FLOOR
        same: npt.NDArray[np.bool_] = (np.abs(actual - wanted) <= allowed).all(axis=1)
    fits: npt.NDArray[np.bool_] = same | ~usable
    return fits


def _gain(actual: Light, expected: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """One factor a channel that brings `expected` nearest to `actual`: the ratio of their sums, which noise hardly
    moves; by least squares where there is hardly any light."""
    theirs, ours = expected.sum(axis=0), actual.sum(axis=0, dtype=np.float64)
    lit = np.abs(theirs) > noise * np.sqrt(len(expected)) + _FLOOR * len(expected)
    squares = np.maximum((expected**2).sum(axis=0), _FLOOR**2)
    gains = np.where(lit, ours / np.where(lit, theirs, 1.0), (expected * actual).sum(axis=0) / squares)
    return np.asarray(np.clip(gains, *_GAINS), np.float64)


def _noise(taps: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Standard deviation of what neighbouring samples do not share, a channel: noise, and the finest texture."""
    inner = taps[:, 1:-1, 1:-1]
    cross = taps[:, :-2, 1:-1] + taps[:, 2:, 1:-1] + taps[:, 1:-1, :-2] + taps[:, 1:-1, 2:]
    corners = taps[:, :-2, :-2] + taps[:, :-2, 2:] + taps[:, 2:, :-2] + taps[:, 2:, 2:]
    # Immerkaer, "Fast Noise Variance Estimation" (1996): planes and edges along the grid cancel; noise is left times 6.
    left = 4 * inner - 2 * cross + corners
    with np.errstate(invalid="ignore"):
        return np.asarray(_MAD * np.nanmedian(np.abs(left), axis=(0, 1, 2)) / 6, np.float64)


def _neighbours(plate: Light, x: Points, y: Points) -> npt.NDArray[np.float32]:
    """The 6x6 samples round each address, those beyond the edge repeated: ``(count, 6, 6, channels)``."""
    offsets = np.arange(_TAPS) - _BEFORE
    rows = np.clip(np.floor(y).astype(np.intp)[:, None] + offsets, 0, plate.shape[0] - 1)
    columns = np.clip(np.floor(x).astype(np.intp)[:, None] + offsets, 0, plate.shape[1] - 1)
    taps: npt.NDArray[np.float32] = plate[rows[:, :, None], columns[:, None, :]]
    return taps


def _lanczos(fraction: Points) -> Points:
    """Weights of six samples for an address that lies `fraction` after the third: Lanczos of three lobes."""
    distance = fraction[:, None] - (np.arange(_TAPS) - _BEFORE)
    weights = np.sinc(distance) * np.sinc(distance / (_TAPS / 2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)
