"""Motion blur for copied light: a source that stood still is too sharp for a frame that moves (S9).

A shutter open for a part of a frame's time draws every point out to a line, that part of its motion long. Lines add
like variances: a source that is drawn out by ``ls`` becomes one of ``lt`` with a further line of ``sqrt(lt² - ls²)``.
What the source has too much of cannot be taken away and is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit, prange

from overscan.core.colour import gain_log2
from overscan.core.engines.plate._fetch import BEFORE, TAPS, weights
from overscan.core.engines.plate._lattice import Array

Index = npt.NDArray[np.intp]

_LEAST = 0.5
"""Length of a line in samples below which nothing is drawn out."""
_LONGEST = 128.0
"""In samples. A pan that fast is a smear whatever its exact length."""
_SHUTTERS = np.linspace(0, 1, 6)
"""Shutters that are tried."""
_SMOOTH = 1.0
"""Deviation in samples of what takes the grain off before sharpness is compared."""
_LEAST_EFFECT = 0.2
"""How much a whole frame's motion must change the log ratio of sharpness for a pair to say anything."""
_LEAST_PAIRS = 2
_LARGEST_SPREAD = 0.15
"""Mean distance of the pairs' shutters from their median beyond which they contradict each other."""
_LEAST_SHUTTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedPair:
    """The same part of the scene in two frames, at full resolution: once moving slowly, once fast."""

    slow: Array
    """``(height, width, channels)`` float32, linear light, brought into the fast frame's place; NaN where unknown."""
    fast: Array
    slow_motion: tuple[float, float]
    """x and y in samples a frame."""
    fast_motion: tuple[float, float]


