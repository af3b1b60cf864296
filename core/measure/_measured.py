"""One frame of a result, measured against its truth and made into pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from overscan.core.colour import (
    ColourConfig,
    ColourSpace,
    LinearTransform,
    analysis_proxy,
    display_encode,
    resolve_space,
    to_display,
)
from overscan.core.errors import MismatchError
from overscan.core.measure._baselines import telea_per_frame
from overscan.core.measure._frames import Picture
from overscan.core.measure._pictures import Rgb8, before_after, sheet_row
from overscan.core.measure._quality import high_frequency_ratio, psnr, ssim

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CEILING_DB = 100.0
"""What a frame without any difference counts as in a mean of decibels."""

COPIED, SYNTHESISED, MODEL = 1.0, 2.0, 3.0
"""Values of source.kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Quality of a region, or the means of that over frames."""

    psnr_db: float
    """Of sRGB-encoded light clipped to 0..1, comparable with 8-bit figures; a frame counts for 100 dB at most."""
    log_psnr_db: float
    """Of ACEScct-shaped light, shadows and highlights included; a frame counts for 100 dB at most."""
    ssim: float
    """Of sRGB-encoded light."""
    high_frequency_ratio: float | None
    """Fine detail as a multiple of the truth's, of sRGB-encoded light; None where the truth has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFrame:
    """What one frame adds to a comparison."""

    samples: int
    """Pixels of the result."""
    generated: int
    """Pixels of it that were generated."""
    kinds: Mapping[float, int]
    """Generated pixels by source.kind; empty where the result does not say."""
    differing: int
    """Samples outside the generated region that are not the plate's."""
    result: Scores | None
    """In the generated region; None where nothing was generated."""
    seen: Scores | None
    """Where pixels were copied from other frames of the plate."""
    telea: Scores | None
    movie: Rgb8 = field(repr=False)
    sheet: Rgb8 | None = field(repr=False)
    """The frame's row of the contact sheet, where it is on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """The way from files to linear light and to pictures."""

    config: ColourConfig
    name: str
    """Colour space the user named; empty for what each file says."""

    def linear(self, picture: Picture) -> Pixels:
        """Scene-linear light of the picture."""
        return LinearTransform(config=self.config, space=self._space(picture)).to_linear(picture.rgb)

    def shown(self, picture: Picture) -> Pixels:
        """The picture for a display, 0..1."""
        return to_display(self.config, picture.rgb, self._space(picture))

    def _space(self, picture: Picture) -> ColourSpace:
        return resolve_space(
            self.config,
            name=self.name,
            attributes=picture.attributes,
            path=str(picture.path),
            format_name=picture.format_name,
        )


def measure_frame(
    *, number: int, original: Picture, made: Picture, true: Picture, colour: Colour, on_sheet: bool
) -> MeasuredFrame:
    """Measure the result `made` of the plate frame `original` against `true`; see `compare` for what raises what."""
    true = _aligned(made, true)
    generated = _generated(made)
    kind = made.extras.get("source.kind")
    light = colour.linear(made)
    result = telea = seen = None
    if generated.any():
        reference = _Reference(colour.linear(true))
        result = reference.scores(light, generated)
        telea = reference.scores(telea_per_frame(light, generated), generated)
        copied = generated & (kind == COPIED) if kind is not None else np.zeros_like(generated)
        seen = reference.scores(light, copied) if copied.any() else None
    picture = colour.shown(made)
    row = None
    if on_sheet:
        kinds = np.zeros(generated.shape, np.float32) if kind is None else kind
        row = sheet_row(frame=number, result=picture, truth=colour.shown(true), generated=generated, kind=kinds)
    values = () if kind is None else (COPIED, SYNTHESISED, MODEL)
    return MeasuredFrame(
        samples=generated.size,
        generated=int(generated.sum()),
        kinds={value: int((generated & (kind == value)).sum()) for value in values},
        differing=_differing(original, made, generated),
        result=result,
        seen=seen,
        telea=telea,
        movie=before_after(picture, generated),
        sheet=row,
    )


class _Reference:
    """The truth, encoded once for all that is measured against it."""

    def __init__(self, light: Pixels) -> None:
        self._encoded, self._log = display_encode(light), analysis_proxy(light)

    def scores(self, light: Pixels, mask: Mask) -> Scores:
        encoded = display_encode(light)
        detail = high_frequency_ratio(encoded, self._encoded, mask=mask)
        return Scores(
            psnr_db=min(CEILING_DB, psnr(encoded, self._encoded, mask=mask)),
            log_psnr_db=min(CEILING_DB, psnr(analysis_proxy(light), self._log, mask=mask)),
            ssim=ssim(encoded, self._encoded, mask=mask),
            high_frequency_ratio=detail if math.isfinite(detail) else None,
        )


def _aligned(made: Picture, true: Picture) -> Picture:
    """The truth over the window of the result."""
    if not true.window.contains(made.window):
        raise MismatchError(
            f"the truth covers {true.window}, the result {made.window}: it does not show all that was generated.",
            next_step="Give a truth of the result's format.",
            path=true.path,
            expected=made.window,
            actual=true.window,
        )
    return true.cropped(made.window)


def _generated(made: Picture) -> Mask:
    if "generated.A" not in made.extras:
        raise MismatchError(
            "the result has no generated.A layer, so what was generated cannot be told.",
            next_step="Write the result with extras as a part or as layers.",
            path=made.path,
            expected="a channel generated.A",
        )
    mask: Mask = made.extras["generated.A"] > 0.0
    return mask


def _differing(original: Picture, made: Picture, generated: Mask) -> int:
    """Samples outside the generated region whose bits are not the plate's; so NaN equals NaN, and -0 is not 0."""
    top, left = _placement(original, made, generated)
    height, width = original.rgb.shape[:2]
    rows, columns = slice(top, top + height), slice(left, left + width)
    bits_made = np.ascontiguousarray(made.rgb[rows, columns]).view(np.uint32)
    bits_plate = np.ascontiguousarray(original.rgb).view(np.uint32)
    return int(((bits_made != bits_plate) & ~generated[rows, columns, None]).sum())


def _placement(original: Picture, made: Picture, generated: Mask) -> tuple[int, int]:
    """Row and column of the plate's first sample in the result."""
    height, width = original.rgb.shape[:2]
    if (height, width) == generated.shape:
        return 0, 0
    rows, columns = np.flatnonzero((~generated).any(axis=1)), np.flatnonzero((~generated).any(axis=0))
    kept = (int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1) if rows.size else (0, 0)
    if kept != (height, width):
        raise MismatchError(
            f"the plate has {width}x{height} samples, but what the result kept of it covers {kept[1]}x{kept[0]}.",
            next_step="Give the plate that the result was made from, uncropped.",
            path=made.path,
            expected=f"{width}x{height}",
            actual=f"{kept[1]}x{kept[0]}",
        )
    return int(rows[0]), int(columns[0])
