"""Timecode of frames that the plate has not: the plate's, counted on (SMPTE ST 12-1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any

from overscan.core.plates import ExrAttribute, PartHeader

_OIIO_NAME, _EXR_NAME, _EXR_TYPE = "smpte:TimeCode", "timeCode", "timecode"
_RATE_NAMES = ("framesPerSecond", "FramesPerSecond", "dpx:FrameRate", "dpx:TemporalFrameRate")
_USUAL_RATE = 24
_MOST_RATE = 39
"""Two decimal digits of 2 + 4 bits hold no larger count of frames."""
_DIGITS = ((0, 0x3F), (8, 0x7F), (16, 0x7F), (24, 0x3F))
"""Shift and mask of frames, seconds, minutes and hours, in binary-coded decimals."""
_DROPS = 1 << 6
"""Bit that says that two numbers are left out each minute but every tenth, so that 30000/1001 keeps with the clock."""


def with_timecode(header: PartHeader, *, frames: int) -> PartHeader:
    """`header` with its timecode, where it has one, `frames` later (negative: earlier); user bits stay."""
    if not frames:
        return header
    rate = _rate(header)
    attributes = dict(header.attributes)
    stored = attributes.get(_OIIO_NAME)
    if stored is not None:
        time, *user = stored
        attributes[_OIIO_NAME] = (_later(int(time), frames, rate=rate), *user)
    exr = header.exr_attributes
    if exr is not None:
        exr = tuple(_moved(attribute, frames, rate=rate) for attribute in exr)
    return replace(header, attributes=attributes, exr_attributes=exr)


def frames_since_midnight(header: PartHeader) -> int | None:
    """How many frames `header`'s timecode counts since midnight; None where it has none."""
    stored = header.attributes.get(_OIIO_NAME)
    if stored is None:
        return None
    time = int(stored[0])
    frame, seconds, minutes, hours = (_decimal(time >> shift & mask) for shift, mask in _DIGITS)
    rate = max(_rate(header), frame + 1)
    clock = _Clock(rate=rate, drops=bool(time & _DROPS) and rate == 30)
    return clock.count(hours, minutes, seconds, frame)


def _moved(attribute: ExrAttribute, frames: int, *, rate: int) -> ExrAttribute:
    if attribute.name != _EXR_NAME or attribute.type != _EXR_TYPE or len(attribute.data) != 8:
        return attribute
    time, user = struct.unpack("<2I", attribute.data)
    return replace(attribute, data=struct.pack("<2I", _later(time, frames, rate=rate), user))


def _rate(header: PartHeader) -> int:
    """Frames that a second of the timecode counts."""
    for name in _RATE_NAMES:
        value: Any = header.attributes.get(name)
        if isinstance(value, tuple | list) and len(value) == 2 and value[1]:
            value = value[0] / value[1]
        if isinstance(value, int | float) and 1 <= value <= _MOST_RATE + 0.5:
            return round(value)
        if isinstance(value, int | float) and _MOST_RATE < value <= 2 * _MOST_RATE + 1:
            return round(value / 2)  # above 30 a number stands for a pair of frames
    return _USUAL_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """How a timecode counts."""

    rate: int
    drops: bool

    @property
    def _ten_minutes(self) -> int:
        return 600 * self.rate - (18 if self.drops else 0)

    def count(self, hours: int, minutes: int, seconds: int, frame: int) -> int:
        """Frames since midnight."""
        total_minutes = 60 * hours + minutes
        dropped = 2 * (total_minutes - total_minutes // 10) if self.drops else 0
        return (60 * total_minutes + seconds) * self.rate + frame - dropped

    def digits(self, count: int) -> tuple[int, int, int, int]:
        """Frame, second, minute and hour of a number of frames since midnight."""
        count %= 144 * self._ten_minutes
        if self.drops:
            tens, rest = divmod(count, self._ten_minutes)
            per_minute = 60 * self.rate - 2
            count += 18 * tens + (2 * ((rest - 2) // per_minute) if rest > 1 else 0)
        seconds, frame = divmod(count, self.rate)
        return frame, seconds % 60, seconds // 60 % 60, seconds // 3600


def _later(time: int, frames: int, *, rate: int) -> int:
    """The packed timecode `frames` later, its flags as they are."""
    frame, seconds, minutes, hours = (_decimal(time >> shift & mask) for shift, mask in _DIGITS)
    # A plate that counts further than its rate says has another rate.
    rate = max(rate, frame + 1)
    clock = _Clock(rate=rate, drops=bool(time & _DROPS) and rate == 30)
    digits = clock.digits(clock.count(hours, minutes, seconds, frame) + frames)
    for (shift, mask), value in zip(_DIGITS, digits, strict=True):
        time = time & ~(mask << shift) | (value // 10 << 4 | value % 10) << shift
    return time


def _decimal(coded: int) -> int:
    return 10 * (coded >> 4) + (coded & 0xF)
