"""Takes away what a model changes of light that it was given: colour shifts, drift from window to window, steps.

All in codes, where a difference is a gain in light. Three corrections, each of what the one before leaves:

1. Where the model was shown the plate (or frames of the window before), what it made of it differs from what it was
   shown; that difference, smoothed in space and time, is carried into what it painted by a pyramid (the pull-push of
   Gortler 1996, in three dimensions).
2. Models whose known pixels are put back show no such difference. What is left is then seen across the border of the
   matte only: its median, one number a channel, over frames nearby.
3. Where whole frames follow given ones, the step of the medians at the joint, if it stands out against those after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.diffusion._family import Floats

_CELL = 8
"""Samples of the model's picture along the side of a cell that differences are averaged in."""
_IN_SPACE = 2.0
"""Standard deviation in cells."""
_IN_TIME = 2.0
"""Standard deviation in frames."""
_BAND = 4.0
"""Depth, in samples, of the two bands on either side of the matte's border that are compared across it."""
_NEAR = 4
"""Frames to either side whose border is looked at together."""
_LEAST_BORDER = 24
"""Samples of it in a frame."""
_LEAST_WEIGHT = 0.02
"""Of a band, in the window that its mean is taken over."""
_ALIKE = 8.0
"""Samples along the border that count as one."""
_SURE = 3.0
"""Times what chance alone makes of a step."""
_STEPS = 6
"""Steps after a joint that tell what a step is."""
_LEAST_STEPS = 3
_STANDS_OUT = 2.0
"""Times the most unusual of those steps."""
_LEAST_STEP = 2e-4
"""Of a code; less is not worth taking away: under 0.004 stop."""

_THREADS = min(8, os.cpu_count() or 1)
"""Frames that are looked at at once: each on its own, so that their number changes no bit."""

Array = npt.NDArray[np.float32]


def matched(painted: Floats, *, shown: Floats, matte: Floats, given: int, tick: Callable[[], None]) -> Floats:
    """`painted` ``(T, H, W, 3)`` codes without what the model changed of `shown`, the same shape.

    `matte` is ``(T, H, W)``, 1 where was painted; the first `given` frames were wholly known. Frames in the order in
    which they were painted. Takes `painted` over. A window in which nothing was known stays as it is.
    """
    if not (matte < 1).any():
        return painted
    field = _differences(painted, shown, matte, tick)
    height, width = matte.shape[1:]
    for at, cells in enumerate(field):
        painted[at] += cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)
    _even_out_border(painted, shown, matte)
    if 1 <= given < len(painted):
        _even_out_joint(painted, shown, matte, given)
    return painted


def _differences(painted: Floats, shown: Floats, matte: Floats, tick: Callable[[], None]) -> Array:
    """``(T, rows, columns, 3)``: what to add to `painted`, in cells."""
    frames, height, width = matte.shape
    rows, columns = max(1, round(height / _CELL)), max(1, round(width / _CELL))
    sums = np.empty((frames, rows, columns, 4), np.float32)

    def gather(at: int) -> None:
        known = (1 - matte[at])[..., np.newaxis]
        both = np.concatenate([(shown[at] - painted[at]) * known, known], axis=-1)
        sums[at] = cv2.GaussianBlur(
            cv2.resize(np.nan_to_num(both), (columns, rows), interpolation=cv2.INTER_AREA).reshape(rows, columns, 4),
            (0, 0),
            _IN_SPACE,
            borderType=cv2.BORDER_REFLECT,
        ).reshape(rows, columns, 4)

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(gather, range(frames)):
            tick()
    known = np.flatnonzero((matte < 1).any(axis=(1, 2)))
    _smooth_in_time(sums)
    return _between(_completed(sums[known]), known, frames)


