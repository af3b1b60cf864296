"""Curves on single channels: log for analysis, sRGB for measuring and pictures. No OpenColorIO involved."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]

_HALF_MAX = 65504.0
_CCT_BREAK = 0.0078125
_CCT_SLOPE = 10.5402377416545
_CCT_OFFSET = 0.0729055341958355
_CCT_ZERO_LIGHT = -_CCT_OFFSET / _CCT_SLOPE
"""Linear value at which ACEScct reaches code value 0, about -0.0069."""

GAIN_FLOOR = 2.0**-10
"""Light below this counts as black when exposures are compared."""


def acescct(pixels: npt.ArrayLike) -> Pixels:
    """The ACEScct curve (Academy S-2016-001), per channel, on whatever primaries the pixels have.

    Takes linear light of any shape; returns float32 of the same shape: 0.0729 for black, 0.5548 for 1.0,
    1.468 for 65504. Negative light continues on the straight toe; NaN and infinities stay what they are.
    """
    linear = np.asarray(pixels, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        curved = (np.log2(np.maximum(linear, np.float32(_CCT_BREAK))) + np.float32(9.72)) / np.float32(17.52)
        toe = np.float32(_CCT_SLOPE) * linear + np.float32(_CCT_OFFSET)
        return np.where(linear <= _CCT_BREAK, toe, curved).astype(np.float32, copy=False)


def acescct_to_linear(codes: npt.ArrayLike) -> Pixels:
    """The inverse of `acescct`: code values of any shape to float32 linear light of the same shape."""
    curved = np.asarray(codes, dtype=np.float32)
    light = np.exp2(curved * np.float32(17.52) - np.float32(9.72))
    toe = (curved - np.float32(_CCT_OFFSET)) / np.float32(_CCT_SLOPE)
    bend = np.float32(_CCT_SLOPE * _CCT_BREAK + _CCT_OFFSET)
    return np.where(curved <= bend, toe, light).astype(np.float32, copy=False)


def analysis_proxy(pixels: npt.ArrayLike) -> Pixels:
    """What feature matching and optical flow look at: ACEScct-shaped, finite everywhere, 0 to 1.468.

    Takes scene-linear light of any shape; returns float32 of the same shape. NaN counts as black, +Inf as the
    largest half, and light so negative that ACEScct would go below 0 as that limit. Only for analysis: no pixel
    of a result ever comes from here.
    """
    linear = np.nan_to_num(
        np.asarray(pixels, dtype=np.float32), copy=True, nan=0.0, posinf=_HALF_MAX, neginf=_CCT_ZERO_LIGHT
    )
    np.clip(linear, np.float32(_CCT_ZERO_LIGHT), np.float32(_HALF_MAX), out=linear)
    return np.maximum(acescct(linear), np.float32(0.0))


def gain_log2(pixels: npt.ArrayLike) -> Pixels:
    """Exposure in stops: log2 of scene-linear light, floored at 2**-10.

    Takes any shape; returns float32 of the same shape, -10 to 16, finite everywhere (NaN counts as black).
    """
    linear = np.nan_to_num(np.asarray(pixels, dtype=np.float32), copy=True, nan=0.0, posinf=_HALF_MAX, neginf=0.0)
    return np.log2(np.maximum(linear, np.float32(GAIN_FLOOR)))


def display_encode(pixels: npt.ArrayLike) -> Pixels:
    """The sRGB encoding (IEC 61966-2-1) of linear light clipped to 0..1, without any tone curve.

    Takes any shape; returns float32 of the same shape, 0 to 1 (NaN counts as black). For measures that are
    compared with published 8-bit figures; for pictures that people look at there is `to_display`.
    """
    linear = np.nan_to_num(np.asarray(pixels, dtype=np.float32), copy=True, nan=0.0, posinf=1.0, neginf=0.0)
    np.clip(linear, 0.0, 1.0, out=linear)
    curved = np.float32(1.055) * linear ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= 0.0031308, np.float32(12.92) * linear, curved).astype(np.float32, copy=False)
