"""Which frame of the media, and which file, each frame of a clip in the timeline shows: exactly, or not at all.

Three counts meet here. *Record* frames are those of the timeline, counted from timecode 00:00:00:00. *Source* frames
are those of the media, the first of which is 0. *Numbers* are those in the names of the files.

A frame of the timeline shows the source frame that is nearest in time, of two equally near ones the earlier, and none
beyond the clip's ends. That is Resolve's retime process "nearest", and what it does where clip and timeline differ in
rate. How it rounds is not documented; so what is handed over is every source frame between the ends of the clip, and a
result that takes the media's place runs through the same rounding, whatever it is. Blending processes show mixtures,
of the same frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from overscan_resolve._timecode import Rate

_SLIVER = Fraction(1, 50)
"""Of a frame at a clip's end that is not there: speeds are rounded, 5/12 is said as 41.67 %."""


@dataclass(frozen=True)
class Timing:
    """A clip in a timeline and its media."""

    record_start: int
    """First frame in the timeline."""
    record_end: int
    """The frame after the last."""
    timeline_rate: Rate
    clip_rate: Rate
    source_start: int
    """Lowest source frame that it uses."""
    media_frames: int
    """Frames that the media has."""
    speed: Fraction = Fraction(1)
    """1 is 100 %; below 0 it runs backwards, 0 is a freeze."""

    @property
    def duration(self) -> int:
        """Frames in the timeline."""
        return self.record_end - self.record_start

    @property
    def advance(self) -> Fraction:
        """Source frames per record frame, without direction."""
        return abs(self.speed) * self.clip_rate.exact / self.timeline_rate.exact

    def source_frame(self, record: int) -> int:
        """The source frame that a record frame of the clip shows. Raises ValueError outside the clip."""
        if not self.record_start <= record < self.record_end:
            raise ValueError(f"{record} is not in {self.record_start} to {self.record_end - 1}")
        moved = _nearest((record - self.record_start) * self.advance)
        if self.speed >= 0:
            return min(self.source_start + moved, self.source_last)
        return max(self.source_last - moved, self.source_start)

    @property
    def source_last(self) -> int:
        """Highest source frame between the clip's ends."""
        return self.source_start + max(_ceiling(self.duration * self.advance - _SLIVER), 1) - 1

    @property
    def is_straight(self) -> bool:
        """Whether each record frame shows the next source frame."""
        return self.advance == 1 and self.speed == 1

    def shown(self) -> list[int]:
        """Source frames that are shown, ascending, each once."""
        return sorted({self.source_frame(record) for record in range(self.record_start, self.record_end)})

    def with_handles(self, handles: int) -> tuple[int, int]:
        """First and last source frame with up to `handles` more on either side, as far as the media reaches."""
        first = max(0, self.source_start - handles)
        last = min(self.media_frames - 1, self.source_last + handles)
        return min(first, self.source_start), max(last, self.source_last)

    @property
    def is_inside(self) -> bool:
        """Whether the media has every frame that the clip uses."""
        return self.source_start >= 0 and self.source_last < self.media_frames


def speed_from_span(
    *, duration: int, source_start: int, source_end: int, timeline_rate: Rate, clip_rate: Rate
) -> tuple[Fraction, bool]:
    """The speed, without direction, that a clip's ends tell, and whether it is a whole number of percent.

    Resolve has no call for a clip's speed. `source_end` is the last source frame in some of its versions and the one
    after it in others, so the span is known but for a frame: wherever 100 % fits, it is 100 %.
    """
    per_frame = clip_rate.exact / timeline_rate.exact
    span = source_end - source_start
    straight = duration * per_frame
    if straight - 2 < span < straight + 1:
        return Fraction(1), True
    if span <= 1:
        return Fraction(0), True
    candidates = [Fraction(frames, duration) / per_frame for frames in (span, span + 1)]
    for speed in candidates:
        if (speed * 100).denominator == 1:
            return speed, True
    return candidates[0], False


def _nearest(value: Fraction) -> int:
    return _ceiling(value - Fraction(1, 2))


def _ceiling(value: Fraction) -> int:
    return -int(-value // 1)
