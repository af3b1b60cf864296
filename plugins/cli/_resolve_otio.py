"""What was generated for Resolve as an OpenTimelineIO timeline, so that it can be conformed elsewhere.

Read from the records that lie beside the frames; no Resolve has to run. Each clip has two media references: the result
(``DEFAULT_MEDIA``) and the plate it was made from (``plate``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from overscan.client import ServiceError, make_problem
from overscan_host import BridgeError, frames_from_text
from overscan_resolve import RECORD_NAME, Record, frames_of, load, rate_from

_FINISHED = ("succeeded", "placed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    output: Path
    clips: int
    tracks: int
    left_out: tuple[str, ...]
    """Results that are not in it, and why."""


def export_results(folders: Sequence[Path], *, output: Path, overwrite: bool) -> Exported:
    """Write the newest finished result of each clip. Raises `ServiceError`."""
    if output.exists() and not overwrite:
        raise _problem("OUTPUT_EXISTS", f"{output} is there already.", "Name another file, or add --overwrite.", output)
    records, left_out = _newest(_records(folders))
    if not records:
        raise _problem(
            "REPORT", f"There is no finished result of Resolve in {', '.join(map(str, folders))}.",
            "Name the folder that results were written to; each version has a file overscan_resolve.json.", folders[0],
        )  # fmt: skip
    timelines = {record.timeline_id for record in records}
    if len(timelines) > 1:
        names = ", ".join(sorted({record.timeline_name for record in records}))
        raise _problem("REPORT", f"These results are of {len(timelines)} timelines: {names}.",
                       "Name the folders of one timeline's clips.", folders[0])  # fmt: skip
    timeline = build_timeline(records)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        otio.adapters.write_to_file(timeline, str(output))
    except OSError as error:
        raise _problem("OUTPUT_NOT_WRITABLE", f"{output} cannot be written: {error.strerror}.",
                       "Name another place.", output) from error  # fmt: skip
    return Exported(output=output, clips=len(records), tracks=len(timeline.tracks), left_out=tuple(left_out))


def build_timeline(records: Iterable[Record]) -> otio.schema.Timeline:
    """A timeline with a track for each track that has results, and gaps where it has none."""
    ordered = sorted(records, key=lambda record: (record.track, record.record_start))
    first = ordered[0]
    rate = float(rate_from(first.timeline_rate).exact)
    start = min(record.record_start for record in ordered)
    timeline = otio.schema.Timeline(name=first.timeline_name, global_start_time=otio.opentime.RationalTime(start, rate))
    timeline.metadata["overscan"] = {"project": first.project_name, "timeline": first.timeline_name}
    for number in sorted({record.track for record in ordered}):
        track = otio.schema.Track(name=f"V{number}", kind=otio.schema.TrackKind.Video)
        at = start
        for record in (record for record in ordered if record.track == number):
            if record.record_start > at:
                gap = otio.opentime.RationalTime(record.record_start - at, rate)
                track.append(otio.schema.Gap(duration=gap))
            track.append(_clip(record, rate))
            at = record.record_end
        timeline.tracks.append(track)
    return timeline


def _clip(record: Record, timeline_rate: float) -> otio.schema.Clip:
    graded = record.pixels == "graded"
    rate = rate_from(record.timeline_rate if graded else record.clip_rate)
    exact = float(rate.exact)
    numbers = frames_from_text(record.frames)
    if graded:
        zero = record.record_start - record.begins
    else:
        try:
            zero = frames_of(record.media_start_timecode, rate) - record.media_first
        except ValueError:  # no timecode: frames count as their files do
            zero = 0
    clip = otio.schema.Clip(
        name=f"{record.shot}_{record.version}",
        source_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(record.begins + zero, exact),
            otio.opentime.RationalTime(record.record_end - record.record_start, timeline_rate),
        ),
    )
    references = {"DEFAULT_MEDIA": _images(record.path, numbers[0], numbers[-1], zero, exact)}
    if record.plate_path:
        references["plate"] = _images(record.plate_path, record.plate_first, record.plate_last, zero, exact)
    clip.set_media_references(references, "DEFAULT_MEDIA")
    speed = Fraction(record.speed)
    if not graded and speed == 0:
        clip.effects.append(otio.schema.FreezeFrame())
    elif not graded and speed != 1:
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
    clip.metadata["overscan"] = {
        "job": record.job_id,
        "task": record.task,
        "pixels": record.pixels,
        "clip": record.item_name,
        "placed": str(record.placed.get("as", "")),
        "result": record.path,
        "frames": record.frames,
    }
    return clip


def _images(path: str, first: int, last: int, zero: int, rate: float) -> otio.schema.MediaReference:
    available = otio.opentime.TimeRange(
        otio.opentime.RationalTime(first + zero, rate), otio.opentime.RationalTime(last - first + 1, rate)
    )
    head, found, tail = path.rpartition("%0")
    digits, _, suffix = tail.partition("d")
    if not found or not digits.isdigit():
        return otio.schema.ExternalReference(target_url=Path(path).as_uri(), available_range=available)
    folder, _, prefix = head.rpartition("/")
    return otio.schema.ImageSequenceReference(
        target_url_base=Path(folder or "/").absolute().as_uri() + "/",
        name_prefix=prefix,
        name_suffix=suffix,
        start_frame=first,
        frame_step=1,
        rate=rate,
        frame_zero_padding=int(digits),
        missing_frame_policy=otio.schema.ImageSequenceReference.MissingFramePolicy.error,
        available_range=available,
    )


def _records(folders: Sequence[Path]) -> list[Record]:
    found: dict[str, Record] = {}
    for folder in folders:
        if not folder.exists():
            raise _problem("USAGE", f"There is no folder {folder}.", "Correct the path.", folder)
        for path in sorted(folder.rglob(RECORD_NAME)) if folder.is_dir() else [folder]:
            try:
                found[str(path.resolve())] = load(path)
            except BridgeError as error:
                raise _problem("REPORT", error.message, error.next_step, path) from error
    return list(found.values())


def _newest(records: Iterable[Record]) -> tuple[list[Record], list[str]]:
    """Of each clip the newest version that is finished, and what is said of the others."""
    chosen: dict[str, Record] = {}
    left_out = []
    for record in sorted(records, key=lambda record: record.version):
        if record.state not in _FINISHED:
            left_out.append(f"{record.shot} {record.version} is {record.state}, and left out.")
            continue
        older = chosen.get(record.item_id)
        if older is not None:
            left_out.append(f"{older.shot} {older.version} has a newer version, and is left out.")
        chosen[record.item_id] = record
    return list(chosen.values()), left_out


def _problem(code: str, message: str, next_step: str, path: Path) -> ServiceError:
    return ServiceError([make_problem(code=code, message=message, next_step=next_step, path=str(path))])
