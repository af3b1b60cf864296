"""The shutter of a shot, and where copied light lacks the motion blur of the frame it goes into."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate.light._exposure import Exposure
from overscan.core.engines.plate.light._motion_blur import SpeedPair, estimate_shutter
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._models import project
from overscan.core.shots import Shot

_LEAST_DIFFERENCE = 6 / 1920
"""Difference in speed of two frames that are compared, in plate widths a frame."""
_FURTHEST = 24
_PAIRS = 4
_CROP = 384


def camera_speed(path: CameraPath, frame: int, x: Array, y: Array) -> Array:
    """How far the camera's path moves positions of a frame to the next: ``(count, 2)`` samples of the plate a frame.

    The last frame moves on as the one before; NaN where the frame is not joined to its neighbour.
    """
    first = min(frame, len(path.segments) - 2)
    model = path.in_plate(first=first, second=first + 1) if first >= 0 else None
    if model is None:
        return np.full((len(x), 2), np.nan, np.float32)
    points = np.stack([x, y], axis=-1).astype(np.float64)
    return (project(model, points) - points).astype(np.float32)


def shutter_of_shot(*, shot: Shot, path: CameraPath, exposure: Exposure, tick: Callable[[], None]) -> float:
    """How long the shutter was open, 0 to 1 frame; 0 where the speed never changes enough to tell."""
    window = shot.data_window(shot.frames[0])
    middle = np.array([[window.x + window.width / 2, window.y + window.height / 2]], np.float32)
    count = len(shot.frames)
    motions = np.array([camera_speed(path, frame, middle[:, 0], middle[:, 1])[0] for frame in range(count)])
    speeds = np.hypot(motions[:, 0], motions[:, 1])
    pairs = []
    for slow, fast in _candidates(speeds, path, least=_LEAST_DIFFERENCE * window.width):
        tick()
        found = _pair(shot, path, exposure, slow, fast, motions)
        if found is not None:
            pairs.append(found)
    return estimate_shutter(pairs)


def _candidates(speeds: npt.NDArray[np.floating], path: CameraPath, *, least: float) -> list[tuple[int, int]]:
    """Pairs of a slow and a fast frame, those first that differ most; each frame in one."""
    gaps = [
        (float(speeds[fast] - speeds[slow]), slow, fast)
        for slow in range(len(speeds))
        for fast in range(max(0, slow - _FURTHEST), min(len(speeds), slow + _FURTHEST + 1))
        if speeds[fast] - speeds[slow] >= least and path.segments[slow] == path.segments[fast]
    ]
    chosen: list[tuple[int, int]] = []
    for _, slow, fast in sorted(gaps, reverse=True):
        if not any({slow, fast} & set(pair) for pair in chosen):
            chosen.append((slow, fast))
    return chosen[:_PAIRS]


def _pair(
    shot: Shot, path: CameraPath, exposure: Exposure, slow: int, fast: int, motions: npt.NDArray[np.floating]
) -> SpeedPair | None:
    """The middle of the fast frame, and what the slow one shows of it."""
    model = path.in_plate(first=fast, second=slow)
    if model is None:
        return None
    window, there = shot.data_window(shot.frames[fast]), shot.data_window(shot.frames[slow])
    width, height = min(_CROP, window.width), min(_CROP, window.height)
    left, top = (window.width - width) // 2, (window.height - height) // 2
    columns, rows = np.meshgrid(
        np.arange(window.x + left, window.x + left + width, dtype=np.float32),
        np.arange(window.y + top, window.y + top + height, dtype=np.float32),
    )
    x, y = columns.ravel(), rows.ravel()
    at = project(model, np.stack([x, y], axis=-1)).astype(np.float32)
    source_x, source_y = np.ascontiguousarray(at[:, 0]), np.ascontiguousarray(at[:, 1])
    values, sound = fetch(shot.read_light(shot.frames[slow]), source_x - there.x, source_y - there.y)
    values *= np.exp2(exposure.gain(source=slow, target=fast, x_source=source_x, y_source=source_y, x=x, y=y))
    values[~sound] = np.nan
    light = shot.read_light(shot.frames[fast])[top : top + height, left : left + width]
    return SpeedPair(
        slow=values.reshape(height, width, -1),
        fast=np.ascontiguousarray(light),
        slow_motion=(float(motions[slow, 0]), float(motions[slow, 1])),
        fast_motion=(float(motions[fast, 0]), float(motions[fast, 1])),
    )
