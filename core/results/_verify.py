"""Proves promise 1: reads plate and result and compares every sample outside the generated region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overscan.core.errors import MismatchError, MissingFramesError, OverscanError, from_record
from overscan.core.frames import format_frames
from overscan.core.geometry import Window
from overscan.core.jobs import Job, MatteSource, SequenceSource, Task
from overscan.core.plates import PlateFrame, Sequence, read_frame, read_header
from overscan.core.results._compare import CHECKS, FrameCheck, compare, kept_check
from overscan.core.results._extras import without_extras
from overscan.core.results._receipt import Receipt, read_receipt
from overscan.core.shots import Matte, survey


def verify_job(job: Job, *, work_folder: Path | None = None) -> Iterator[FrameCheck]:
    """Check all result frames of a job, one at a time.

    Each frame was read back and compared when it was written. Where `work_folder` holds that record and neither the
    result nor the plate nor the matte has changed since, the record counts; otherwise they are read and compared
    again. Raises the errors of reading, `MissingFramesError` among them where a result is gone.
    """
    found = survey(job)
    if found.shot is None:
        raise from_record(found.problems[0])
    shot = found.shot
    target = Sequence.planned(pattern=job.output.path, frames=shot.render)
    for frame in shot.render:
        path = target.path(frame)
        check = (
            kept_check(work_folder / CHECKS, frame, path, inputs=shot.made_from(frame)) if work_folder else None
        ) or _checked(
            plate=None if (own := shot.moments[frame].plate) is None else shot.path(own),
            plate_frame=own,
            result=path,
            frame=frame,
            rules=_Rules(
                offset=shot.layout.offset,
                part=shot.part,
                painted=shot.colours,
                fills=shot.job.kind is Task.INPAINT,
                matte=shot.matte,
            ),
        )
        yield replace(check, total=len(shot.render))


def verify_result(*, result: str, plate: str = "", known: Mapping[int, Receipt] | None = None) -> Iterator[FrameCheck]:
    """Check the frames of a result by what their own headers say, one at a time, reading every file.

    `result` and `plate` are path patterns; an empty `plate` means the one that the headers name. `known` is what
    somebody else knows of frames, by the number of the file, for those that have lost their header. What is wrong with
    one frame stops no other: it is raised at the end. Raises `MissingFramesError` where frames are gone that the same
    jobs rendered, `InvalidJobError` where the files are no results of Overscan, and the errors of reading.
    """
    results = Sequence.find(pattern=result)
    receipts: dict[int, Receipt] = {}
    faults: list[OverscanError] = []
    for number in results.frames:
        try:
            receipts[number] = read_receipt(results.path(number))
        except OverscanError:
            if known is None or number not in known:
                raise
            receipts[number] = known[number]
    _require_all(receipts, result)
    first = receipts[results.frames[0]]
    own = {receipt.plate_frame for receipt in receipts.values() if receipt.plate_frame is not None}
    plates = Sequence.find(pattern=plate or first.plate, frames=tuple(sorted(own))) if own else None
    matte = None if plates is None else _matte(first, plates)
    for number, receipt in receipts.items():
        frame = receipt.plate_frame
        try:
            check = _checked(
                plate=None if frame is None or plates is None else plates.path(frame),
                plate_frame=frame,
                result=results.path(number),
                frame=receipt.frame,
                rules=_Rules(
                    offset=receipt.offset,
                    part=receipt.part,
                    painted=receipt.painted,
                    fills=receipt.fills,
                    matte=matte,
                ),
            )
        except OverscanError as error:
            faults.append(error)
            continue
        yield replace(check, total=len(receipts))
    if faults:
        raise faults[0]


def _require_all(receipts: dict[int, Receipt], pattern: str) -> None:
    rendered = {frame for receipt in receipts.values() for frame in receipt.frames}
    missing = sorted(rendered - {receipt.frame for receipt in receipts.values()})
    if missing:
        raise MissingFramesError(
            f"missing frames: {format_frames(missing)} were rendered, and are not there.",
            next_step="Render them again.",
            path=pattern,
            frame=missing[0],
            expected=format_frames(rendered),
            actual=format_frames(rendered - set(missing)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What may differ between plate and result."""

    offset: tuple[int, int]
    part: int
    painted: tuple[str, ...]
    fills: bool
    """Only what fills a matte generates anything inside a plate frame; else all of it must be there unchanged."""
    matte: Matte | None


def _checked(*, plate: Path | None, plate_frame: int | None, result: Path, frame: int, rules: _Rules) -> FrameCheck:
    """Compare a result file with its plate's. One without a plate's must be there and sound, and that is all."""
    after = read_frame(result, number=frame)
    if plate is None or plate_frame is None:
        return FrameCheck(frame=frame, path=result, samples=0, differing=0)
    before = read_frame(plate, number=plate_frame)
    window = next((part.header.data_window for part in before.parts if part.header.index == rules.part), None)
    if window is None:
        raise MismatchError(
            f"the result was painted on part {rules.part} of its plate, and this one has {len(before.parts)}.",
            next_step="Name the plate that the result was made from.",
            path=plate,
            frame=frame,
            field="plate",
        )
    check = compare(
        plate=without_extras(before, painted=rules.painted),
        result=after,
        offset=rules.offset,
        part=rules.part,
        painted=rules.painted,
        generated=_generated(before, window, rules),
        window=window,
    )
    return replace(check, frame=frame)


def _generated(before: PlateFrame, window: Window, rules: _Rules) -> npt.NDArray[np.bool_] | None:
    """Where the plate may have been replaced. The matte decides, not what the result says of itself."""
    if not rules.fills or rules.matte is None:
        return None
    return rules.matte.read(before.number, window=window) > 0


def _matte(receipt: Receipt, plates: Sequence) -> Matte | None:
    if not receipt.matte:
        return None
    header = read_header(plates.path(plates.frames[0]))[0]  # all parts of a file share one format
    source = MatteSource(sequence=SequenceSource(path=receipt.matte), channel=receipt.matte_channel)
    matte = Matte.open(source, plate=header, frames=plates.frames)
    return replace(matte, part=receipt.matte_part, channel=receipt.matte_channel)
