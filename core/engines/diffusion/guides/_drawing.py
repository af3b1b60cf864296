"""Guide pictures out of numbers, in the forms that published models were trained on: ``(h, w, 3)``, 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.diffusion._family import Floats

_WHEEL = (("RY", 15), ("YG", 6), ("GC", 4), ("CB", 11), ("BM", 13), ("MR", 6))
"""Colours between two hues of the wheel, finer where the eye is finer (Baker et al. 2007)."""
_HUES = {"R": (1, 0, 0), "Y": (1, 1, 0), "G": (0, 1, 0), "C": (0, 1, 1), "B": (0, 0, 1), "M": (1, 0, 1)}

TRAIL = 50
"""Frames that a track leaves its trail for."""
_TRACK_SIDE = 1080
"""Shorter side of the canvas that tracks are drawn on before they are scaled down."""
_CANVAS_MOST = 4_000_000
"""Samples of that canvas at the most: a long thin area has a smaller one."""
_TRACK_RADII = (2.0, 8.0)
"""Of the oldest and the newest disc of a trail, on that canvas."""
_TRACK_COLOURS = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]], np.float32)
"""From the oldest disc of a trail to the newest, at equal distances."""
_SHIFT = 4
"""Bits of a part of a sample that discs are placed to."""

_WEAK, _STRONG = 100, 200
"""Thresholds of edges, those that the published depth, pose and edge adapters were made with (OpenCV's example)."""


def depth_picture(distance: npt.NDArray[np.float32], *, near: float, far: float) -> Floats:
    """Inverse depth ``(h, w, 1)``, white at `near` and black at `far`, of a distance ``(h, w)`` in scene units.

    What has no distance (0 and below, NaN, infinite: sky, holes) is as far as can be.
    """
    known = np.isfinite(distance) & (distance > 0)
    inverse = np.divide(1.0, distance, out=np.zeros(distance.shape, np.float32), where=known)
    least, most = (0.0 if np.isinf(far) else 1.0 / far), 1.0 / near
    shade = (inverse - np.float32(least)) / np.float32(max(most - least, 1e-12))
    return np.clip(shade, 0.0, 1.0, out=shade)[..., np.newaxis]


def normals_picture(normals: npt.NDArray[np.float32], *, encoded: bool) -> Floats:
    """Surface normals ``(h, w, 3)``, x right, y up, z to the camera, -1 to 1, or 0 to 1 already where `encoded`.

    What has no normal (NaN, or of no length) is grey.
    """
    vectors = normals * 2 - 1 if encoded else normals
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    sound = np.isfinite(length) & (length > 1e-3)
    unit = np.where(sound, vectors / np.where(sound, length, 1.0), 0.0)
    return np.ascontiguousarray(unit * 0.5 + 0.5, np.float32)


def flow_picture(motion: npt.NDArray[np.float32], *, most: float) -> Floats:
    """The colour wheel of Baker et al., A Database and Evaluation Methodology for Optical Flow (2007).

    `motion` ``(h, w, 2)`` goes right and down; it is white where nothing moves, and of full colour at a length of
    `most` and above. What has no motion (NaN) does not move.
    """
    # A zero added makes -0 a 0: the wheel's seam lies where nothing goes up or down.
    x, y = (np.nan_to_num(motion[..., at], nan=0.0, posinf=0.0, neginf=0.0) + np.float32(0.0) for at in (0, 1))
    length = np.minimum(np.hypot(x, y) / most, 1.0) if most > 0 else np.zeros_like(x)
    wheel = _wheel()
    place = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (len(wheel) - 1)
    before = np.floor(place).astype(np.int32)
    share = (place - before)[..., np.newaxis]
    hue = (1 - share) * wheel[before] + share * wheel[(before + 1) % len(wheel)]
    return np.ascontiguousarray(1 - length[..., np.newaxis] * (1 - hue), np.float32)


@cache
def _wheel() -> npt.NDArray[np.float32]:
    colours = []
    for ends, count in _WHEEL:
        start, end = (np.array(_HUES[name], np.float32) for name in ends)
        share = (np.arange(count, dtype=np.float32) / count)[:, np.newaxis]
        colours.append(start + share * (end - start))
    return np.concatenate(colours)


def edges_picture(picture: Floats) -> Floats:
    """White edges on black (Canny) of a picture ``(h, w, 3)`` in codes, 0 to 1."""
    grey = np.clip(picture.mean(axis=-1) * 255, 0, 255).astype(np.uint8)
    edges = np.asarray(cv2.Canny(grey, _WEAK, _STRONG), np.float32) / 255
    return np.ascontiguousarray(np.repeat(edges[..., np.newaxis], 3, axis=-1))


def tracks_picture(trails: Sequence[npt.NDArray[np.float64]], *, width: int, height: int) -> Floats:
    """Trails of discs on black, as the LTX-2 motion-track adapter was trained on.

    Each trail is ``(n, 3)``: x, y in samples of the picture (whole numbers on sample centres), and the age in frames,
    0 to `TRAIL`. Discs shrink and turn from blue through cyan and green to red with age; newer ones cover older ones.
    """
    usual = _TRACK_SIDE / min(width, height)
    scale = min(usual, math.sqrt(_CANVAS_MOST / (width * height)))
    canvas = np.zeros((round(height * scale), round(width * scale), 3), np.float32)
    discs = np.concatenate([np.zeros((0, 3)), *trails])
    discs = discs[np.isfinite(discs).all(axis=1)]
    places = (discs[:, :2] + 0.5) * (canvas.shape[1] / width, canvas.shape[0] / height) - 0.5
    inside = ((places > -_TRACK_RADII[1]) & (places < np.array(canvas.shape[1::-1]) + _TRACK_RADII[1])).all(axis=1)
    discs, places = discs[inside], places[inside]
    for at in np.argsort(-discs[:, 2], kind="stable"):
        youth = 1 - discs[at, 2] / TRAIL
        radius = (_TRACK_RADII[0] + (_TRACK_RADII[1] - _TRACK_RADII[0]) * youth) * scale / usual
        colour = [float(np.interp(youth * 3, range(4), _TRACK_COLOURS[:, channel])) for channel in range(3)]
        x, y = (round(value * (1 << _SHIFT)) for value in places[at])
        cv2.circle(canvas, (x, y), round(radius * (1 << _SHIFT)), colour, cv2.FILLED, cv2.LINE_8, _SHIFT)
    return np.ascontiguousarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
