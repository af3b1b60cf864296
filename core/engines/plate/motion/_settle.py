"""Brings addresses that were found from frame to frame onto the camera path, which does not drift."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from overscan.core.engines.plate._trace import Found, Target
from overscan.core.engines.plate.motion._camera import CameraPath

_SURE, _UNSURE = 0.7, 1.4
"""Up to so many proxy samples from the path an address is the path's, and from so many on what was found."""
_DRIFT = 0.1
"""Proxy samples that a walk may go astray by with every frame: flow leans on what moves beside a matte."""
_PARALLAX = 0.5
"""Part of the path's own motion by which scenery at another distance may leave it."""


def settle(path: CameraPath, *, target: Target, found: Found) -> Found:
    """Addresses of `found` moved to where the path predicts them, where the two agree within about a proxy sample.

    What the path does not explain (what moves by itself, another plane) keeps its address; so does everything in
    frames that are not joined to the target's. Within 0.7 proxy samples an address is the path's, from 1.4 on its own,
    and a smooth mix between. After a long walk it is the path's from further away, unless the camera has moved so far
    meanwhile that parallax may be why: a locked-off camera has none. Positions are in the plate's pixel space.
    """
    count = len(path.segments)
    models, joined = np.zeros((count, 3, 3)), np.zeros(count, np.uint8)
    for frame in np.unique(found.frame[found.frame >= 0]):
        model = path.in_plate(first=target.frame, second=int(frame))
        if model is not None:
            models[frame], joined[frame] = model, 1
    x, y = found.x.copy(), found.y.copy()
    per_x, per_y = 1 / path.lattice.dx, 1 / path.lattice.dy
    _settle(target.frame, target.x, target.y, found.frame, x, y, models, joined, per_x, per_y)
    return Found(frame=found.frame, x=x, y=y)


@njit(cache=True, nogil=True, parallel=True)
def _settle(
    target: int,
    target_x: Any,
    target_y: Any,
    frame: Any,
    x: Any,
    y: Any,
    models: Any,
    joined: Any,
    per_x: float,
    per_y: float,
) -> None:
    """Per pixel; `per_x` and `per_y` are proxy samples a plate sample."""
    for index in prange(x.shape[0]):
        source = frame[index]
        if source < 0 or joined[source] == 0:
            continue
        model = models[source]
        at_x, at_y = np.float64(target_x[index]), np.float64(target_y[index])
        depth = model[2, 0] * at_x + model[2, 1] * at_y + model[2, 2]
        if depth < 1e-3:
            continue
        there_x = (model[0, 0] * at_x + model[0, 1] * at_y + model[0, 2]) / depth
        there_y = (model[1, 0] * at_x + model[1, 1] * at_y + model[1, 2]) / depth
        away = np.hypot((there_x - x[index]) * per_x, (there_y - y[index]) * per_y)
        share = min(max((_UNSURE - away) / (_UNSURE - _SURE), 0.0), 1.0)
        moved = _PARALLAX * np.hypot((there_x - at_x) * per_x, (there_y - at_y) * per_y)
        drift = _DRIFT * abs(source - target)
        if moved < away < 2 * drift:
            share = max(share, min((away - moved) / (moved + 0.1), (2 * drift - away) / drift, 1.0))
        share = share * share * (3 - 2 * share)
        x[index] = np.float32(x[index] + share * (there_x - x[index]))
        y[index] = np.float32(y[index] + share * (there_y - y[index]))
