"""Arrays in files."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Keep arrays by name in an .npz file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two threads may keep the same arrays at once: frames of equal content have equal names in the cache.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(arrays))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
