"""What a clip in a timeline is: its media, its place, and how one runs through the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PureWindowsPath
from typing import Any, Mapping

from overscan_host import refuse
from overscan_resolve._asking import ask, listed, number, text, unique_id
from overscan_resolve._retimes import Retime
from overscan_resolve._timecode import Rate, rate_from
from overscan_resolve._timing import Timing, speed_from_span

_RANGE = re.compile(r"\[(-?\d+)-(-?\d+)\](?=[^/\\]*$)")
_NUMBER = re.compile(r"(?<=[._])(\d+)(?=\.[^./\\]+$)")


@dataclass(frozen=True)
class Media:
    """A clip of the media pool."""

    name: str
    unique_id: str
    kind: str
    """As Resolve's window calls it, in the user's language: for messages alone."""
    path: str
    """Of a sequence with ``%04d``; empty for what is no file: compound, multicam and Fusion clips, nested timelines."""
    first_number: int
    """In the name of the first file; where names have none, 1 for a still and 0 for the rest."""
    frames: int
    rate: Rate
    width: int
    height: int
    start_timecode: str
    properties: Mapping[str, str]
    """All that Resolve says of it, by the names that its API has for them."""

    @property
    def is_sequence(self) -> bool:
        """Whether it is numbered files."""
        return "%0" in self.path

    @property
    def is_still(self) -> bool:
        """Whether it is one picture."""
        return self.frames <= 1


@dataclass(frozen=True)
class Clip:
    """A clip in a timeline."""

    item: Any
    """Resolve's own object; goes stale with the project."""
    unique_id: str
    name: str
    track: int
    """Video track, counted from 1."""
    media: Media
    timing: Timing
    retime: str
    """``none``, ``linear``, ``freeze``, ``variable``; ``derived`` where Resolve did not export the timeline."""
    enabled: bool
    takes: int
    take: int
    """The selected one, counted from 1; 0 without takes."""


def timeline_rate(timeline: Any) -> Rate:
    """Of a timeline, with whether its timecode drops frames. Raises `RefusalError`."""
    written = text(timeline, "GetSetting", "timelineFrameRate")
    drop = text(timeline, "GetSetting", "timelineDropFrameTimecode") == "1"
    try:
        rate = rate_from(written)
        return rate_from(written, drop=True) if drop and rate.exact.denominator == 1001 and not rate.drop else rate
    except ValueError as problem:
        name = text(timeline, "GetName") or "that is open"
        raise refuse("UNSUPPORTED", f"The timeline {name} does not say its frame rate: {problem}.",
                     "Check that a timeline is open, and try again.") from problem  # fmt: skip


def read_clip(timeline: Any, item: Any, *, track: int, retime: Retime | None) -> Clip:
    """Everything about an item of a video track. Raises `RefusalError` for what has no pictures of its own.

    `retime` is what the exported timeline says of it, None where it says nothing.
    """
    name = text(item, "GetName") or "clip"
    start, end = number(item, "GetStart"), number(item, "GetEnd")
    if start is None or end is None or end <= start:
        raise refuse("INVALID_JOB", f"Resolve says no more about the clip '{name}': it is gone, or was replaced.",
                     "Select it again.")  # fmt: skip
    pool_item = ask(item, "GetMediaPoolItem")
    if pool_item is None:
        raise refuse(
            "UNSUPPORTED",
            f"'{name}' has no media: it is a generator, a title, an adjustment clip or a Fusion composition.",
            "Make a compound clip of it, or render it in place, and run Overscan on that.",
        )
    rate = timeline_rate(timeline)
    media = read_media(pool_item, rate)
    timing, kind = _timing(item, media, start, end, rate, retime, name)
    return Clip(
        item=item,
        unique_id=unique_id(item),
        name=name,
        track=track,
        media=media,
        timing=timing,
        retime=kind,
        enabled=ask(item, "GetClipEnabled") is not False,
        takes=number(item, "GetTakesCount") or 0,
        take=number(item, "GetSelectedTakeIndex") or 0,
    )


def read_media(pool_item: Any, fallback: Rate) -> Media:
    """Everything about a clip of the media pool; `fallback` is its rate where it says none."""
    said = ask(pool_item, "GetClipProperty")
    properties = {str(key): str(value) for key, value in said.items()} if isinstance(said, dict) else {}
    path, first, last = sequence_path(properties.get("File Path", ""))
    try:
        rate = rate_from(properties.get("FPS", ""), drop=properties.get("Drop frame", "") == "1")
    except ValueError:
        rate = fallback
    frames = _whole(properties.get("Frames", "")) or (last - first + 1 if last >= first else 1)
    if frames == 1 and last < first:
        first = 1  # what the service counts a still as whose name has no number
    size = re.fullmatch(r"\s*(\d+)\s*x\s*(\d+)\s*", properties.get("Resolution", ""))
    return Media(
        name=text(pool_item, "GetName"),
        unique_id=unique_id(pool_item),
        kind=properties.get("Type", ""),
        path=path,
        first_number=first,
        frames=frames,
        rate=rate,
        width=int(size[1]) if size else 0,
        height=int(size[2]) if size else 0,
        start_timecode=properties.get("Start TC", ""),
        properties=properties,
    )


