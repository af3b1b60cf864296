"""Suite `hdr`: scene-linear shots of which everything is known (`hdr_shot.py`), of every task."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from engine_run import EngineRun, run_engine
from evaluate import GENERATED, NEVER_SEEN, SEEN, Clip
from frame_files import read_half, write_exr
from hdr_cases import CASES, CONTINUE, EXTEND, IN_BETWEEN, REMOVE, HdrCase
from hdr_shot import Scene
from record import Row
from suite import Outcome, Settings, filled_frames, over_cases, rows_of_case, say

from overscan.core.jobs import (
    AnyTask,
    Continue,
    Extend,
    Inpaint,
    Interpolate,
    Job,
    MatteSource,
    OutputSpec,
    SequenceSource,
)

Pixels = npt.NDArray[np.float32]
Half = npt.NDArray[np.float16]
Mask = npt.NDArray[np.bool_]

SUITE = "hdr"
_FIRST = 1001
_MATTE_ALPHA = 0.002
"""Where the object hides more of the background than this, its matte is 1 ..."""
_MATTE_GROWN = 3
"""... and px further: what an artist's matte covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filmed:
    """A case, filmed."""

    truth: list[Half] = field(repr=False)
    """Per frame of the result, over its whole size."""
    plate: list[Half | None] = field(repr=False)
    """What the plate shows of each, cut to the plate's size; None for a frame that it lacks."""
    generated: list[Mask] = field(repr=False)
    seen: list[Mask] = field(repr=False)
    """What of it another frame of the plate shows."""


def run(settings: Settings) -> list[Row]:
    """The suite's rows."""
    cases = [case for case in CASES if settings.wants(case.name)]
    return over_cases(run_case, cases, settings)


def run_case(case: HdrCase, settings: Settings) -> list[Row]:
    """One case's rows."""
    if settings.quick:
        case = case.quicker()
    say(f"{SUITE}: {case.name}")
    filmed = film(case, case.scene(settings.data / "hdr-stills"))
    truth = [frame.astype(np.float32) for frame in filmed.truth]
    spatial = case.task in (EXTEND, REMOVE)
    regions = {GENERATED: filmed.generated}
    if spatial:
        never = [mask & ~seen for mask, seen in zip(filmed.generated, filmed.seen, strict=True)]
        regions |= {SEEN: filmed.seen, NEVER_SEEN: never}
    clip = Clip(
        truth=truth,
        scene_linear=True,
        generated=filmed.generated,
        regions=regions,
        grainy=any(case.camera.grain),
        comparable_in_place=spatial,
    )
    with tempfile.TemporaryDirectory() as folder:
        outcome = _generate(case, filmed, Path(folder), settings)
    others = filled_frames(clip, settings=settings) if spatial else _in_time(filmed, settings)
    return rows_of_case(suite=SUITE, case=case.name, clip=clip, outcome=outcome, others=others, settings=settings)


def film(case: HdrCase, scene: Scene) -> Filmed:
    """Render truth and plate of a case."""
    width, height = case.size
    across, down = case.margins
    inner = (slice(down, height - down), slice(across, width - across))
    truth, plate, generated, in_front = [], [], [], []
    for frame in range(case.frames):
        light, alpha = scene.light(frame)
        wanted = scene.light(frame, with_layer=False)[0] if case.task == REMOVE else light
        truth.append(_half(scene.exposed(wanted, frame)))
        in_front.append(alpha > _MATTE_ALPHA)
        hole = np.ones((height, width), np.bool_)
        if case.task == EXTEND:
            hole[inner] = False
        elif case.task == REMOVE:
            hole = _grown(in_front[-1])
        elif _in_plate(case, frame):
            hole[:] = False
        generated.append(hole)
        shown = _half(scene.exposed(light, frame))
        # Grain is drawn by light: beyond the matte the plate is the truth, to the bit.
        shown = np.where(hole[..., None], shown, truth[-1]) if case.task == REMOVE else shown
        plate.append(np.ascontiguousarray(shown[inner]) if _in_plate(case, frame) else None)
    known = [~hole & ~layer for hole, layer in zip(generated, in_front, strict=True)]
    background = [hole & (~layer | (case.task == REMOVE)) for hole, layer in zip(generated, in_front, strict=True)]
    seen = scene.seen_elsewhere(range(case.frames), known)
    seen = [one & own for one, own in zip(seen, background, strict=True)]
    return Filmed(truth=truth, plate=plate, generated=generated, seen=seen)


