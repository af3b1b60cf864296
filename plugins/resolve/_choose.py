"""Which clips of a timeline are meant: by markers, flags, names and tracks."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Any

from overscan_host import refuse
from overscan_resolve._asking import ask, listed, number, text, unique_id


@dataclass(frozen=True)
class Choice:
    """What a clip must be; everything that is given must be true of it."""

    timeline: str = ""
    """Name of the timeline; empty for the current one."""
    track: int = 0
    """Video track, from 1; 0 for any."""
    names: str = ""
    """A pattern with ``*`` and ``?``, compared without regard to case."""
    markers: str = ""
    """Colour of a marker in the clip, or of the timeline above it (then the uppermost clip there is meant)."""
    flags: str = ""
    """Colour of a flag of the clip or its media."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing but perhaps a timeline is said: the clip under the playhead is meant."""
        return not (self.track or self.names or self.markers or self.flags)


def timeline_named(project: Any, name: str) -> Any:
    """The timeline of a name, or the current one. Raises `RefusalError`."""
    if not name:
        timeline = ask(project, "GetCurrentTimeline")
        if timeline is None:
            raise refuse("INVALID_JOB", "No timeline is open.", "Open one, or name it.")
        return timeline
    names = []
    for index in range(1, (number(project, "GetTimelineCount") or 0) + 1):
        timeline = ask(project, "GetTimelineByIndex", index)
        if text(timeline, "GetName") == name:
            return timeline
        names.append(text(timeline, "GetName"))
    raise refuse("USAGE", f"The project has no timeline '{name}'.", "There are: {}.".format(", ".join(names) or "none"))


def chosen(timeline: Any, choice: Choice) -> list[tuple[int, Any]]:
    """Video track and item of each clip that is meant, in the order of the timeline.

    Raises `RefusalError` where none is.
    """
    if choice.is_empty:
        current = unique_id(ask(timeline, "GetCurrentVideoItem"))
        found = [one for one in _items(timeline) if current and unique_id(one[1]) == current]
        if not found:
            raise refuse("INVALID_JOB", "There is no clip under the playhead.", "Put the playhead on the clip.")
        return found
    count = number(timeline, "GetTrackCount", "video") or 0
    if choice.track > count:
        raise refuse(
            "USAGE", f"There is no video track {choice.track}; the timeline has {count}.", "Correct the number."
        )
    marked = _marked(timeline, choice.markers) if choice.markers else None
    found = [
        one
        for one in _items(timeline)
        if ask(one[1], "GetMediaPoolItem") is not None  # titles, generators and transitions are nobody's wish
        and (not choice.track or one[0] == choice.track)
        and (not choice.names or fnmatch.fnmatch(text(one[1], "GetName").lower(), choice.names.lower()))
        and (marked is None or unique_id(one[1]) in marked)
        and (not choice.flags or _has_flag(one[1], choice.flags))
    ]
    if not found:
        raise refuse("INVALID_JOB", "No clip of the timeline '{}' is that.".format(text(timeline, "GetName")),
                     "Look at the colour, the name and the track that you asked for.")  # fmt: skip
    return sorted(found, key=lambda one: (number(one[1], "GetStart") or 0, one[0]))


def _items(timeline: Any) -> list[tuple[int, Any]]:
    count = number(timeline, "GetTrackCount", "video") or 0
    return [
        (track, item)
        for track in range(1, count + 1)
        for item in listed(timeline, "GetItemListInTrack", "video", track)
    ]


def _marked(timeline: Any, colour: str) -> set[str]:
    items = _items(timeline)
    found = {unique_id(item) for _, item in items if _has_marker(item, colour)}
    start = number(timeline, "GetStartFrame") or 0
    for frame in _markers(timeline, colour):
        under = [
            (track, item)
            for track, item in items
            if (number(item, "GetStart") or 0) <= start + frame < (number(item, "GetEnd") or 0)
            and ask(item, "GetMediaPoolItem") is not None
        ]
        if under:
            found.add(unique_id(max(under, key=lambda one: one[0])[1]))
    return found


def _markers(target: Any, colour: str) -> list[int]:
    said = ask(target, "GetMarkers")
    if not isinstance(said, dict):
        return []
    return [
        int(frame)
        for frame, marker in said.items()
        if isinstance(marker, dict) and str(marker.get("color", "")).lower() == colour.lower()
    ]


def _has_marker(item: Any, colour: str) -> bool:
    return bool(_markers(item, colour))


def _has_flag(item: Any, colour: str) -> bool:
    flags = listed(item, "GetFlagList") + listed(ask(item, "GetMediaPoolItem"), "GetFlagList")
    return colour.lower() in (str(flag).lower() for flag in flags)
