"""Arrays in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.temporaries import written_beside

_TRIES = 3


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Keep arrays by name in an .npz file, atomically.

    Two threads may keep the same arrays at once: frames of equal content have equal names in the cache.
    """
    for left in reversed(range(_TRIES)):
        try:
            with written_beside(path) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **dict(arrays))
            return
        except FileNotFoundError:  # somebody empties the cache, with what is being written
            if not left:
                raise
