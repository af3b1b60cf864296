"""A reference clip: which of its frames goes with which of the result, and how it moves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.colour import analysis_proxy
from overscan.core.engines.diffusion._area import Area, resized
from overscan.core.engines.diffusion._family import Floats
from overscan.core.engines.diffusion.guides._images import Steering, as_colours, clean
from overscan.core.shots import Shot

_LONGEST = 480
"""Longer side of the pictures that motion is measured on: what guides a model is coarse."""
_KEPT = 8
"""Small pictures kept: the two of a pair, and those of the pairs next to it."""
_BRIGHTEST = 1.468
"""Code of the largest half in ACEScct."""


def clip_frames(shot: Shot, clip: Steering) -> Mapping[int, int]:
    """Frames of a clip by those of the result: its first goes with the first that is made, and so on.

    That is the first of the result where the task makes no new ones.
    """
    frames = sorted(shot.moments)
    made = [frame for frame in frames if shot.moments[frame].plate is None] if shot.adds_frames else frames
    after = [frame for frame in frames if frame >= made[0]]
    return dict(zip(after, clip.images.frames, strict=False))


def needed_frames(shot: Shot) -> tuple[int, ...]:
    """Frames of the result that a clip must have one for: from the first that is made to the last."""
    frames = sorted(shot.moments)
    made = [frame for frame in frames if shot.moments[frame].plate is None] if shot.adds_frames else frames
    return tuple(frame for frame in frames if made[0] <= frame <= made[-1])


class Clip:
    """How a clip moves."""

    def __init__(self, *, steering: Steering) -> None:
        self._steering = steering
        self._small = lru_cache(_KEPT)(self._read_small)

    def motion(self, before: int, after: int) -> Floats:
        """Motion between two of its frames, ``(h, w, 2)``, right and down, in widths (DIS, Kroeger 2016)."""
        one, other = self._small(before), self._small(after)
        found = np.zeros((*one.shape, 2), np.float32)
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(one, other, found)
        return np.asarray(flow, np.float32) / np.float32(one.shape[1])

    def _read_small(self, number: int) -> npt.NDArray[np.uint8]:
        values, have = self._steering.read(number)
        codes = analysis_proxy(values) / _BRIGHTEST if self._steering.linear else clean(values)
        scale = min(1.0, _LONGEST / max(have.width, have.height))
        width, height = max(16, round(have.width * scale)), max(16, round(have.height * scale))
        grey = resized(as_colours(codes).mean(axis=-1), width=width, height=height)
        return np.clip(np.rint(grey * 255), 0, 255).astype(np.uint8)


def covering(values: Floats, *, shot: Shot, area: Area) -> Floats:
    """The `area` of a picture ``(h, w, c)`` of any shape that covers the result's format, its longer sides cut off.

    ``(area.height, area.width, c)``.
    """
    format = shot.layout.display_window
    window = shot.layout.in_result(area.window)
    height, width = values.shape[:2]
    scale = max(format.width / width, format.height / height)
    left = (width - format.width / scale) / 2
    top = (height - format.height / scale) / 2
    columns = left + (window.x - format.x + (np.arange(area.width) + 0.5) * window.width / area.width) / scale - 0.5
    rows = top + (window.y - format.y + (np.arange(area.height) + 0.5) * window.height / area.height) / scale - 0.5
    across, down = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    found = cv2.remap(values, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(np.asarray(found, np.float32).reshape(area.height, area.width, values.shape[-1]))


def clip_to_plate(shot: Shot, shape: tuple[int, int]) -> tuple[float, tuple[float, float]]:
    """How a picture ``(h, w)`` that covers the result's format lies in the plate's pixel space: scale, and the position
    of its upper left corner's edge."""
    format = shot.layout.display_window
    height, width = shape
    scale = max(format.width / width, format.height / height)
    offset = shot.layout.offset
    left = format.x - offset[0] - (width * scale - format.width) / 2
    top = format.y - offset[1] - (height * scale - format.height) / 2
    return scale, (left, top)
