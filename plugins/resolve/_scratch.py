"""A timeline of our own with one clip in it: its media's frames one to one, rendered free of all that surrounds it."""

from __future__ import annotations

import uuid
from typing import Any

from overscan_host import refuse
from overscan_resolve._asking import ask, listed, number, text
from overscan_resolve._clip import Clip, timeline_rate
from overscan_resolve._restore import Kept
from overscan_resolve._timecode import rate_from


def scratch_timeline(held: Kept, clip: Clip, *, first: int, last: int, graded: bool) -> tuple[Any, int]:
    """Make it the current timeline until `held` ends, which deletes it; returns it and its first record frame.

    It has the media's size and rate, and shows source frames `first` to `last`, with the clip's grade where `graded`.
    Raises `RefusalError`.
    """
    media = clip.media
    pool = ask(held.project, "GetMediaPool")
    timeline = ask(pool, "CreateEmptyTimeline", f"Overscan {uuid.uuid4().hex[:8]}")
    if timeline is None:
        raise _refused(clip, "Resolve makes no timeline to render it in")

    def delete() -> bool:
        if held.timeline is not None:
            ask(held.project, "SetCurrentTimeline", held.timeline)
        return bool(ask(pool, "DeleteTimelines", [timeline]))

    held.afterwards("the media pool: a timeline whose name begins with 'Overscan' is left in it", delete)
    ask(held.project, "SetCurrentTimeline", timeline)
    for name, value in (
        ("useCustomSettings", "1"),
        ("timelineResolutionWidth", str(media.width)),
        ("timelineResolutionHeight", str(media.height)),
        ("timelineOutputResMatchTimelineRes", "1"),
        ("timelineFrameRate", str(media.rate)),
    ):
        if not _is_set(timeline, name, value) and not ask(timeline, "SetSetting", name, value):
            raise _refused(clip, f"Resolve does not give a timeline {value} for {name}")
    start = number(timeline, "GetStartFrame") or 0
    item = append(pool, timeline, clip_item(clip), first=first, last=last, track=1, record=start)
    if item is None:
        raise _refused(clip, f"Resolve does not put its frames {first} to {last} into a timeline")
    if graded and not ask(clip.item, "CopyGrades", [item]):
        raise _refused(clip, "Resolve does not copy its grade")
    return timeline, start


def clip_item(clip: Clip) -> Any:
    """The media pool's item of a clip."""
    return ask(clip.item, "GetMediaPoolItem")


def append(
    pool: Any,
    timeline: Any,
    pool_item: Any,
    *,
    first: int,
    last: int,
    track: int,
    record: int,
    count: int | None = None,
) -> Any:
    """Put source frames `first` to `last` on a video track at `record`; None where not exactly that came to be there.

    What Resolve drops, it drops without a word: so the track is looked at. `count` is how many record frames there
    must be, as many as source frames where None. Whether the end that is given counts is not the same in all versions.
    """
    wanted = last - first + 1 if count is None else count
    before = {_identity(item) for item in listed(timeline, "GetItemListInTrack", "video", track)}
    for end in (last + 1, last, last + 2):  # the frame after the last; the last; and where durations are rounded down
        ask(pool, "AppendToTimeline", [{
            "mediaPoolItem": pool_item, "startFrame": first, "endFrame": end, "mediaType": 1, "trackIndex": track,
            "recordFrame": record,
        }])  # fmt: skip
        new = [item for item in listed(timeline, "GetItemListInTrack", "video", track) if _identity(item) not in before]
        if not new:
            return None
        if len(new) == 1 and number(new[0], "GetStart") == record and _duration(new[0]) == wanted:
            return new[0]
        if not ask(timeline, "DeleteClips", new, False) and not ask(timeline, "DeleteClips", new, False):
            return None  # the first try is known to fail without a reason
    return None


def _is_set(timeline: Any, name: str, value: str) -> bool:
    said = text(timeline, "GetSetting", name)
    return timeline_rate(timeline) == rate_from(value) if name == "timelineFrameRate" else said == value


def _identity(item: Any) -> str:
    return str(ask(item, "GetUniqueId"))


def _duration(item: Any) -> int:
    start, end = number(item, "GetStart"), number(item, "GetEnd")
    return -1 if start is None or end is None else end - start


def _refused(clip: Clip, why: str) -> Exception:
    return refuse(
        "UNSUPPORTED",
        f"'{clip.name}' has to be rendered, and {why}.",
        "Transcode its media to an EXR sequence and put that in its place: Overscan reads it without Resolve.",
    )
