"""Suite `clean-plate`: people taken out of a real, locked-off, compressed clip of which the empty room is known.

Intel's one-by-one-person-detection.mp4: people come to a table one after the other, and between two visits the room is
empty. The median over the empty frames (those below, found by eye) is the clean plate. The median over the whole clip
is not: somebody stands at the table for most of it.

The camera exposes automatically, by up to half a stop when somebody comes. A result belongs into its own frame, so the
truth of a frame is the clean plate, brought to the frame's exposure by a gain and an offset per channel, fitted to what
the frame shows of the room. How well that describes the room beyond the mattes, and just beside them, is in
the tables as the method `plate`: no fill can be expected to do better.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from engine_run import run_engine
from evaluate import GENERATED, NEVER_SEEN, SEEN, Clip, measure
from frame_files import read_codes, write_codes
from record import Row
from suite import Outcome, Settings, filled_frames, over_cases, rows_of_case, say

from overscan.core.jobs import ExtrasMode, Inpaint, Job, MatteSource, OutputSpec, SequenceSource

Codes = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SUITE = "clean-plate"
_MOVIE = "one-by-one-person-detection.mp4"
_EMPTY = (*range(0, 56, 4), *range(464, 496, 4), *range(712, 744, 4), *range(880, 924, 4), *range(1216, 1232, 4))
"""Frames without anybody in the room."""
_STRETCHES = {"one comes in": (880, 1000), "one leaves, one comes": (680, 800)}
"""Cases: first frame, and the one after the last."""
_QUICK_FRAMES = 12
_FIRST = 1001
_DIFFERS = 24
"""Code values by which somebody differs from the room, in any channel."""
_SMALLEST = 150
"""Pixels of a matte's smallest piece; less is the compression's noise."""
_GROWN = 8
"""Px: soft edges, the compression's halos."""
_BESIDE = 24
"""Px: how far round a matte counts as beside it."""
_FITS = 4
"""Rounds of fitting the exposure and finding who is not the room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealCase:
    """A stretch of the clip."""

    name: str
    first: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RealFrame:
    """One frame of it."""

    plate: Codes = field(repr=False)
    truth: Pixels = field(repr=False)
    """The clean plate at this frame's exposure, 0..1."""
    hole: Mask = field(repr=False)


def run(settings: Settings) -> list[Row]:
    """The suite's rows."""
    cases = [
        RealCase(name=name, first=first, after=after)
        for name, (first, after) in _STRETCHES.items()
        if settings.wants(name)
    ]
    return over_cases(run_case, cases, settings)


def run_case(case: RealCase, settings: Settings) -> list[Row]:
    """One stretch's rows."""
    say(f"{SUITE}: {case.name}")
    movie = settings.data / "intel" / _MOVIE
    room = clean_plate(movie)
    numbers = range(case.first, case.after, (case.after - case.first) // _QUICK_FRAMES if settings.quick else 1)
    frames = [against_room(frame, room) for frame in _decoded(movie, set(numbers))]
    truth = [np.where(frame.hole[..., None], frame.truth, _light(frame.plate)) for frame in frames]
    holes = [frame.hole for frame in frames]
    shown_once = np.any([~hole for hole in holes], axis=0)
    seen = [hole & shown_once for hole in holes]
    regions = {GENERATED: holes, SEEN: seen, NEVER_SEEN: [hole & ~shown_once for hole in holes]}
    clip = Clip(truth=truth, scene_linear=False, generated=holes, regions=regions, comparable_in_place=True)
    with tempfile.TemporaryDirectory() as folder:
        outcome = _generate(frames, Path(folder), settings)
    rows = rows_of_case(
        suite=SUITE,
        case=case.name,
        clip=clip,
        outcome=outcome,
        others=filled_frames(clip, settings=settings),
        settings=settings,
    )
    return [*rows, *_ceilings(case, frames)]


def clean_plate(movie: Path) -> Pixels:
    """The empty room, ``(height, width, 3)`` in code values."""
    return np.asarray(np.median(np.stack(list(_decoded(movie, set(_EMPTY)))), axis=0), np.float32)


def against_room(frame: Codes, room: Pixels) -> RealFrame:
    """Fit the exposure, and find who is not the room."""
    codes = frame.astype(np.float32)
    hole = np.zeros(frame.shape[:2], np.bool_)
    exposed = room
    for _ in range(_FITS):
        exposed = np.stack([_fitted(codes[..., at], room[..., at], ~hole) for at in range(3)], axis=-1)
        hole = _matte(np.abs(codes - exposed).max(axis=2))
    return RealFrame(plate=frame, truth=np.clip(exposed, 0, 255) / np.float32(255), hole=hole)


def _fitted(codes: Pixels, room: Pixels, known: Mask) -> Pixels:
    """The room at the frame's exposure: a line through the codes of what is known, those that fit it best alone."""
    ours, theirs = room[known].astype(np.float64), codes[known].astype(np.float64)
    gain, offset = 1.0, float(np.median(theirs - ours))
    for _ in range(_FITS):
        off = np.abs(theirs - gain * ours - offset)
        fits = off <= np.quantile(off, 0.8)
        gain, offset = np.polyfit(ours[fits], theirs[fits], 1)
    return np.asarray(room * gain + offset, np.float32)


def _matte(difference: Pixels) -> Mask:
    mask = (cv2.GaussianBlur(difference, (0, 0), 1.0) > _DIFFERS).astype(np.uint8)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _disc(6)), np.uint8)
    count, pieces, statistics, _ = cv2.connectedComponentsWithStats(mask)
    large = [piece for piece in range(1, count) if statistics[piece, cv2.CC_STAT_AREA] >= _SMALLEST]
    kept = np.isin(pieces, large).astype(np.uint8)
    return np.asarray(cv2.dilate(kept, _disc(_GROWN)), np.bool_)


