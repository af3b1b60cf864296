"""Frame rates and timecode, exactly: rates are fractions, timecode counts frames."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_TIMECODE = re.compile(r"(\d{1,2})[:.;,](\d{2})[:.;,](\d{2})([:.;,])(\d{2,3})")
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:fps)?\s*(DF)?\s*", re.IGNORECASE)
_NEAR = Fraction(6, 1000)
"""How far a rate as it is written (23.98) may be from what it means (24000/1001)."""


@dataclass(frozen=True)
class Rate:
    """Frames per second."""

    exact: Fraction
    """23.976 is 24000/1001."""
    drop: bool = False
    """Whether its timecode drops numbers, so that it keeps up with the clock."""

    @property
    def nominal(self) -> int:
        """Frames that timecode counts in a second: 24 for 23.976."""
        return int(self.exact + Fraction(1, 2))

    def __str__(self) -> str:
        if self.exact.denominator == 1:
            return str(self.exact.numerator)
        return f"{float(self.exact):.3f}".rstrip("0") + (" DF" if self.drop else "")


def rate_from(value: object, *, drop: bool = False) -> Rate:
    """A rate as Resolve writes it: ``"23.976"``, ``"29.97 DF"``, ``24.0``, ``59.94``.

    Raises ValueError where it is no rate, or drop-frame timecode does not exist for it.
    """
    match = _RATE.fullmatch(str(value))
    if match is None or not 0 < Fraction(match[1]) <= 1000:
        raise ValueError(f"'{value}' is no frame rate")
    written = Fraction(match[1])
    exact = written
    if written.denominator != 1:
        nominal = int(written * 1001 / 1000 + Fraction(1, 2))
        if abs(Fraction(nominal * 1000, 1001) - written) < _NEAR:
            exact = Fraction(nominal * 1000, 1001)
    found = Rate(exact, drop or bool(match[2]))
    if found.drop and (exact.denominator != 1001 or found.nominal % 30):
        raise ValueError(f"there is no drop-frame timecode for {written} frames per second")
    return found


def frames_of(timecode: str, rate: Rate) -> int:
    """The frame that a timecode names, counted from 00:00:00:00.

    A semicolon before the frames means drop-frame; a rate that drops reads every timecode so. Raises ValueError.
    """
    match = _TIMECODE.fullmatch(timecode.strip())
    if match is None:
        raise ValueError(f"'{timecode}' is no timecode; it is written like 01:00:00:00")
    hours, minutes, seconds, frames = (int(match[index]) for index in (1, 2, 3, 5))
    if minutes > 59 or seconds > 59 or frames >= rate.nominal:
        raise ValueError(f"'{timecode}' is no timecode at {rate} frames per second")
    dropping = _drops(rate, semicolon=match[4] == ";")
    if dropping and seconds == 0 and minutes % 10 and frames < dropping:
        raise ValueError(f"'{timecode}' does not exist: drop-frame timecode leaves it out")
    count = ((hours * 60 + minutes) * 60 + seconds) * rate.nominal + frames
    whole_minutes = hours * 60 + minutes
    return count - dropping * (whole_minutes - whole_minutes // 10)


def timecode_of(frames: int, rate: Rate) -> str:
    """The timecode of a frame, counted from 00:00:00:00; after a day it starts again."""
    dropping = _drops(rate, semicolon=False)
    per_minute = rate.nominal * 60 - dropping
    per_ten = rate.nominal * 600 - 9 * dropping
    count = frames % (per_ten * 144)
    if dropping:
        tens, rest = divmod(count, per_ten)
        # The first minute of ten drops nothing.
        minutes = 0 if rest < rate.nominal * 60 else 1 + (rest - rate.nominal * 60) // per_minute
        count += dropping * (9 * tens + minutes)
    seconds, left = divmod(count, rate.nominal)
    separator = ";" if dropping else ":"
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{separator}{left:02d}"


def _drops(rate: Rate, *, semicolon: bool) -> int:
    """Numbers that are left out each minute: 2 at 29.97, 4 at 59.94; 0 where none are."""
    able = rate.exact.denominator == 1001 and rate.nominal % 30 == 0
    return rate.nominal // 15 if (rate.drop or semicolon) and able else 0
