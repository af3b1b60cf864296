"""Frame rates as exact fractions, and timecode."""

from __future__ import annotations

import math
import re
from fractions import Fraction

_PULLED_DOWN = {
    "23.976": 24,
    "23.98": 24,
    "29.97": 30,
    "47.952": 48,
    "47.95": 48,
    "59.94": 60,
    "95.904": 96,
    "119.88": 120,
}


def rate(value: str | float) -> tuple[Fraction, bool]:
    """A rate as Resolve writes it ("23.976", "29.97 DF", 24.0), exact, and whether it counts in drop-frame timecode."""
    text = str(value).strip()
    drop = text.endswith("DF")
    text = text[:-2].strip() if drop else text
    for written, nominal in _PULLED_DOWN.items():
        if abs(float(text) - float(written)) < 0.006:
            return Fraction(nominal * 1000, 1001), drop
    found = Fraction(text)
    if found <= 0:
        raise ValueError(f"{value!r} is no frame rate")
    return found, drop


def rate_number(exact: Fraction) -> float:
    """The rate as Resolve gives it: 23.976, 29.97, 25.0."""
    return round(float(exact), 3) if exact.denominator != 1 else float(exact)


def rate_text(exact: Fraction) -> str:
    """The rate as Resolve writes it: "23.976", "29.97", "25"."""
    return f"{round(float(exact), 3):g}"


def nominal(exact: Fraction) -> int:
    """Frames that a second of timecode counts: 24 for 23.976."""
    return math.ceil(exact)


def frames_of(text: str, exact: Fraction, drop: bool) -> int:
    """The frame that a timecode names. ValueError where it is none, or a number that drop-frame leaves out."""
    match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)[:;](\d\d+)", text)
    if match is None:
        raise ValueError(f"{text!r} is no timecode")
    hours, minutes, seconds, frames = map(int, match.groups())
    base = nominal(exact)
    if minutes > 59 or seconds > 59 or frames >= base:
        raise ValueError(f"{text!r} is no timecode at {base} frames a second")
    total = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if drop:
        dropped = base // 15
        if minutes % 10 and seconds == 0 and frames < dropped:
            raise ValueError(f"drop-frame timecode leaves out {text!r}")
        whole = hours * 60 + minutes
        total -= dropped * (whole - whole // 10)
    return total


def timecode(frame: int, exact: Fraction, drop: bool) -> str:
    """The timecode of a frame; drop-frame with a semicolon before the frames."""
    base = nominal(exact)
    if drop:
        dropped = base // 15
        ten = base * 600 - 9 * dropped
        one = base * 60 - dropped
        tens, rest = divmod(frame, ten)
        frame += 9 * dropped * tens
        if rest >= base * 60:
            frame += dropped * ((rest - base * 60) // one + 1)
    frame %= base * 86400
    seconds, frames = divmod(frame, base)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{';' if drop else ':'}{frames:02d}"