def sequence_path(path: str) -> tuple[str, int, int]:
    """Pattern, first and last number of a path as Resolve writes it: ``/a/plate.[1001-1100].exr``.

    One numbered file is a sequence of one; a file without a number keeps its name, and has the numbers 0 to -1.
    """
    if PureWindowsPath(path).drive:
        path = path.replace("\\", "/")
    match = _RANGE.search(path)
    if match is not None:
        digits = len(match[1].lstrip("-"))
        pattern = path[: match.start()].replace("%", "%%") + f"%0{digits}d" + path[match.end() :].replace("%", "%%")
        return pattern.replace("%%", "%"), int(match[1]), int(match[2])
    match = _NUMBER.search(path)
    if match is not None and path.lower().endswith((".exr", ".dpx", ".tif", ".tiff")):
        return f"{path[: match.start()]}%0{len(match[1])}d{path[match.end() :]}", int(match[1]), int(match[1])
    return path, 0, -1


@dataclass(frozen=True)
class _Ends:
    """The source frames that Resolve gives for a clip's ends."""

    low: int
    high: int
    backwards: bool


def _timing(
    item: Any, media: Media, start: int, end: int, rate: Rate, retime: Retime | None, name: str
) -> tuple[Timing, str]:
    ends = _ends(item)
    kind, speed = (retime.kind, retime.speed) if retime is not None else ("derived", Fraction(1))
    if media.is_still:
        return Timing(start, end, rate, media.rate, 0, media.frames, Fraction(0)), "freeze"
    if kind == "variable":
        raise refuse(
            "UNSUPPORTED",
            f"'{name}' changes its speed on the way, and Resolve does not say which frames it shows.",
            "Make a compound clip of it, or render it in place, and run Overscan on that.",
        )
    told = ask(item, "GetSpeed") if kind == "derived" and "GetSpeed" in dir(item) else None  # from Resolve 21.1 on
    if isinstance(told, dict) and isinstance(told.get("Percentage"), (int, float)):
        speed = Fraction(told["Percentage"]).limit_denominator(100000) / 100
    elif kind == "derived" and ends is not None:
        speed, _ = speed_from_span(
            duration=end - start, source_start=ends.low, source_end=ends.high, timeline_rate=rate, clip_rate=media.rate
        )
        speed = -speed if ends.backwards else speed
    advance = abs(speed) * media.rate.exact / rate.exact
    first = _source_first(ends, _by_trim(item, media, end - start, speed, advance), advance, name)
    return Timing(start, end, rate, media.rate, first, media.frames, speed), kind


def _ends(item: Any) -> _Ends | None:
    """None where Resolve does not say: it gives 0 and 0 for clips of an imported timeline."""
    start, end = number(item, "GetSourceStartFrame"), number(item, "GetSourceEndFrame")
    if start is None or end is None or (start, end) == (0, 0):
        return None
    return _Ends(min(start, end), max(start, end), start > end)


def _by_trim(item: Any, media: Media, duration: int, speed: Fraction, advance: Fraction) -> Fraction | None:
    """The lowest source frame, by what could be trimmed out on the left, which Resolve gives in record frames."""
    trimmed = ask(item, "GetLeftOffset", True)  # with fractions of frames, where this version has them
    if isinstance(trimmed, bool) or not isinstance(trimmed, (int, float)):
        trimmed = ask(item, "GetLeftOffset")
    if isinstance(trimmed, bool) or not isinstance(trimmed, (int, float)) or speed == 0:
        return None
    left = Fraction(trimmed) * advance
    return left if speed > 0 else media.frames - left - duration * advance


def _source_first(ends: _Ends | None, by_trim: Fraction | None, advance: Fraction, name: str) -> int:
    """The lowest source frame between the clip's ends, which Resolve says in two ways.

    Some versions give `ends` one frame off, and for clips that run backwards in several ways; what can be trimmed is
    exact. Where a clip is not retimed, the two must agree.
    """
    if ends is None and by_trim is None:
        raise refuse("UNSUPPORTED", f"Resolve does not say which frames of its media '{name}' shows.",
                     "Replace the clip in the timeline by its media, or render it in place.")  # fmt: skip
    if by_trim is None:
        return ends.low if ends is not None else 0
    trimmed = int((by_trim + Fraction(1, 1000)) // 1)
    if ends is None or abs(trimmed - ends.low) <= 1:
        return trimmed
    if advance == 1:
        raise refuse(
            "UNSUPPORTED",
            f"Resolve says two different things about the frames that '{name}' shows: that they begin at frame "
            f"{ends.low} of its media, and at frame {trimmed}.",
            "Replace the clip in the timeline by its media, or render it in place.",
        )
    return ends.low


def linked_ends(item: Any) -> list[tuple[str, int, int]]:
    """Where the clips that are linked with an item (its sound) stand: identity, first frame, frame after the last."""
    return sorted(
        (unique_id(one), number(one, "GetStart") or 0, number(one, "GetEnd") or 0)
        for one in listed(item, "GetLinkedItems")
    )


def _whole(value: str) -> int:
    return int(value) if value.strip().isdigit() else 0
