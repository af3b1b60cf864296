"""Proves promise 1: reads plate and result and compares every sample outside the generated region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overscan.core.errors import InvalidJobError
from overscan.core.geometry import Window
from overscan.core.jobs import Job, MatteSource, SequenceSource, Task
from overscan.core.plates import PartHeader, PlateFrame, Sequence, read_frame, read_header
from overscan.core.results._compare import FrameCheck, compare, kept_check
from overscan.core.shots import Matte, survey

CHECKS = "checks"
"""Folder of a job's work folder that holds the records of frames checked when they were written."""


def verify_job(job: Job, *, work_folder: Path | None = None) -> Iterator[FrameCheck]:
    """Check all result frames of a job, one at a time.

    Each frame was read back and compared when it was written. Where `work_folder` holds that record and the file
    has not changed since, the record counts; otherwise plate and result are read and compared again. Raises the
    errors of reading, `MissingFramesError` among them where a result is gone.
    """
    found = survey(job)
    if found.shot is None:
        raise InvalidJobError("; ".join(problem.message for problem in found.problems), field="plate")
    shot = found.shot
    target = Sequence.planned(pattern=job.output.path, frames=shot.render)
    for frame in shot.render:
        path = target.path(frame)
        check = (kept_check(work_folder / CHECKS, frame, path) if work_folder else None) or _compare_files(
            plate=shot.path(frame),
            result=path,
            frame=frame,
            rules=_Rules(
                offset=shot.layout.offset,
                part=shot.part,
                painted=shot.colours,
                extends=shot.job.kind is Task.EXTEND,
                matte=shot.matte,
            ),
        )
        yield replace(check, total=len(shot.render))


def verify_result(*, result: str, plate: str = "") -> Iterator[FrameCheck]:
    """Check the frames of a result by what their own headers say, one at a time, reading every file.

    `result` and `plate` are path patterns; an empty `plate` means the one that the headers name. Raises
    `InvalidJobError` where the files are no results of Overscan, and the errors of reading.
    """
    results = Sequence.find(pattern=result)
    attributes = _receipt(results.path(results.frames[0]))
    pattern = plate or attributes["overscan:plate"]
    plates = Sequence.find(pattern=pattern, frames=results.frames)
    first = read_header(plates.path(plates.frames[0]))
    part = int(attributes["overscan:part"])
    matte = _matte(attributes, first[part], results.frames)
    for frame in results.frames:
        own = _receipt(results.path(frame))
        offset = tuple(int(word) for word in own["overscan:offset"].split())
        check = _compare_files(
            plate=plates.path(frame),
            result=results.path(frame),
            frame=frame,
            rules=_Rules(
                offset=(offset[0], offset[1]),
                part=part,
                painted=tuple(own["overscan:channels"].split(" ")),
                extends=own["overscan:task"] == Task.EXTEND.value,
                matte=matte,
            ),
        )
        yield replace(check, total=len(results.frames))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What may differ between plate and result."""

    offset: tuple[int, int]
    part: int
    painted: tuple[str, ...]
    extends: bool
    """An extension generates nothing inside the plate, so all of it must be there unchanged."""
    matte: Matte | None


def _compare_files(*, plate: Path, result: Path, frame: int, rules: _Rules) -> FrameCheck:
    before = read_frame(plate, number=frame)
    after = read_frame(result, number=frame)
    window = next(part.header.data_window for part in before.parts if part.header.index == rules.part)
    return compare(
        plate=before,
        result=after,
        offset=rules.offset,
        part=rules.part,
        painted=rules.painted,
        generated=_generated(before, window, rules),
        window=window,
    )


def _generated(before: PlateFrame, window: Window, rules: _Rules) -> npt.NDArray[np.bool_] | None:
    """Where the plate may have been replaced. The matte decides, not what the result says of itself."""
    if rules.extends or rules.matte is None:
        return None
    return rules.matte.read(before.number, window=window) > 0


def _receipt(path: Path) -> dict[str, str]:
    for header in read_header(path):
        found = {name: str(value) for name, value in header.attributes.items() if name.startswith("overscan:")}
        if {"overscan:plate", "overscan:offset", "overscan:part", "overscan:channels", "overscan:task"} <= set(found):
            return found
    raise InvalidJobError(
        "the file does not say that Overscan made it.",
        next_step="Verify frames that Overscan wrote as EXR; a job's own check covers other formats.",
        path=path,
    )


def _matte(attributes: dict[str, str], header: PartHeader, frames: tuple[int, ...]) -> Matte | None:
    pattern = attributes.get("overscan:matte")
    if pattern is None:
        return None
    part, _, channel = attributes["overscan:matte_channel"].partition(" ")
    source = MatteSource(sequence=SequenceSource(path=pattern), channel=channel)
    return replace(Matte.open(source, plate=header, frames=frames), part=int(part), channel=channel)
