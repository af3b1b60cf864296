"""How the light changes across a gap: flicker and exposure ramps, which an in-between lies in the middle of."""

from __future__ import annotations

import cv2
import numpy as np

from overscan.core.colour import acescct_to_linear
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate.light._exposure import sample_pair, solve_exposure
from overscan.core.engines.plate.motion._proxy import Proxy
from overscan.core.engines.plate.time._gap import Gap
from overscan.core.geometry import Window

_MOST = 0.5
"""Stops that the exposure changes by at most: more is a lamp that is switched on, or a cut."""


def change_of_light(
    first: Proxy, second: Proxy, gap: Gap, *, fine: Lattice, thumbnails: Lattice, display: Window
) -> Array:
    """Stops by which the second frame is brighter than the first, ``(channels,)`` float32; 0 where that is no exposure.

    `fine` is the lattice of the gap's motion, `thumbnails` that of the proxies' thumbnails.
    """
    x, y = thumbnails.nodes()
    across, down = ((x - fine.x0) / fine.dx).astype(np.float32), ((y - fine.y0) / fine.dy).astype(np.float32)
    moved = cv2.remap(gap.onward.vectors, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    steps = np.asarray(moved, np.float32) * np.array([fine.dx, fine.dy], np.float32)
    samples = sample_pair(
        first=acescct_to_linear(first.thumbnail),
        second=acescct_to_linear(second.thumbnail),
        known_first=first.thumbnail_known,
        known_second=second.thumbnail_known,
        addresses=np.stack([x, y], axis=-1) + steps,
        lattice=thumbnails,
    )
    channels = first.thumbnail.shape[-1]
    gains = solve_exposure({(0, 1): samples}, frames=2, channels=channels, display=display).gains
    change: Array = gains[1] - gains[0]
    return change if np.abs(change).max() <= _MOST else np.zeros(channels, np.float32)