def _between(values: Array, known: npt.NDArray[np.intp], frames: int) -> Array:
    """Values of the `known` frames for all `frames`: linear between two of them, the same beyond the last."""
    at = np.interp(np.arange(frames), known, np.arange(len(known)))
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, len(known) - 1)
    part = (at - low).astype(np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    between: Array = values[low] * (1 - part) + values[high] * part
    return between


def _smooth_in_time(sums: Array) -> None:
    frames = len(sums)
    if frames == 1:
        return
    flat = sums.reshape(frames, -1)
    smooth = cv2.GaussianBlur(flat, (1, 0), sigmaX=1e-6, sigmaY=_IN_TIME, borderType=cv2.BORDER_REFLECT)
    smoothed = np.asarray(smooth, np.float32).reshape(sums.shape)
    # What is known of a frame is no less known for its neighbours' being unknown.
    weight = np.maximum(sums[..., 3:], smoothed[..., 3:])
    sums[..., :3] = smoothed[..., :3] / np.maximum(smoothed[..., 3:], 1e-6) * weight
    sums[..., 3:] = weight


def _completed(sums: Array) -> Array:
    """Means of weighted sums ``(T, h, w, 4)``, the weight last; where there is little weight, of what lies round."""
    weight = sums[..., 3:]
    mean = sums[..., :3] / np.maximum(weight, 1e-6)
    if min(float(weight.min()), 1.0) >= 0.5 or max(sums.shape[:3]) <= 1:
        return np.where(weight > 1e-6, mean, np.float32(0)).astype(np.float32, copy=False)
    trust = np.clip(weight * 2, 0, 1)
    # Weights are cut off at 1 on the way up: much of little must not outweigh what is near.
    smaller = _halved(np.concatenate([mean * trust, trust], axis=-1))
    return (mean * trust + _doubled(_completed(smaller), sums.shape[:3]) * (1 - trust)).astype(np.float32, copy=False)


def _halved(sums: Array) -> Array:
    """Sums over blocks of 2x2x2, cut off at a weight of 1."""
    total = sums
    for axis in range(3):
        if total.shape[axis] > 1:
            total = np.add.reduceat(total, np.arange(0, total.shape[axis], 2), axis=axis)
    weight = total[..., 3:]
    return (total / np.maximum(weight, 1)).astype(np.float32, copy=False)


def _doubled(values: Array, shape: tuple[int, ...]) -> Array:
    """Values of blocks in the middles of their parts, linear between."""
    found = values
    for axis, length in enumerate(shape):
        count = found.shape[axis]
        if count == length:
            continue
        at = np.clip((np.arange(length, dtype=np.float32) - 0.5) / 2, 0, count - 1)
        low = np.minimum(at.astype(np.int64), count - 1)
        high = np.minimum(low + 1, count - 1)
        part = (at - low).reshape([-1 if other == axis else 1 for other in range(found.ndim)])
        found = np.take(found, low, axis) * (1 - part) + np.take(found, high, axis) * part
    return found.astype(np.float32, copy=False)


def _even_out_border(painted: Floats, shown: Floats, matte: Floats) -> None:
    """Add to what was painted, per frame and channel, what keeps it from meeting what is known across the border."""
    frames = len(painted)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(_across, painted, shown, matte))
    for at in range(frames):
        near = [found[other] for other in range(max(0, at - _NEAR), min(frames, at + _NEAR + 1)) if len(found[other])]
        if not len(found[at]) or len(found[at]) < _LEAST_BORDER:
            continue
        steps = np.concatenate(near)
        step = np.median(steps, axis=0)
        # Places that lie close together, and the same place in other frames, say the same thing.
        chance = 1.4826 * np.median(np.abs(steps - step), axis=0) / np.sqrt(len(found[at]) / _ALIKE)
        sure = np.abs(step) > np.maximum(_SURE * chance, _LEAST_STEP)
        painted[at] += np.where(sure, step, 0).astype(np.float32) * matte[at][..., np.newaxis]


def _across(painted: Floats, shown: Floats, matte: Floats) -> Array:
    """``(n, 3)``: known minus painted light at places along the border, each carried on to it from its own side."""
    inside = matte >= 1
    if not inside.any() or inside.all():
        return np.zeros((0, 3), np.float32)
    borders = (cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~inside
    rows, columns = np.nonzero(borders)
    room = round(3 * _BAND)
    crop = (
        slice(max(0, rows.min() - room), rows.max() + room + 1),
        slice(max(0, columns.min() - room), columns.max() + room + 1),
    )
    own, at = inside[crop], np.nonzero(borders[crop])
    there = _carried_on(painted[crop], own, at)
    here = _carried_on(shown[crop], ~own, at)
    both = np.isfinite(there).all(axis=-1) & np.isfinite(here).all(axis=-1)
    return np.ascontiguousarray((here - there)[both].astype(np.float32))


def _carried_on(picture: Floats, region: npt.NDArray[np.bool_], at: tuple[npt.NDArray[np.intp], ...]) -> Array:
    """``(n, 3)``: what a region shows in two bands along its border, carried on in a straight line to places `at` it.

    NaN where the region is too narrow there to tell.
    """
    away = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]
    means, distances = [], []
    for near, far in ((0.0, _BAND), (_BAND, 2 * _BAND)):
        band = ((away > near) & (away <= far)).astype(np.float32)[..., np.newaxis]
        known = np.concatenate([np.nan_to_num(picture), away[..., np.newaxis]], axis=-1) * band
        blurred = cv2.GaussianBlur(
            np.concatenate([known, band], axis=-1).astype(np.float32), (0, 0), _BAND, borderType=cv2.BORDER_REFLECT
        )[at]
        weight = np.where(blurred[:, 4:] > _LEAST_WEIGHT, blurred[:, 4:], np.float32(np.nan))
        means.append(blurred[:, :3] / weight)
        distances.append(blurred[:, 3:4] / weight)
    slope = (means[1] - means[0]) / (distances[1] - distances[0])
    carried = means[0] - slope * (distances[0] - np.float32(0.5))
    return carried.astype(np.float32, copy=False)


def _even_out_joint(painted: Floats, shown: Floats, matte: Floats, given: int) -> None:
    """Take the step between the last given frame and the first painted one away, where it stands out.

    Of whole frames only: in a hole, which moves over the picture, levels change from frame to frame by themselves, and
    its border tells more.
    """
    last = min(len(painted), given + 1 + _STEPS)
    if last - given - 1 < _LEAST_STEPS or (matte[given] < 1).any():
        return
    levels = [np.median(shown[given - 1], axis=(0, 1))]
    levels += [np.median(painted[at], axis=(0, 1)) for at in range(given, last)]
    steps = np.diff(np.stack(levels).astype(np.float64), axis=0)
    usual = np.median(steps[1:], axis=0)
    largest = np.abs(steps[1:] - usual).max(axis=0)
    step = steps[0] - usual
    stands_out = np.abs(step) > np.maximum(_STANDS_OUT * largest, _LEAST_STEP)
    correction = np.where(stands_out, -step, 0).astype(np.float32)
    painted[given:] += correction