def missing_blur(*, target: Array, source: Array, shutter: float) -> Array:
    """The lines to draw copied pixels out to, ``(count, 2)`` float32: x and y extent in samples, 0 for none.

    `target` and `source` ``(count, 2)`` are the motion, in samples a frame, of each pixel in its frame and in the
    frame it was copied from; of the latter only what runs along the former counts. `shutter` is 0 to 1, the part of
    the frame's time that the shutter is open. Motion that is NaN counts as none.
    """
    target = np.nan_to_num(target, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    source = np.nan_to_num(source, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    speed = np.sqrt((target**2).sum(axis=-1))
    direction = target / np.maximum(speed, np.float32(1e-6))[:, np.newaxis]
    along = (source * direction).sum(axis=-1)
    length = np.float32(shutter) * np.sqrt(np.maximum(speed**2 - along**2, 0))
    length = np.where(length < _LEAST, 0, np.minimum(length, _LONGEST))
    lines: Array = (direction * length[:, np.newaxis]).astype(np.float32)
    return lines


def blurred_along(light: Array, *, rows: Index, columns: Index, lines: Array) -> Array:
    """Light of single pixels drawn out to lines: ``(count, channels)`` float32.

    `light` ``(height, width, channels)`` is all there is, fill and plate, so that nothing dark comes in from the edge
    of the fill; beyond the picture its edge goes on. `lines` are those of `missing_blur`, centred on their pixels.
    NaN and infinite light is left out of the mean. A pixel without a line comes back as it is.
    """
    values = light[rows, columns].astype(np.float32)
    _draw(np.ascontiguousarray(light), np.ascontiguousarray(rows), np.ascontiguousarray(columns), lines, values)
    return values


def estimate_shutter(pairs: Sequence[SpeedPair]) -> float:
    """How long the shutter was open, as a part of a frame's time, 0 to 1; 0 where the pairs do not tell.

    Looks at how much sharpness along the motion, against that across it, the fast pictures lack of the slow ones, and
    which shutter takes as much from the slow ones. At least two pairs must say so, and agree.
    """
    found = [shutter for shutter in (_shutter(pair) for pair in pairs) if shutter is not None]
    if len(found) < _LEAST_PAIRS:
        return 0.0
    middle = float(np.median(found))
    spread = float(np.mean(np.abs(np.array(found) - middle)))
    return middle if spread <= _LARGEST_SPREAD and middle >= _LEAST_SHUTTER else 0.0


def _shutter(pair: SpeedPair) -> float | None:
    """The shutter that one pair tells, None where it tells nothing."""
    whole = np.isfinite(pair.slow).all(axis=-1) & np.isfinite(pair.fast).all(axis=-1)
    fast, slow = (np.array([motion], np.float32) for motion in (pair.fast_motion, pair.slow_motion))
    speed = float(np.hypot(*pair.fast_motion))
    reach = int(min(speed, _LONGEST) / 2 + 3 * _SMOOTH) + 2
    inside = (
        cv2.erode(np.asarray(whole, np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8), borderValue=0) > 0
    )
    if not inside.any() or speed < 1:
        return None
    direction = fast[0] / np.float32(speed)
    rows, columns = np.nonzero(whole)
    ratios = []
    for shutter in _SHUTTERS:
        line = missing_blur(target=fast, source=slow, shutter=float(shutter))
        candidate = pair.slow.copy()
        drawn = blurred_along(pair.slow, rows=rows, columns=columns, lines=np.repeat(line, len(rows), axis=0))
        candidate[rows, columns] = drawn
        ratios.append(_sharpness(candidate, inside, direction))
    wanted = _sharpness(pair.fast, inside, direction)
    if not np.isfinite([wanted, *ratios]).all() or ratios[0] - ratios[-1] < _LEAST_EFFECT:
        return None
    falling = np.minimum.accumulate(ratios)
    return float(np.interp(-wanted, -falling, _SHUTTERS))


def _sharpness(light: Array, inside: npt.NDArray[np.bool_], direction: Array) -> float:
    """Log2 of the energy of the gradient along a direction over that across it, in stops of the light."""
    stops = cv2.GaussianBlur(gain_log2(light).mean(axis=-1), (0, 0), _SMOOTH)
    down, across = np.gradient(stops)
    along = (across * direction[0] + down * direction[1])[inside]
    beside = (down * direction[0] - across * direction[1])[inside]
    energy = float((along.astype(np.float64) ** 2).mean()), float((beside.astype(np.float64) ** 2).mean())
    return float(np.log2(energy[0] / energy[1])) if min(energy) > 0 else float("nan")


@njit(cache=True, nogil=True, parallel=True)
def _draw(light: Any, rows: Any, columns: Any, lines: Any, values: Any) -> None:
    """Means over lines, two looks a sample."""
    height, width, channels = light.shape
    for index in prange(len(rows)):
        length = np.sqrt(lines[index, 0] ** 2 + lines[index, 1] ** 2)
        if not length > 0:
            continue
        looks = int(np.ceil(2 * length)) + 1
        total, one = np.zeros(channels), np.zeros(channels)
        count = 0
        for look in range(looks):
            part = (look + 0.5) / looks - 0.5
            x = min(max(columns[index] + part * lines[index, 0], 0.0), width - 1.0)
            y = min(max(rows[index] + part * lines[index, 1], 0.0), height - 1.0)
            left, top = int(np.floor(x)), int(np.floor(y))
            across, down = weights(x - left), weights(y - top)
            sound = True
            for channel in range(channels):
                one[channel], smallest, largest = 0.0, np.inf, -np.inf
                for i in range(TAPS):
                    row = min(max(top + i - BEFORE, 0), height - 1)
                    for j in range(TAPS):
                        weight = down[i] * across[j]
                        if weight != 0.0:
                            value = light[row, min(max(left + j - BEFORE, 0), width - 1), channel]
                            one[channel] += weight * value
                            smallest, largest = min(smallest, value), max(largest, value)
                if np.isfinite(one[channel]):
                    # A specular must not ring.
                    one[channel] = min(max(one[channel], smallest), largest)
                else:
                    sound = False
            if sound:
                total += one
                count += 1
        if count > 0:
            for channel in range(channels):
                values[index, channel] = total[channel] / count
