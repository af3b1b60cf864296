"""Measures the frames that a method made against the truth, by region."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from perceptual import flip_map, jod

from overscan.core.colour import analysis_proxy, display_encode
from overscan.core.measure import (
    PixelMotion,
    grain_ratio,
    high_frequency_ratio,
    misplacement,
    pixel_motion,
    psnr,
    seam_step,
    ssim,
    warp_error,
)

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CEILING_DB = 100.0
"""What a frame without any difference counts as in a mean of decibels."""
GENERATED, SEEN, NEVER_SEEN, WHOLE = "generated", "seen", "never seen", "whole frame"
"""Regions. `SEEN`: what another frame of the shot shows, by the truth, not by what the engine says."""
_FLIP_FRAMES = 6
_JOD_FRAMES = 24
"""FLIP and ColorVideoVDP take seconds a frame: FLIP has so many frames of a clip, evenly spread, ColorVideoVDP the run
of so many neighbours in which most is generated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Means over the frames of a clip; None where a figure was not taken or does not apply."""

    psnr_db: float | None = None
    """Display-encoded, peak 1. A frame counts for 100 dB at most; here and in the next."""
    log_psnr_db: float | None = None
    """In ACEScct-shaped code values; scene-linear clips alone."""
    ssim: float | None = None
    """11 px window, display-encoded."""
    high_frequency_ratio: float | None = None
    """Fine detail as a multiple of the truth's."""
    warp_error_ratio: float | None = None
    """Flicker as a multiple of the truth's."""
    flip: float | None = None
    """0 (equal) to 1."""
    jod: float | None = None
    """ColorVideoVDP of the whole frame, 10 being equal."""
    seam_stops: float | None = None
    """Step of exposure across the seam."""
    grain_ratio: tuple[float, ...] | None = None
    """Strength of grain as a multiple of the truth's, by channel; clips with grain alone."""
    drift_px: float | None = None
    """The furthest that any frame's fill lies from where the truth has it."""
    samples_changed: int | None = None
    """Samples outside the generated region that are not the plate's; anything but 0 is a fault."""
    seconds_per_frame: float | None = None
    peak_mib: float | None = None
    """Highest resident memory of the engine's process."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What is known about a clip, over the frames of the result."""

    truth: Sequence[Pixels] = field(repr=False)
    """Per frame ``(height, width, 3)``: scene-linear light, or display-encoded 0..1."""
    scene_linear: bool
    generated: Sequence[Mask] = field(repr=False)
    """Per frame ``(height, width)``; frames without any generated pixel do not count."""
    regions: Mapping[str, Sequence[Mask]] = field(repr=False)
    """Regions by name, to be measured each on its own."""
    grainy: bool = False
    comparable_in_place: bool = False
    """Whether the truth's structure is what a result must show, so that drift and seams can be told."""

    @cached_property
    def shown(self) -> list[Pixels]:
        """The truth, display-encoded."""
        return [self.encode(frame) for frame in self.truth]

    @cached_property
    def motions(self) -> list[PixelMotion]:
        """The truth's motion from each frame to the next."""
        return [pixel_motion(*pair) for pair in zip(self.shown, self.shown[1:], strict=False)]

    def encode(self, frame: Pixels) -> Pixels:
        """A frame, display-encoded."""
        return display_encode(frame) if self.scene_linear else frame


def measure(made: Sequence[Pixels], clip: Clip, *, perceptual: bool = True) -> dict[str, Figures]:
    """Figures of each region of `clip`, for the frames that a method `made`; finite samples count, others are black.

    `perceptual` False leaves FLIP and ColorVideoVDP out, which take most of the time.
    """
    made = [np.nan_to_num(frame, nan=0.0, posinf=65504.0, neginf=0.0) for frame in made]
    shown = [clip.encode(frame) for frame in made]
    judged = [at for at, mask in enumerate(clip.generated) if mask.any()]
    flips: dict[int, Pixels | None] = {}
    liking = None
    if perceptual:
        spread = {judged[round(at)] for at in np.linspace(0, len(judged) - 1, min(_FLIP_FRAMES, len(judged)))}
        flips = {at: flip_map(made[at], clip.truth[at], scene_linear=clip.scene_linear) for at in sorted(spread)}
        run = _busiest(clip.generated)
        liking = jod(made[run], clip.truth[run], scene_linear=clip.scene_linear)
    return {
        name: _region(name, masks, made=made, shown=shown, clip=clip, judged=judged, flips=flips, liking=liking)
        for name, masks in clip.regions.items()
    }


