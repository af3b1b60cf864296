"""Which EXR compressions give the same samples back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from overscan.core.plates._exr import COMPRESSIONS

EXR_COMPRESSIONS = tuple(name for name, _ in COMPRESSIONS.values())
"""OpenEXR's names of its compressions."""

LOSSLESS_FALLBACK = "zip"
"""Written in place of a compression that would alter samples."""

_LOSSLESS = {"none", "rle", "zips", "zip", "piz", "htj2k256", "htj2k32", "htj2k", "zstd"}


def lossless_compression(*, name: str, dtypes: Iterable[np.dtype[Any]]) -> str:
    """Return `name` where it gives samples of all `dtypes` back bit for bit, else ``zip``.

    `name` is an OpenEXR compression with an optional level (``zip``, ``zip:9``, ``dwaa:45``); empty means ``zip``.
    A result that differs from `name` is worth a warning: the written file has another compression than the plate,
    so that its samples stay identical. PXR24 is exact for half and uint32, B44 for float and uint32, DWA for uint32
    only.
    """
    method = name.partition(":")[0].lower()
    kinds = {np.dtype(dtype) for dtype in dtypes}
    if method in _LOSSLESS:
        return name
    if method == "pxr24" and np.dtype(np.float32) not in kinds:
        return name
    if method in ("b44", "b44a") and np.dtype(np.float16) not in kinds:
        return name
    if method in ("dwaa", "dwab") and kinds <= {np.dtype(np.uint32)}:
        return name
    return LOSSLESS_FALLBACK
