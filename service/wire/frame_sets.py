"""Frame numbers on the wire: ranges there, ascending tuples here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overscan.core.errors import FrameRangeError
from overscan.v1.frames_pb2 import FrameRange, FrameSet

FRAMES_MAX = 1_000_000
"""A day of film at 12 frames a second; more is a typing error that would only eat memory."""


def read_frames(frame_set: FrameSet, *, field: str) -> tuple[int, ...] | None:
    """Frame numbers, ascending and without repeats; None where the set is empty, which the wire means as "all".

    Raises `FrameRangeError` for a range that runs backwards, or for more than `FRAMES_MAX` frames.
    """
    if not frame_set.ranges:
        return None
    numbers: set[int] = set()
    for part in frame_set.ranges:
        if part.last < part.first:
            raise FrameRangeError(
                f"the frame range {part.first} to {part.last} is empty: its last frame is before its first.",
                next_step="Give the lower number first.",
                field=field,
                actual=f"{part.first}-{part.last}",
            )
        found = range(part.first, part.last + 1, part.step or 1)
        if len(found) + len(numbers) > FRAMES_MAX:
            raise FrameRangeError(
                f"the frame range has more than {FRAMES_MAX} frames.",
                next_step="Check the numbers, or cut the job into pieces.",
                field=field,
                expected=f"at most {FRAMES_MAX}",
                actual=f"{part.first}-{part.last}",
            )
        numbers.update(found)
    return tuple(sorted(numbers))


def write_frames(frames: Iterable[int]) -> FrameSet:
    """The fewest ranges that a walk from the lowest number finds."""
    numbers = sorted(set(frames))
    ranges: list[FrameRange] = []
    start = 0
    while start < len(numbers):
        end = _run_end(numbers, start)
        step = numbers[start + 1] - numbers[start] if end > start else 1
        ranges.append(FrameRange(first=numbers[start], last=numbers[end], step=step))
        start = end + 1
    return FrameSet(ranges=ranges)


def _run_end(numbers: Sequence[int], start: int) -> int:
    """Where the arithmetic progression that begins at `start` ends; two numbers apart are no progression."""
    end = start + 1
    if end >= len(numbers):
        return start
    step = numbers[end] - numbers[start]
    while end + 1 < len(numbers) and numbers[end + 1] - numbers[end] == step:
        end += 1
    return end if step == 1 or end - start > 1 else start
