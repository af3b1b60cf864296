"""Frames as analysis sees them: the log-shaped curve of `analysis_proxy`, read off a table where that is possible."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from overscan.core.colour import analysis_proxy
from overscan.core.plates import read_frame
from overscan.core.shots import Shot

Array = npt.NDArray[np.float32]


def read_log(shot: Shot, frame: int) -> Array:
    """A plate frame's painted channels over its data window, ``(height, width, channels)``, by `analysis_proxy`."""
    part = read_frame(shot.path(frame), number=frame, parts=(shot.part,)).parts[0]
    planes = [part.planes[name] for name in shot.colours]
    if not shot.transform.is_identity or any(plane.dtype != np.float16 for plane in planes):
        return analysis_proxy(shot.light(part.planes, bits=part.header.bits))
    log = np.empty((*planes[0].shape, len(planes)), np.float32)
    for index, plane in enumerate(planes):
        _look_up(plane.view(np.uint16), _of_halves(), log[..., index])
    return log


@lru_cache(maxsize=1)
def _of_halves() -> Array:
    """The curve at every half there is, by its bits."""
    return analysis_proxy(np.arange(1 << 16, dtype=np.uint16).view(np.float16))


@njit(cache=True, nogil=True)
def _look_up(codes: Any, table: Any, found: Any) -> None:
    for row in range(codes.shape[0]):
        for column in range(codes.shape[1]):
            found[row, column] = table[codes[row, column]]
