"""What moves by itself, and so must not steer the background (S1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate.motion._models import DENSE, Array
from overscan.core.engines.plate.motion._planes import Planes

Mask = npt.NDArray[np.bool_]

_OFF = 3 / 1920
"""Distance from the background's motion at which something moves by itself, as a part of the plate's width."""
_LEAST_OFF = 1.0
"""The same in proxy samples, at least: flow is not more exact than that."""
_LEAST_AREA = 0.0005
"""Part of the picture that a mover has at least; smaller ones are noise."""
_GROWTH = 4 / 960
"""How far a mover is grown, as a part of the picture's width: flow is smeared along its outline."""


class Seen(Protocol):
    """Motion from a frame to a neighbour, as far as movers are concerned."""

    @property
    def kind(self) -> str:
        """Kind of the background's motion."""

    @property
    def detail(self) -> Array:
        """Flow minus the background's motion, on the coarser lattice."""

    @property
    def trusted(self) -> Mask:
        """Where that was seen."""

    @property
    def planes(self) -> Planes:
        """Further planes of the background."""


def find_movers(neighbours: Sequence[Seen], *, shape: tuple[int, int], proxy_width: int) -> Mask:
    """What moves by itself in a frame, ``(height, width)`` of the coarser lattice.

    `neighbours` are the motions from the frame to the next and to the one before, as far as there are any. Something
    moves by itself where it leaves the background in all of them by 3 samples of a plate 1920 wide: one alone may be
    mistaken at what is covered or uncovered. Where no model fits, nothing can be said, and nothing is.
    """
    moving = np.ones(shape, np.bool_)
    told = [motion for motion in neighbours if motion.kind != DENSE]
    for motion in told:
        moving &= motion.trusted & (_from_planes(motion) > max(_LEAST_OFF, _OFF * proxy_width))
    if not told or not moving.any():
        return np.zeros(shape, np.bool_)
    return _cleaned(moving)


def _from_planes(motion: Seen) -> Array:
    """Distance of the flow from the plane that the surroundings follow, in proxy samples."""
    away = np.hypot(motion.detail[..., 0], motion.detail[..., 1])
    for label in range(1, len(motion.planes.models) + 1):
        # A further plane's own places leave the first plane, and are scenery all the same.
        away[motion.planes.labels == label] = 0
    return away


def _cleaned(moving: Mask) -> Mask:
    """Without specks, and grown a little."""
    height, width = moving.shape
    opened = cv2.morphologyEx(moving.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels, facts, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    large = facts[:, cv2.CC_STAT_AREA] >= max(4, _LEAST_AREA * height * width)
    large[0] = False
    rim = max(1, round(_GROWTH * width))
    kept = cv2.dilate(large[labels].astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8))
    result: Mask = kept > 0
    return result