def _disc(radius: int) -> Codes:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _ceilings(case: RealCase, frames: list[RealFrame]) -> list[Row]:
    """How well the truth describes what the plate itself shows of the room: all of it, and beside the mattes.

    People darken the wall and the floor that they stand at. A fill that fits its surroundings is as dark.
    """
    truth = [frame.truth for frame in frames]
    known = [~frame.hole for frame in frames]
    grown = [np.asarray(cv2.dilate(frame.hole.astype(np.uint8), _disc(_BESIDE)), np.bool_) for frame in frames]
    regions = {"known": known, "beside": [more & own for more, own in zip(grown, known, strict=True)]}
    clip = Clip(truth=truth, scene_linear=False, generated=known, regions=regions)
    figures = measure([_light(frame.plate) for frame in frames], clip, perceptual=False)
    return [
        Row(
            suite=SUITE,
            case=case.name,
            method="plate",
            region=region,
            frames=len(frames),
            figures=replace(figures[region], warp_error_ratio=None),
        )
        for region in regions
    ]


def _generate(frames: list[RealFrame], folder: Path, settings: Settings) -> Outcome:
    numbers = range(_FIRST, _FIRST + len(frames))
    for number, frame in zip(numbers, frames, strict=True):
        write_codes(folder / f"p.{number}.png", frame.plate)
        write_codes(folder / f"m.{number}.png", frame.hole.astype(np.uint8) * 255)
    job = Job(
        task=Inpaint(matte=MatteSource(sequence=SequenceSource(path=str(folder / "m.%04d.png")))),
        plate=SequenceSource(path=str(folder / "p.%04d.png")),
        output=OutputSpec(path=str(folder / "out" / "o.%04d.png"), extras=ExtrasMode.NONE),
        parameters=settings.parameters,
    )
    done = run_engine(job, threads=settings.threads)
    if done.problem:
        return Outcome(run=done)
    made = [read_codes(folder / "out" / f"o.{number}.png") for number in numbers]
    changed = [np.count_nonzero((own != frame.plate)[~frame.hole]) for own, frame in zip(made, frames, strict=True)]
    return Outcome(run=done, frames=[_light(own) for own in made], samples_changed=int(sum(changed)))


def _light(codes: Codes) -> Pixels:
    return codes.astype(np.float32) / np.float32(255)


def _decoded(movie: Path, numbers: set[int]) -> Iterator[Codes]:
    """The frames of `numbers`, in order, RGB."""
    if not movie.is_file():
        raise SystemExit(f"{movie} is not there: give the folder with intel/{_MOVIE} as --data")
    with av.open(str(movie)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            if number >= max(numbers):
                return
