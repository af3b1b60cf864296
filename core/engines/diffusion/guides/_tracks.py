"""Paths of points in the plate's pixel space: those that the job gives, and those of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.controls import PointTrajectory
from overscan.core.engines.diffusion.guides._clip import Clip, clip_to_plate
from overscan.core.engines.diffusion.guides._path import inner
from overscan.core.shots import Shot

Way = npt.NDArray[np.float64]
"""Positions ``(n, 2)`` of a point at n times; NaN where it is lost or hidden."""

_GRID = (7, 12)
"""Points that a clip moves, down and across."""


def given_tracks(tracks: Sequence[PointTrajectory], *, times: Sequence[float]) -> list[Way]:
    """Where tracked points are at `times`, which may lie between frames; in the space that they are given in."""
    ways = []
    for track in tracks:
        numbers = np.array([point.frame for point in track.points], np.float64)
        places = np.array(
            [(np.nan, np.nan) if point.occluded else (point.x, point.y) for point in track.points], np.float64
        )
        ways.append(np.stack([_between(times, numbers, places[:, axis]) for axis in (0, 1)], axis=-1))
    return ways


def clip_tracks(
    shot: Shot, clip: Clip, *, numbers: Mapping[int, int], frames: Sequence[int], strength: float
) -> list[Way]:
    """Points of a grid that a clip carries along from the first of `frames`, in the plate's pixel space.

    `numbers` are the clip's frames by those of the result.
    """
    places: Way | None = None
    scale, corner = 1.0, (0.0, 0.0)
    steps: list[Way | None] = []
    before: int | None = None
    for frame in frames:
        number = numbers.get(frame)
        if number is not None:
            motion = clip.motion(number if before is None else before, number)
            height, width = motion.shape[:2]
            if places is None:
                down, across = np.meshgrid(inner(_GRID[0], height), inner(_GRID[1], width))
                places = np.c_[across.ravel(), down.ravel()]
                scale, corner = clip_to_plate(shot, (height, width))
            elif number != before:
                x, y = places.astype(np.float32).T[:, np.newaxis]
                moved = cv2.remap(motion, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                places = places + np.asarray(moved, np.float64).reshape(-1, 2) * width * strength
            before = number
        steps.append(None if number is None or places is None else (places + 0.5) * scale + corner - 0.5)
    if places is None:
        return []
    lost = np.full_like(places, np.nan)
    return list(np.stack([lost if step is None else step for step in steps], axis=1))


def _between(times: Sequence[float], known: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> Way:
    """Values at `times` between those at `known` times that are neighbours; NaN elsewhere."""
    wanted = np.asarray(times, np.float64)
    after = np.searchsorted(known, wanted, side="left").clip(0, len(known) - 1)
    before = np.where(known[after] == wanted, after, (after - 1).clip(0))
    gap = known[after] - known[before]
    share = np.where(gap > 0, (wanted - known[before]) / np.where(gap > 0, gap, 1), 0.0)
    found = values[before] + share * (values[after] - values[before])
    return np.where((wanted < known[0]) | (wanted > known[-1]) | (gap > 1), np.nan, found)
