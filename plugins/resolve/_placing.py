"""The three places of a result at a clip: a take of it, the track above it, a matte of its media."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Sequence

from overscan_host import BridgeError
from overscan_resolve._asking import ask, listed, number, text, unique_id
from overscan_resolve._clip import linked_ends, read_clip
from overscan_resolve._record import Record
from overscan_resolve._restore import Kept
from overscan_resolve._retimes import Retime
from overscan_resolve._scratch import append


@dataclass
class Found:
    """Everything there is to place."""

    held: Kept
    record: Record
    pool_item: Any
    """The result."""
    numbers: Sequence[int]
    """Of the result's files."""
    notes: list[str] = field(default_factory=list)
    timeline: Any = None
    item: Any = None
    first: int = 0
    """Frame of the result, from 0, that one end of the clip (the lower source frame) is in."""
    count: int = 0
    """Frames of the result from there to the clip's other end."""
    start: int = 0
    """Record frame."""
    end: int = 0

    @property
    def last(self) -> int:
        """Frame of the result that the other end is in."""
        return self.first + self.count - 1

    def look(self) -> bool:
        """See where the clip is now, moved or trimmed perhaps. False, with a note, where the result does not reach.

        Graded frames stay where they were rendered.
        """
        record = self.record
        self.start, self.end, begins, self.count = record.record_start, record.record_end, record.begins, record.count
        if record.pixels == "source":
            retime = Retime("linear", Fraction(record.speed))
            clip = read_clip(self.timeline, self.item, track=record.track, retime=retime)
            timing, media = clip.timing, clip.media
            same = media.unique_id == record.media_id or not media.is_sequence
            begins = timing.source_start + (record.media_first if same else media.first_number)
            self.start, self.end = timing.record_start, timing.record_end
            self.count = timing.source_last - timing.source_start + 1
        self.first = begins - self.numbers[0]
        if self.first >= 0 and self.last < len(self.numbers):
            return True
        self.notes.append(
            f"The clip now shows frames {begins} to {begins + self.count - 1}, and the result has {self.numbers[0]} to "
            f"{self.numbers[-1]}: it was trimmed out, or slipped, since the run began. Run Overscan again."
        )
        return False


def add_take(found: Found) -> dict[str, Any] | None:
    """Add the result as a take, and select it; None, with a note, where the clip would not be as it was."""
    item = found.item
    ask(found.held.project, "SetCurrentTimeline", found.timeline)
    track = _track_of(found.timeline, item)
    found.held.unlock(found.timeline, track)
    before = _Looks(item)
    if before.media_id == "":
        found.notes.append("It is no take: the clip has no media any more.")
        return None
    if not _added(found, before.takes):
        found.notes.append("It is no take: Resolve does not add takes to this clip (it adds none to compound clips).")
        return None
    index = number(item, "GetTakesCount") or 0
    ask(item, "SelectTakeByIndex", index)
    after = _Looks(item)
    wrong = _differences(found, before, after, index)
    if wrong:
        _take_back(item, index, before)
        found.notes.append("It is no take: with it, {}.".format(" and ".join(wrong)))
        return None
    return {"as": "take", "item_id": unique_id(item), "take": index, "track": track}


def add_track(found: Found) -> dict[str, Any] | None:
    """Put the result above the clip, where the clip is or (graded) was; None, with a note, where that is not exact."""
    record, timeline = found.record, found.timeline
    if record.pixels == "source" and record.speed != "1":
        found.notes.append(
            "It is not on the track above: the clip is retimed, and Resolve has no call that would retime another one "
            "like it."
        )
        return None
    ask(found.held.project, "SetCurrentTimeline", timeline)
    count_before = number(timeline, "GetTrackCount", "video") or 0
    track = _free_track(found, _track_of(timeline, found.item), found.start, found.end)
    if track == 0:
        return None
    pool = ask(found.held.project, "GetMediaPool")
    count = found.end - found.start
    item = append(
        pool,
        timeline,
        found.pool_item,
        first=found.first,
        last=found.last,
        track=track,
        record=found.start,
        count=count,
    )
    if item is None:
        if (number(timeline, "GetTrackCount", "video") or 0) > count_before:
            ask(timeline, "DeleteTrack", "video", track)
        found.notes.append(
            f"It is not on the track above: Resolve did not put all of its {count} frames on video track {track}."
        )
        return None
    if not ask(timeline, "GetIsTrackEnabled", "video", track):
        found.notes.append(f"Video track {track} is disabled, so the result on it does not show.")
    if record.pixels == "source":
        if not ask(found.item, "CopyGrades", [item]):
            found.notes.append("Resolve did not copy the clip's grade to the result.")
        _copy_sizing(found, item)
    return {"as": "track", "item_id": unique_id(item), "track": track}


