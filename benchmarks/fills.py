"""The fills that Overscan is compared with: what anyone can do to each frame on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.colour import display_encode
from overscan.core.measure import pull_push, telea_per_frame

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Fill = Callable[[Pixels, Mask], Pixels]
"""Fills the masked pixels of a frame ``(height, width, 3)`` float32."""

_LOG_FLOOR = np.float32(2.0**-10)
_PATCH_RADIUS = 3
"""PyPatchMatch's own examples use 3, its default of 15 takes many times as long."""


def fills(*, scene_linear: bool) -> Mapping[str, Fill | None]:
    """The fills by name, for scene-linear light or for display-encoded frames of 0..1; None for what is not installed.

    Telea and PatchMatch know 8 bits only: scene-linear light is clipped to 0..1 and sRGB-encoded for them, as an
    artist's script would do it. The blur works in log light.
    """
    if scene_linear:
        return {
            "Telea": lambda frame, hole: np.asarray(telea_per_frame(frame, hole), np.float32),
            "PatchMatch": _encoded(patch_match),
            "blur": _blurred_in_log,
        }
    return {
        "Telea": _in_bytes(lambda codes, hole: np.asarray(telea_per_frame(codes, hole), np.uint8)),
        "PatchMatch": _in_bytes(patch_match) if patch_match else None,
        "blur": lambda frame, hole: pull_push(frame, ~hole),
    }


def _find_patch_match() -> Callable[[npt.NDArray[np.uint8], Mask], npt.NDArray[np.uint8]] | None:
    try:
        from patchmatch import patch_match as package
    except ImportError:
        return None
    if not package.patchmatch_available:
        return None

    def fill(codes: npt.NDArray[np.uint8], hole: Mask) -> npt.NDArray[np.uint8]:
        package.set_random_seed(0)
        return np.asarray(package.inpaint(codes, hole, patch_size=_PATCH_RADIUS), np.uint8)

    return fill


patch_match = _find_patch_match()
"""PyPatchMatch on one frame of 8 bits; None where it is not installed."""


def _in_bytes(fill: Callable[[npt.NDArray[np.uint8], Mask], npt.NDArray[np.uint8]]) -> Fill:
    def filled(frame: Pixels, hole: Mask) -> Pixels:
        codes = np.round(np.clip(frame, 0.0, 1.0) * 255.0).astype(np.uint8)
        return np.where(hole[..., None], fill(codes, hole).astype(np.float32) / np.float32(255.0), frame)

    return filled


def _encoded(fill: Callable[[npt.NDArray[np.uint8], Mask], npt.NDArray[np.uint8]] | None) -> Fill | None:
    if fill is None:
        return None
    in_bytes = _in_bytes(fill)

    def filled(frame: Pixels, hole: Mask) -> Pixels:
        return np.where(hole[..., None], _decoded(in_bytes(display_encode(frame), hole)), frame)

    return filled


def _decoded(codes: npt.NDArray[Any]) -> Pixels:
    """IEC 61966-2-1, back to light."""
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _blurred_in_log(frame: Pixels, hole: Mask) -> Pixels:
    logs = np.log2(np.maximum(frame, 0) + _LOG_FLOOR)
    light = np.exp2(pull_push(logs, ~hole)) - _LOG_FLOOR
    return np.where(hole[..., None], light, frame)
