"""Which frame of its media an item shows, exactly, and what the API says about it."""

from __future__ import annotations

import math
from fractions import Fraction

from ._model import Item
from ._session import current


def ratio(item: Item) -> Fraction:
    """Frames of the media in one frame of the timeline, at 100 %."""
    assert item.media is not None
    return item.media.rate / item.track.timeline.rate


def position(item: Item, frame: int) -> Fraction:
    """Where in the media the record frame `frame` of the item (from 0) begins; backwards, where it ends."""
    moved = Fraction(0)
    if item.ramp is None:
        moved = frame * item.speed
    else:
        left = Fraction(frame)
        for duration, speed in item.ramp:
            part = min(left, Fraction(duration))
            moved += part * speed
            left -= part
    return item.source_in + moved * ratio(item)


def near(place: Fraction) -> int:
    """The whole number nearest to a place; of two equally near the lower."""
    return math.ceil(place - Fraction(1, 2))


def source_frame(item: Item, frame: int) -> int:
    """The frame of the media, from 0, that record frame `frame` of the item shows; never one outside its span."""
    assert item.media is not None
    if item.media.kind == "still":
        return 0
    place = position(item, frame)
    if item.speed < 0 and item.ramp is None:
        low = position(item, item.duration)
        moved = item.source_in - place
        shown = (
            math.ceil(place) - 1
            if current().options.conform == "floor"
            else math.ceil(item.source_in) - 1 - near(moved)
        )
        shown = max(shown, math.floor(low))
    elif current().options.conform == "floor":
        shown = math.floor(place)
    else:
        last = math.ceil(position(item, item.duration)) - 1 if item.speed or item.ramp else math.floor(item.source_in)
        shown = min(near(place), max(last, math.floor(item.source_in)))
    return max(0, min(item.media.length - 1, shown))


def reads(item: Item) -> tuple[int, int]:
    """What GetSourceStartFrame and GetSourceEndFrame say."""
    options = current().options
    if item.media is None or item.unknown_source or item.media.kind == "still":
        return 0, 0
    begin, end = item.source_in, position(item, item.duration)
    if end < begin:
        low, high = math.floor(end), math.ceil(begin)
        return {"ascending": (low, high), "exclusive": (high, low)}.get(options.reverse_reads, (high - 1, low - 1))
    start = math.floor(begin)
    stop = math.ceil(end) if options.source_end == "ceiling" else math.floor(end)
    if options.source_start_off_by_one and start > 0:
        start += 1
    if options.source_end == "inclusive" and stop > start:
        stop -= 1
    return start, stop


def offsets(item: Item) -> tuple[Fraction, Fraction]:
    """What GetLeftOffset and GetRightOffset say: frames of the timeline, at the item's speed."""
    if item.media is None:
        return Fraction(0), Fraction(0)
    speed = abs(item.speed) if item.ramp is None and item.speed else Fraction(1)
    scale = ratio(item) * speed
    backwards = item.ramp is None and item.speed < 0
    left = (item.media.length - item.source_in if backwards else item.source_in) / scale
    if current().options.right_offset == "end":
        return left, left + item.duration
    return left, max(Fraction(0), item.media.length / scale - left - item.duration)
