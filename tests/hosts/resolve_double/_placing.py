"""Clips onto timelines: what AppendToTimeline does and silently does not do, takes, and making compounds."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ._model import Bin, Item, Media, Project, Take, Timeline, Track
from ._session import current


def new_timeline(project: Project, where: Bin, name: str, *, rate: Fraction, drop: bool, start: int) -> Timeline:
    """An empty timeline with a video and an audio track, and its clip in a bin."""
    timeline = Timeline(project, name, rate=rate, drop=drop, start=start)
    timeline.add_track("video")
    timeline.add_track("audio", "stereo")
    media = Media(where, "timeline", name)
    media.timeline, media.rate, media.drop, media.start = timeline, rate, drop, start
    timeline.media = media
    where.clips.append(media)
    project.timelines.append(timeline)
    return timeline


def refresh(media: Media) -> None:
    """Have a nested timeline's clip be as long as its timeline."""
    if media.timeline is not None:
        media.length = media.timeline.end - media.timeline.start
        media.size = media.timeline.size


def free(track: Track, start: int, end: int) -> bool:
    """Whether nothing but transitions is there."""
    return all(item.kind == "transition" or item.end <= start or item.start >= end for item in track.items)


def put(track: Track, item: Item) -> Item:
    """Add an item to its track, in order."""
    track.items.append(item)
    track.items.sort(key=lambda held: (held.start, held.end))
    return item


def record_length(frames: Fraction, media: Media, timeline: Timeline) -> int:
    """Frames of the timeline that so many frames of the media fill: floored where the rates differ."""
    return math.floor(frames * timeline.rate / media.rate)


def place(
    timeline: Timeline,
    media: Media,
    *,
    first: Fraction,
    end: Fraction,
    at: int | None,
    track: int,
    kinds: tuple[str, ...],
) -> list[Item] | None:
    """A clip, and its sound with it. None where a track is locked, missing or taken: nothing is placed."""
    refresh(media)
    if media.kind == "still":
        duration = round(5 * timeline.rate) if end <= first else int(end - first)
    else:
        first, end = max(first, Fraction(0)), min(end, Fraction(media.length))
        duration = record_length(end - first, media, timeline)
    if duration < 1:
        return None
    if at is None:
        at = timeline.end
    tracks = []
    for kind in kinds:
        while kind == "audio" and len(timeline.tracks[kind]) < track:
            timeline.add_track("audio", "stereo")
        if not 1 <= track <= len(timeline.tracks[kind]):
            return None
        tracks.append(timeline.tracks[kind][track - 1])
    if any(held.locked or not free(held, at, at + duration) for held in tracks):
        return None
    placed = []
    for held in tracks:
        item = Item(held, "clip", media.name, start=at, duration=duration)
        item.media, item.source_in = media, first
        placed.append(put(held, item))
    for item in placed:
        item.linked = [other for other in placed if other is not item]
    return placed


def append(project: Project, entries: list[Any]) -> list[Any]:
    """What AppendToTimeline returns: an item each, and for what was dropped what the options say."""
    timeline = project.timeline
    if timeline is None:
        return []
    session = current()
    returned: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            media, wanted = entry["mediaPoolItem"]._thing, entry
        else:
            media, wanted = entry._thing, {}
        refresh(media)
        first = Fraction(wanted.get("startFrame", 0))
        end = Fraction(wanted.get("endFrame", media.length))
        if "endFrame" in wanted and session.options.append_end == "inclusive":
            end += 1
        only = {1: ("video",), 2: ("audio",)}.get(wanted.get("mediaType", 0))
        pictures = () if media.kind == "audio" else ("video",)
        kinds = only or pictures + (("audio",) if media.sound else ())
        at = wanted.get("recordFrame")
        placed = None
        if session.faults.dropped_appends:
            session.faults.dropped_appends -= 1
        else:
            placed = place(
                timeline, media, first=first, end=end, at=None if at is None else int(at),
                track=wanted.get("trackIndex", 1), kinds=kinds,
            )  # fmt: skip
        if placed:
            returned += placed[:1]
        elif session.options.overlap_returns == "ghost":
            returned.append("ghost")
        elif session.options.overlap_returns == "none":
            returned.append(None)
    return returned


def add_take(item: Item, media: Media, first: int | None, end: int | None) -> bool:
    """A further take; the first one makes the clip a take selector, whose first take is the clip as it was."""
    session = current()
    if item.media is None or item.kind != "clip" or item.track.locked or item.track.kind != "video":
        return False
    if item.media.kind in {"compound", "fusion", "multicam"} or media.kind in {
        "compound",
        "fusion",
        "multicam",
        "audio",
    }:
        return False
    if session.faults.refused_takes:
        session.faults.refused_takes -= 1
        return False
    if session.faults.lying_takes:
        session.faults.lying_takes -= 1
        return True
    refresh(media)
    begin = Fraction(first or 0)
    stop = Fraction(media.length if end is None else end)
    if end is not None and session.options.take_end == "inclusive":
        stop += 1
    if not 0 <= begin < stop <= media.length:
        return False
    if not item.takes:
        length = item.duration * item.media.rate / item.track.timeline.rate * abs(item.speed)
        item.takes.append(Take(item.media, item.source_in, item.source_in + length))
    item.takes.append(Take(media, begin, stop))
    select_take(item, len(item.takes))
    return True


def select_take(item: Item, number: int) -> bool:
    """Show a take; the clip keeps its place, speed and grade."""
    if not 1 <= number <= len(item.takes) or item.track.locked:
        return False
    take = item.takes[number - 1]
    item.take = number
    item.media = take.media
    item.source_in = take.end if item.speed < 0 and number > 1 else take.first
    return True


def compound(items: list[Item], where: Bin, name: str, kind: str) -> Item | None:
    """Put items into a timeline of their own, and a clip of it in their place."""
    first = items[0]
    timeline = first.track.timeline
    if any(item.track.locked for item in items):
        return None
    start = min(item.start for item in items)
    end = max(item.end for item in items)
    track = min((item.track for item in items), key=lambda held: held.number)
    inner = Timeline(timeline.project, name, rate=timeline.rate, drop=timeline.drop, start=0)
    inner.settings = dict(timeline.settings)
    for item in items:
        item.track.items.remove(item)
        kind_of_track = item.track.kind
        while len(inner.tracks[kind_of_track]) < item.track.number:
            inner.add_track(kind_of_track)
        held = inner.tracks[kind_of_track][item.track.number - 1]
        item.start -= start
        item.track, item.owner = held, inner
        put(held, item)
    media = Media(where, kind, name)
    media.timeline, media.rate, media.drop = inner, timeline.rate, timeline.drop
    inner.media = media
    where.clips.append(media)
    refresh(media)
    whole = Item(track, "clip", name, start=start, duration=end - start)
    whole.media = media
    return put(track, whole)
