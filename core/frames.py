"""Sets of frame numbers: what people write (``1001-1100x2,1200``, ``-5--1``) and what code iterates."""

from __future__ import annotations

from collections.abc import Iterable

import fileseq

from overscan.core.errors import FrameRangeError


def parse_frames(text: str, *, field: str = "frames") -> tuple[int, ...]:
    """Frame numbers of a fileseq range expression, ascending and without repeats.

    Raises `FrameRangeError` where the text is no range or names no frame.
    """
    try:
        numbers = sorted({int(number) for number in fileseq.FrameSet(text.strip())})
    except (fileseq.ParseException, ValueError, TypeError) as error:
        raise FrameRangeError(
            f"'{text}' is not a frame range.",
            next_step="Write it like 1001-1100, 1001-1100x2, 1001,1005 or -5--1.",
            field=field,
            actual=text,
        ) from error
    if not numbers:
        raise FrameRangeError(
            f"the frame range '{text}' names no frame.", next_step="Give at least one frame.", field=field, actual=text
        )
    return tuple(numbers)


def format_frames(frames: Iterable[int]) -> str:
    """Frame numbers as a compact range expression, e.g. ``1001-1010,1020``; empty for none."""
    numbers = sorted(set(frames))
    return fileseq.FrameSet(numbers).frameRange() if numbers else ""