def _in_plate(case: HdrCase, frame: int) -> bool:
    if case.task == CONTINUE:
        return case.handles[0] <= frame < case.frames - case.handles[1]
    return case.task != IN_BETWEEN or frame % (case.gap + 1) == 0


def _generate(case: HdrCase, filmed: Filmed, folder: Path, settings: Settings) -> Outcome:
    """Write the plate, let the engine work, read the result; result frame 1001 is the truth's first."""
    # In-betweens count on from the plate's first frame; a plate to be continued keeps its place in the result.
    numbers = [_FIRST + (at if case.task != IN_BETWEEN else at // (case.gap + 1)) for at in range(case.frames)]
    for number, frame, hole in zip(numbers, filmed.plate, filmed.generated, strict=True):
        if frame is not None:
            write_exr(folder / f"plate.{number}.exr", frame)
            if case.task == REMOVE:
                write_exr(folder / f"matte.{number}.exr", hole[..., None].astype(np.float16), names=("A",))
    job = Job(
        task=_task(case, folder),
        plate=SequenceSource(path=str(folder / "plate.%04d.exr")),
        output=OutputSpec(path=str(folder / "out" / "out.%04d.exr")),
        parameters=settings.parameters,
    )
    done = run_engine(job, threads=settings.threads)
    if done.problem:
        return Outcome(run=done)
    expected = tuple(range(_FIRST, _FIRST + case.frames))
    if tuple(done.frames) != expected:
        wrong = EngineRun(problem=f"wrote the frames {done.frames}, expected {expected[0]}-{expected[-1]}")
        return Outcome(run=wrong)
    results = [read_half(folder / "out" / f"out.{number}.exr") for number in expected]
    changed = [
        int(np.count_nonzero((made.view(np.uint16) != true.view(np.uint16))[~hole]))
        for made, true, hole in zip(results, filmed.truth, filmed.generated, strict=True)
    ]
    return Outcome(run=done, frames=[frame.astype(np.float32) for frame in results], samples_changed=sum(changed))


def _task(case: HdrCase, folder: Path) -> AnyTask:
    if case.task == EXTEND:
        return Extend(size=case.size, place=case.margins)
    if case.task == REMOVE:
        return Inpaint(matte=MatteSource(sequence=SequenceSource(path=str(folder / "matte.%04d.exr"))))
    if case.task == CONTINUE:
        return Continue(head=case.handles[0], tail=case.handles[1])
    return Interpolate(between=case.gap)


def _in_time(filmed: Filmed, settings: Settings) -> dict[str, Sequence[Pixels] | None]:
    """What anyone can do for frames that are not there: hold the nearest, mix the two nearest."""
    if not settings.baselines:
        return {}
    known = [at for at, frame in enumerate(filmed.plate) if frame is not None]
    held, mixed = [], []
    for at in range(len(filmed.plate)):
        before, after = (
            max((k for k in known if k <= at), default=known[0]),
            min((k for k in known if k >= at), default=known[-1]),
        )
        held.append(_light(filmed, before if at - before <= after - at or before == after else after))
        part = np.float32((at - before) / (after - before) if after > before else 0)
        mixed.append(_light(filmed, before) * (1 - part) + _light(filmed, after) * part)
    return {"hold": held, "mix": mixed} if known[-1] == len(filmed.plate) - 1 else {"hold": held}


def _light(filmed: Filmed, at: int) -> Pixels:
    return filmed.truth[at].astype(np.float32)


def _half(light: Pixels) -> Half:
    return np.clip(light, -65504, 65504).astype(np.float16)


def _grown(mask: Mask) -> Mask:
    side = 2 * _MATTE_GROWN + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), np.bool_)
