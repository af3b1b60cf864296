"""Scene-linear light as codes of 0 to 1 and back, for models that know nothing but display-referred pictures.

Two curves hold a camera's whole range between 0 and 1: ACEScct (Academy S-2016-001) and ARRI's LogC3 at EI 800 (ALEXA
Log C Curve, usage in VFX, 2017). An exposure in stops moves a plate's highlights into that range, and back out again.
Both curves go on beyond their codes 0 and 1, so that nothing is lost by turning light into codes: whoever cannot take
codes out of that range limits them itself, and says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

EXPOSURE_LIMIT = 6.0
"""Stops either way within which a half comes back as itself or its neighbour: below, codes near black lie too close
for float32."""


class Curve(str, Enum):
    """A reversible curve from light to codes."""

    ACESCCT = "acescct"
    LOGC3 = "logc3"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """``code = gain * log2(scale * light + shift) + offset`` above `cut`, ``slope * light + toe`` below."""

    cut: float
    scale: float
    shift: float
    gain: float
    offset: float
    slope: float
    toe: float

    @property
    def bend(self) -> float:
        """Code of the cut, from below."""
        return self.slope * self.cut + self.toe


_SHAPES = {
    Curve.ACESCCT: _Shape(
        cut=0.0078125,
        scale=1.0,
        shift=0.0,
        gain=1 / 17.52,
        offset=9.72 / 17.52,
        slope=10.5402377416545,
        toe=0.0729055341958355,
    ),
    Curve.LOGC3: _Shape(
        cut=0.010591,
        scale=5.555556,
        shift=0.052272,
        gain=0.247190 * math.log10(2),
        offset=0.385537,
        slope=5.367655,
        toe=0.092809,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WideRange:
    """A curve and the exposure that is given before it: ``code = curve(light * 2**exposure)``.

    Every finite half comes back from its float32 code as itself or a neighbour, for exposures of at most
    `EXPOSURE_LIMIT` stops either way, whatever code it has.
    """

    curve: Curve
    exposure: float = 0.0
    """In stops; negative ones make room for highlights."""

    @property
    def lowest(self) -> float:
        """Light of the code 0; below 0."""
        shape = _SHAPES[self.curve]
        return float(-shape.toe / shape.slope * 2.0**-self.exposure)

    @property
    def highest(self) -> float:
        """Light of the code 1."""
        shape = _SHAPES[self.curve]
        return float((2.0 ** ((1 - shape.offset) / shape.gain) - shape.shift) / shape.scale * 2.0**-self.exposure)

    @property
    def stop(self) -> float:
        """How far codes lie apart for light that is a stop apart, where the curve is straight in stops."""
        return _SHAPES[self.curve].gain

    def encode(self, light: npt.ArrayLike) -> Floats:
        """Codes of scene-linear light of any shape; float32. NaN and infinities stay what they are."""
        shape = _SHAPES[self.curve]
        exposed = np.asarray(light, np.float64) * 2.0**self.exposure
        with np.errstate(invalid="ignore"):
            inner = np.maximum(exposed, shape.cut) * shape.scale + shape.shift
            curved = np.log2(inner) * shape.gain + shape.offset
            codes: Floats = np.where(exposed > shape.cut, curved, exposed * shape.slope + shape.toe).astype(np.float32)
        return codes

    def decode(self, codes: npt.ArrayLike) -> Floats:
        """Scene-linear light of codes of any shape; float32, infinite where that is too small for it."""
        shape = _SHAPES[self.curve]
        given = np.asarray(codes, np.float64)
        # LogC3 is not quite continuous: what lies between the two ends of its cut belongs to the nearer one.
        above = (math.log2(shape.cut * shape.scale + shape.shift)) * shape.gain + shape.offset
        with np.errstate(invalid="ignore", over="ignore"):
            curved = (np.exp2((np.maximum(given, shape.bend) - shape.offset) / shape.gain) - shape.shift) / shape.scale
            exposed = np.where(given > (shape.bend + above) / 2, curved, (given - shape.toe) / shape.slope)
            light: Floats = (exposed * 2.0**-self.exposure).astype(np.float32)
        return light


def fitting_exposure(*, curve: Curve, brightest: float) -> float:
    """The exposure, in whole eighths of a stop and at most 0, at which light of `brightest` fits below the code 1.

    Not below ``-EXPOSURE_LIMIT``: what is brighter still has codes above 1.
    """
    room = WideRange(curve=curve).highest
    if not brightest > room:
        return 0.0
    stops = math.floor(math.log2(room / brightest) * 8) / 8 if math.isfinite(brightest) else -EXPOSURE_LIMIT
    return max(stops, -EXPOSURE_LIMIT)
