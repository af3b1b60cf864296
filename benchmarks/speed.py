"""Suite `speed`: time and memory of extending a 1920x1080 plate so that 15 % of the result is generated.

A pan over the example's wide truth, enlarged, with grain; half, zip. The engine works in a process of its own, which
is given no more cores than it shall use; planning, analysis, reading and writing included, compiling its kernels not:
an unrecorded run before has done that. PyPatchMatch, which fills frames on their own and keeps 8 bits, has a few of the
same frames in the same run. Memory must not grow with the shot.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from engine_run import run_engine
from evaluate import WHOLE, Figures
from fills import patch_match
from frame_files import read_exr, write_exr
from record import OVERSCAN, Row
from suite import Settings, say

from overscan.core.colour import display_encode
from overscan.core.engines import load_engine
from overscan.core.jobs import Extend, Job, OutputSpec, ParameterValue, SequenceSource
from overscan.examples import folder as examples

SUITE = "speed"
QUALITY = "quality"
"""The engine's parameter."""
_SIZE, _SIDE = (1920, 1080), 170
_STEP = 6.3
"""Px a frame; the pan turns round at the ends of the picture."""
_PATCH_MATCH_FRAMES = 3
_WARM_UP_FRAMES = 4
_QUICKER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedCase:
    """One run of the engine."""

    name: str
    frames: int
    cores: int
    quality: str


def run(settings: Settings) -> list[Row]:
    """The suite's rows, taken one after the other."""
    cases = [case for case in _cases(settings) if settings.wants(case.name)]
    if cases:
        _engine_row(replace(cases[0], name="compiling", frames=_WARM_UP_FRAMES), settings)
    rows = [_engine_row(case, settings) for case in cases]
    if settings.baselines and settings.wants("PatchMatch"):
        rows.append(_patch_match_row(settings))
    return rows


def _cases(settings: Settings) -> list[SpeedCase]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    lengths = (6, 12) if settings.quick else (24, 240)
    frames = 8 if settings.quick else 100
    return [
        SpeedCase(name="final", frames=frames, cores=cores, quality="final"),
        SpeedCase(name="preview", frames=frames, cores=cores, quality="preview"),
        SpeedCase(name="short", frames=lengths[0], cores=cores, quality="final"),
        SpeedCase(name="long", frames=lengths[1], cores=cores, quality="final"),
        SpeedCase(name="one core", frames=frames, cores=1, quality="final"),
    ]


def make_plate(folder: Path, *, frames: int, size: tuple[int, int]) -> None:
    """Write the frames of the pan."""
    width, height = size
    still = read_exr(sorted((examples() / "truth").glob("*.exr"))[16])
    scale = height * 1.2 / still.shape[0]
    wide = cv2.resize(still, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    room = wide.shape[1] - width - 1
    random = np.random.default_rng(2)
    for number in range(frames):
        x = abs((number * _STEP * scale / 1.8 + room) % (2 * room) - room)
        shift = np.array([[1, 0, -x], [0, 1, -height * 0.037]], np.float64)
        light = cv2.warpAffine(wide, shift, size, flags=cv2.INTER_CUBIC)
        write_exr(
            folder / f"plate.{1001 + number}.exr", (light + random.normal(0, 0.002, light.shape)).astype(np.float16)
        )


def _size(settings: Settings) -> tuple[tuple[int, int], int]:
    divisor = _QUICKER if settings.quick else 1
    return (_SIZE[0] // divisor, _SIZE[1] // divisor), _SIDE // divisor


def _engine_row(case: SpeedCase, settings: Settings) -> Row:
    say(f"{SUITE}: {case.name}")
    (width, height), side = _size(settings)
    row = Row(suite=SUITE, case=case.name, method=OVERSCAN, region=WHOLE, frames=case.frames)
    parameters: Mapping[str, ParameterValue] = settings.parameters
    if any(parameter.name == QUALITY for parameter in load_engine("plate").card.parameters):
        parameters = {**parameters, QUALITY: case.quality}
    elif case.quality != "final":
        return replace(row, note=f"the engine has no parameter '{QUALITY}'")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_plate(folder / "plate", frames=case.frames, size=(width, height))
        job = Job(
            task=Extend(size=(width + 2 * side, height)),
            plate=SequenceSource(path=str(folder / "plate" / "plate.%04d.exr")),
            output=OutputSpec(path=str(folder / "out" / "out.%04d.exr")),
            parameters=parameters,
        )
        done = run_engine(job, threads=case.cores, pinned=True)
    if done.problem:
        return replace(row, note=done.problem)
    figures = Figures(seconds_per_frame=done.seconds / case.frames, peak_mib=done.peak_mib)
    return replace(row, figures=figures, note=f"{case.cores} cores" if case.cores > 1 else "1 core")


def _patch_match_row(settings: Settings) -> Row:
    say(f"{SUITE}: PatchMatch")
    row = Row(suite=SUITE, case="PatchMatch", method="PatchMatch", region=WHOLE, frames=_PATCH_MATCH_FRAMES)
    if patch_match is None:
        return replace(row, note="not installed")
    (width, height), side = _size(settings)
    seconds = []
    with tempfile.TemporaryDirectory() as place:
        make_plate(Path(place), frames=_PATCH_MATCH_FRAMES, size=(width, height))
        for path in sorted(Path(place).glob("*.exr")):
            wide = cv2.copyMakeBorder(read_exr(path), 0, 0, side, side, cv2.BORDER_CONSTANT)
            hole = np.ones(wide.shape[:2], np.bool_)
            hole[:, side:-side] = False
            codes = np.round(display_encode(wide) * 255).astype(np.uint8)
            start = time.monotonic()
            patch_match(codes, hole)
            seconds.append(time.monotonic() - start)
    return replace(row, figures=Figures(seconds_per_frame=statistics.median(seconds)))
