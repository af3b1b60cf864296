"""A result on its way back: into a bin, and to the clip that it belongs to; looked at afterwards, and never trusted."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from overscan_host import BridgeError, frames_from_text, refuse
from overscan_resolve._asking import ask, listed, number, text, unique_id
from overscan_resolve._clip import sequence_path
from overscan_resolve._placing import Found, add_matte, add_take, add_track
from overscan_resolve._record import Record, save
from overscan_resolve._restore import Kept, kept
from overscan_resolve._timecode import frames_of, rate_from, timecode_of

BIN = "Overscan"


def bring_back(resolve: Any, record: Record) -> Record:
    """Import the result and put it where it belongs; returns the record of where that was, saved.

    Where the way that was asked for fails, the next is taken (take, track above, the bin alone), and a note says why;
    from the bin it can be tried again. Nothing that was there is changed. Raises `RefusalError` where nothing could be
    brought in: the project is closed, files are missing, Resolve does not import them.
    """
    if record.state == "placed":
        return record
    _check_project(resolve, record)
    numbers = _numbers_on_disk(record)
    with kept(resolve) as held:
        notes: list[str] = []
        pool_item = _already_there(held, record) or _imported(held, record, numbers, notes)
        found = Found(held=held, record=record, pool_item=pool_item, numbers=numbers, notes=notes)
        placed = _placed(found)
    notes = [*found.notes, *held.problems]
    done = replace(record, state="imported" if placed["as"] == "bin" else "placed", placed={**placed, "notes": notes})
    save(done)
    return done


def _placed(found: Found) -> dict[str, Any]:
    timeline, item = found_again(found.held.project, found.record)
    if timeline is None or item is None:
        lost = "the timeline" if timeline is None else "the clip"
        found.notes.append(
            f"{lost} '{found.record.timeline_name if timeline is None else found.record.item_name}' is not there any "
            f"more. The result is in the bin {BIN}/{found.record.shot}."
        )
        return {"as": "bin", "media_id": unique_id(found.pool_item)}
    found.timeline, found.item = timeline, item
    start, end = number(item, "GetStart"), number(item, "GetEnd")
    if (start, end) != (found.record.record_start, found.record.record_end) and found.record.pixels == "graded":
        found.notes.append(
            "The clip was moved or trimmed meanwhile; the result is where the clip was when it was made."
        )
    if found.record.place != "matte" and not _fits(found):
        return {"as": "bin", "media_id": unique_id(found.pool_item)}
    ways = {"take": (add_take, add_track), "track": (add_track,), "matte": (add_matte,)}[found.record.place]
    for way in ways:
        placed = way(found)
        if placed is not None:
            return {**placed, "media_id": unique_id(found.pool_item)}
    found.notes.append(f"The result is in the bin {BIN}/{found.record.shot}, and was put nowhere else.")
    return {"as": "bin", "media_id": unique_id(found.pool_item)}


def _fits(found: Found) -> bool:
    try:
        return found.look()
    except BridgeError as problem:
        found.notes.append(problem.message)
        return False


def found_again(project: Any, record: Record) -> tuple[Any, Any]:
    """The timeline and the clip by their identities; None for what is gone."""
    for index in range(1, (number(project, "GetTimelineCount") or 0) + 1):
        timeline = ask(project, "GetTimelineByIndex", index)
        if unique_id(timeline) != record.timeline_id:
            continue
        for track in range(1, (number(timeline, "GetTrackCount", "video") or 0) + 1):
            for item in listed(timeline, "GetItemListInTrack", "video", track):
                if unique_id(item) == record.item_id:
                    return timeline, item
        return timeline, None
    return None, None


def _check_project(resolve: Any, record: Record) -> None:
    project = ask(ask(resolve, "GetProjectManager"), "GetCurrentProject")
    if unique_id(project) != record.project_id:
        name = text(project, "GetName")
        now = f"'{name}' is open" if name else "no project is open, or Resolve has gone"
        raise refuse(
            "INVALID_JOB",
            f"The result of '{record.item_name}' belongs to the project '{record.project_name}', and {now}. It is "
            f"finished and safe in {record.folder}.",
            f"Open '{record.project_name}' and bring it in from the queue, or with `overscan resolve place "
            f"{record.folder}`.",
            path=str(record.folder),
        )


def _numbers_on_disk(record: Record) -> list[int]:
    numbers = frames_from_text(record.frames)
    missing = [frame for frame in numbers if not _is_file(record, frame)]
    if missing or not numbers:
        raise refuse(
            "MISSING_FRAMES",
            f"{len(missing)} of the {len(numbers)} frames of the result are not in {record.folder}.",
            "Run `overscan jobs retry` on its job, or generate it again.",
            path=record.path,
        )
    return numbers


def _is_file(record: Record, frame: int) -> bool:
    head, _, tail = record.path.rpartition("%04d")
    return record.folder.joinpath(f"{head}{frame:04d}{tail}").is_file()


def _already_there(held: Kept, record: Record) -> Any:
    """The media pool's item of a result that was imported before, and could be put nowhere then; None for none."""
    wanted = record.placed.get("media_id")
    folder = ask(ask(held.project, "GetMediaPool"), "GetRootFolder")
    for name in (BIN, record.shot):
        folder = next((one for one in listed(folder, "GetSubFolderList") if text(one, "GetName") == name), None)
    return next((one for one in listed(folder, "GetClipList") if wanted and unique_id(one) == wanted), None)


