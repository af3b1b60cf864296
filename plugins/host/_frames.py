"""Sets of frames as text, in the form of job files: ``1001-1100``, ``1001-1100x2,1200``, ``-5--1``."""

from __future__ import annotations

import re
from typing import Iterable

_PART = re.compile(r"(-?\d{1,10})(?:-(-?\d{1,10})(?:x(\d{1,10}))?)?")
_MOST_FRAMES = 10_000_000
_SMALLEST, _LARGEST = -(2**31), 2**31 - 1


def frames_from_text(text: str) -> list[int]:
    """The frames that the text names, ascending, each once; an empty text names none.

    Raises ValueError, in words for the artist, where the text is no frame range.
    """
    frames: set[int] = set()
    for part in re.split(r"[,\s]+", text.strip()):
        if not part:
            continue
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"'{part}' is not a frame range; write it like 1001-1100, 1001-1100x2 or -5--1")
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        step = 1 if match[3] is None else int(match[3])
        if step < 1:
            raise ValueError(f"'{part}' has the step 0")
        if not _SMALLEST <= min(first, last) <= max(first, last) <= _LARGEST:
            raise ValueError(f"'{part}': frame numbers go from {_SMALLEST} to {_LARGEST}")
        if abs(last - first) // step >= _MOST_FRAMES:
            raise ValueError(f"'{part}' names more than {_MOST_FRAMES} frames")
        frames.update(range(first, last + 1, step) if last >= first else range(first, last - 1, -step))
    return sorted(frames)


def frames_to_text(numbers: Iterable[int]) -> str:
    """These frames as few ranges, ascending; empty for none."""
    frames = sorted(set(numbers))
    parts: list[str] = []
    begin = 0
    while begin < len(frames):
        end = begin + 1
        step = frames[end] - frames[begin] if end < len(frames) else 1
        while end < len(frames) and frames[end] - frames[end - 1] == step:
            end += 1
        if end - begin == 2 and step > 1:  # two frames that happen to be apart are no rhythm
            end, step = begin + 1, 1
        first, last = frames[begin], frames[end - 1]
        rhythm = f"x{step}" if step > 1 else ""
        parts.append(str(first) if first == last else f"{first}-{last}{rhythm}")
        begin = end
    return ",".join(parts)