def add_matte(found: Found) -> dict[str, Any] | None:
    """Add the result to the mattes of the clip's media."""
    media = ask(found.item, "GetMediaPoolItem")
    pool = ask(found.held.project, "GetMediaPool")
    storage = ask(found.held.resolve, "GetMediaStorage")
    before = listed(pool, "GetClipMatteList", media)
    # How a sequence is written here is not documented: as for ImportMedia, as it is shown, or as its first file.
    head, _, tail = found.record.path.rpartition("%04d")
    shown = text(found.pool_item, "GetClipProperty", "File Path")
    for path in (found.record.path, shown, f"{head}{found.numbers[0]:04d}{tail}"):
        ask(storage, "AddClipMattesToMediaPool", media, [path])
        if len(listed(pool, "GetClipMatteList", media)) == len(before) + 1:
            return {"as": "matte", "path": path}
    found.notes.append("It is no matte: Resolve did not add it to the mattes of the clip's media.")
    return None


class _Looks:
    """A clip in the timeline, as far as a take may not change it."""

    def __init__(self, item: Any) -> None:
        self.ends = (number(item, "GetStart"), number(item, "GetEnd"), number(item, "GetDuration"))
        self.linked = linked_ends(item)
        self.takes = number(item, "GetTakesCount") or 0
        self.take = number(item, "GetSelectedTakeIndex") or 0
        self.media_id = unique_id(ask(item, "GetMediaPoolItem"))


def _added(found: Found, takes: int) -> bool:
    """Add the take. Its end is the frame after its last; in older versions the last, and nothing may follow then."""
    for end in (found.last + 1, found.last):
        done = ask(found.item, "AddTake", found.pool_item, found.first, end)
        if done and (number(found.item, "GetTakesCount") or 0) > takes:
            return True
    return False


def _differences(found: Found, before: _Looks, after: _Looks, index: int) -> list[str]:
    wrong = []
    if after.take != index or after.media_id != unique_id(found.pool_item):
        wrong.append("Resolve does not show it")
    if after.ends != before.ends:
        wrong.append(
            f"the clip would stand at {after.ends[0]} to {after.ends[1]}, not {before.ends[0]} to {before.ends[1]}"
        )
    if after.linked != before.linked:
        wrong.append("the linked sound would move")
    try:
        retime = Retime("linear", Fraction(found.record.speed))
        timing = read_clip(found.timeline, found.item, track=found.record.track, retime=retime).timing
    except BridgeError as problem:
        return [*wrong, f"Resolve does not say which frames it would show ({problem.message})"]
    if (timing.source_start, timing.source_last) != (found.first, found.last):
        wrong.append(
            f"the clip would show frames {timing.source_start} to {timing.source_last} of the result, not {found.first}"
            f" to {found.last}"
        )
    return wrong


def _take_back(item: Any, index: int, before: _Looks) -> None:
    """Take away the take that was just added, and show what was shown."""
    if before.take:
        ask(item, "SelectTakeByIndex", before.take)
        ask(item, "DeleteTakeByIndex", index)
    else:
        ask(item, "SelectTakeByIndex", 1)
        ask(item, "DeleteTakeByIndex", index)
        ask(item, "FinalizeTake")


def _free_track(found: Found, below: int, start: int, end: int) -> int:
    """The next track above, where it is free there, else a new one directly above. 0, with a note, for none."""
    timeline = found.timeline
    count = number(timeline, "GetTrackCount", "video") or 0
    above = below + 1
    if above <= count and not _is_taken(timeline, above, start, end):
        found.held.unlock(timeline, above)
        return above
    options = {"index": above}
    made = ask(timeline, "AddTrack", "video", options) if above <= count else ask(timeline, "AddTrack", "video")
    now = number(timeline, "GetTrackCount", "video") or 0
    if now != count + 1:
        found.notes.append("It is not on the track above: Resolve adds no track to the timeline.")
        return 0
    if not made or _is_taken(timeline, above, start, end):  # older versions add at the top, whatever is asked for
        found.notes.append(f"It is on video track {now}, above all others: this Resolve adds tracks at the top only.")
        return now
    return above


def _is_taken(timeline: Any, track: int, start: int, end: int) -> bool:
    return any(
        (number(item, "GetStart") or 0) < end and start < (number(item, "GetEnd") or 0)
        for item in listed(timeline, "GetItemListInTrack", "video", track)
    )


def _copy_sizing(found: Found, item: Any) -> None:
    wanted, has = ask(found.item, "GetProperty"), ask(item, "GetProperty")
    if not isinstance(wanted, dict) or not isinstance(has, dict):
        return
    if any(wanted.get(name) != has.get(name) for name in ("Opacity", "CompositeMode")):
        found.notes.append(
            "The clip is blended with what is below it, and the result above is blended with the clip in turn: disable "
            "the clip to see the result alone."
        )
    refused = [
        name for name, value in wanted.items() if has.get(name) != value and not ask(item, "SetProperty", name, value)
    ]
    if refused:
        found.notes.append("Resolve did not copy from the clip to the result: {}.".format(", ".join(sorted(refused))))


def _track_of(timeline: Any, item: Any) -> int:
    wanted = unique_id(item)
    for track in range(1, (number(timeline, "GetTrackCount", "video") or 0) + 1):
        if any(unique_id(one) == wanted for one in listed(timeline, "GetItemListInTrack", "video", track)):
            return track
    return 1