def _imported(held: Kept, record: Record, numbers: list[int], notes: list[str]) -> Any:
    """The result as one clip of the media pool, in its bin, with the rate, timecode and colour of its plate."""
    pool = ask(held.project, "GetMediaPool")
    folder = _bin(pool, ask(pool, "GetRootFolder"), BIN)
    folder = _bin(pool, folder, record.shot)
    if not ask(pool, "SetCurrentFolder", folder):
        raise _not_imported(record, f"Resolve does not open the bin {BIN}/{record.shot}")
    before = {unique_id(item) for item in listed(folder, "GetClipList")}
    info = {"FilePath": record.path, "StartIndex": numbers[0], "EndIndex": numbers[-1]}
    ask(pool, "ImportMedia", [info])
    new = [item for item in listed(folder, "GetClipList") if unique_id(item) not in before]
    if len(new) != 1 or not _is_whole(new[0], record, numbers):
        if new:
            ask(pool, "DeleteClips", new)
        raise _not_imported(record, "Resolve imported {} of it".format("nothing" if not new else "only a part"))
    ask(new[0], "SetName", f"{record.shot}_{record.version}")
    _carry(new[0], record, numbers, notes)
    return new[0]


def _is_whole(pool_item: Any, record: Record, numbers: list[int]) -> bool:
    path, first, last = sequence_path(text(pool_item, "GetClipProperty", "File Path"))
    return _name(path) == _name(record.path) and (first, last) == (numbers[0], numbers[-1])


def _name(pattern: str) -> str:
    """A file's name without how many digits its number has: ``%04d`` writes 86400, too."""
    return re.sub(r"%0\d+d", "#", pattern.rpartition("/")[2])


def _carry(pool_item: Any, record: Record, numbers: list[int], notes: list[str]) -> None:
    graded = record.pixels == "graded"
    rate = rate_from(record.timeline_rate if graded else record.clip_rate)
    if not _has_rate(pool_item, str(rate)):
        ask(pool_item, "SetClipProperty", "FPS", str(rate).replace(" DF", ""))
        if not _has_rate(pool_item, str(rate)):
            notes.append(f"Resolve did not take {rate} frames per second for the result.")
    try:
        if graded:
            begins = record.record_start + numbers[0] - record.begins
        else:
            begins = frames_of(record.media_start_timecode, rate) + numbers[0] - record.media_first
        timecode = timecode_of(begins, rate)
        if text(pool_item, "GetClipProperty", "Start TC") != timecode:
            ask(pool_item, "SetClipProperty", "Start TC", timecode)
            if text(pool_item, "GetClipProperty", "Start TC") != timecode:
                notes.append(f"Resolve did not take the timecode {timecode} for the result.")
    except ValueError:
        notes.append("The media has no timecode that could be carried over.")
    for name, value in sorted(record.carried.items()):
        if text(pool_item, "GetClipProperty", name) == value:
            continue
        ask(pool_item, "SetClipProperty", name, value)
        if text(pool_item, "GetClipProperty", name) != value:
            notes.append(f"Resolve did not take '{value}' for '{name}' of the result: set it in the media pool.")


def _has_rate(pool_item: Any, rate: str) -> bool:
    try:
        return rate_from(text(pool_item, "GetClipProperty", "FPS")).exact == rate_from(rate).exact
    except ValueError:
        return False


def _bin(pool: Any, parent: Any, name: str) -> Any:
    for folder in listed(parent, "GetSubFolderList"):
        if text(folder, "GetName") == name:
            return folder
    made = ask(pool, "AddSubFolder", parent, name)
    if made is None or made is False:
        raise refuse("UNSUPPORTED", f"Resolve makes no bin '{name}' in the media pool.",
                     "Check that nobody else has locked the project or the bin.")  # fmt: skip
    return made


def _not_imported(record: Record, why: str) -> Exception:
    return refuse(
        "UNSUPPORTED",
        f"The result is finished and safe in {record.folder}, but {why}.",
        f"Import {record.path} by hand, or bring it in again from the queue.",
        path=record.path,
    )