def _busiest(generated: Sequence[Mask]) -> slice:
    """The frames that ColorVideoVDP looks at."""
    shares = np.array([mask.mean() for mask in generated])
    length = min(_JOD_FRAMES, len(shares))
    sums = np.convolve(shares, np.ones(length), mode="valid")
    start = int(np.argmax(sums > sums.max() - 1e-9))
    return slice(start, start + length)


def _region(
    name: str,
    masks: Sequence[Mask],
    *,
    made: Sequence[Pixels],
    shown: Sequence[Pixels],
    clip: Clip,
    judged: Sequence[int],
    flips: Mapping[int, Pixels | None],
    liking: float | None,
) -> Figures:
    rows: list[Figures] = []
    for at in judged:
        mask, seam = masks[at], clip.generated[at]
        if not mask.any():
            continue
        true, own, flip = clip.shown[at], shown[at], flips.get(at)
        whole = None if name == WHOLE else mask
        proxies = [analysis_proxy(frame) for frame in (made[at], clip.truth[at])] if clip.scene_linear else [own, true]
        in_place = clip.comparable_in_place and name != NEVER_SEEN
        has_seam = clip.scene_linear and clip.comparable_in_place and not seam.all()
        rows.append(
            Figures(
                psnr_db=min(CEILING_DB, psnr(own, true, mask=whole)),
                log_psnr_db=min(CEILING_DB, psnr(*proxies, mask=whole)) if clip.scene_linear else None,
                ssim=ssim(own, true, mask=whole),
                high_frequency_ratio=high_frequency_ratio(own, true, mask=whole),
                flip=None if flip is None else float(flip[mask].mean()),
                seam_stops=seam_step(made[at], clip.truth[at], generated=seam, counted=mask) if has_seam else None,
                grain_ratio=grain_ratio(made[at], clip.truth[at], mask=mask) if clip.grainy else None,
                drift_px=misplacement(*proxies, mask=mask) if in_place and name == SEEN else None,
            )
        )
    return _mean(rows, warp=_warp_ratio(masks, shown, clip, judged), liking=liking)


def _warp_ratio(masks: Sequence[Mask], shown: Sequence[Pixels], clip: Clip, judged: Sequence[int]) -> float | None:
    """Over the pixels of all pairs of frames, both of one generated frame and of whatever follows it."""
    own = true = 0.0
    for at in judged:
        if at + 1 < len(shown) and masks[at].any():
            motion = clip.motions[at]
            weight = float(np.count_nonzero(masks[at] & motion.trusted))
            if weight:
                own += weight * warp_error(shown[at], shown[at + 1], motion=motion, mask=masks[at])
                true += weight * warp_error(clip.shown[at], clip.shown[at + 1], motion=motion, mask=masks[at])
    return own / true if true > 0 else None


def _mean(rows: Sequence[Figures], *, warp: float | None, liking: float | None) -> Figures:
    if not rows:
        return Figures()
    means: dict[str, Any] = {}
    for name in ("psnr_db", "log_psnr_db", "ssim", "high_frequency_ratio", "flip", "seam_stops"):
        means[name] = _finite_mean([getattr(row, name) for row in rows])
    drifts = [row.drift_px for row in rows if row.drift_px is not None and math.isfinite(row.drift_px)]
    grains = [
        row.grain_ratio for row in rows if row.grain_ratio is not None and all(map(math.isfinite, row.grain_ratio))
    ]
    return Figures(
        **means,
        warp_error_ratio=warp,
        jod=liking,
        drift_px=max(drifts, default=None),
        grain_ratio=tuple(float(value) for value in np.mean(grains, axis=0)) if grains else None,
    )


def _finite_mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return float(np.mean(known)) if known else None


def mean_figures(rows: Sequence[Figures]) -> Figures:
    """Means of clips' figures, each over the clips that have it; changed samples are added, drift and memory are the
    largest."""
    means: dict[str, Any] = {}
    for name in (one.name for one in fields(Figures)):
        known = [getattr(row, name) for row in rows if getattr(row, name) is not None]
        if not known:
            continue
        if name == "samples_changed":
            means[name] = int(sum(known))
        elif name in ("drift_px", "peak_mib"):
            means[name] = float(max(known))
        elif name == "grain_ratio":
            means[name] = tuple(float(value) for value in np.mean(known, axis=0))
        else:
            means[name] = float(np.mean(known))
    return Figures(**means)
