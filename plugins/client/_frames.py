"""Sets of frames, between what people write (``1001-1100x2,1200``) and the wire's `FrameSet`."""

from __future__ import annotations

from collections.abc import Iterable

from fileseq import constants, frameset
from fileseq import exceptions as fileseq_errors

from overscan.v1.frames_pb2 import FrameRange, FrameSet

_SMALLEST, _LARGEST = -(2**31), 2**31 - 1


def frames_from_text(text: str) -> FrameSet:
    """The set that a range expression names, in ascending order and each frame once.

    Raises ValueError, in words for the user, where the text is no range or names no frame.
    """
    try:
        given = list(frameset.FrameSet(text.strip()))
    except fileseq_errors.MaxSizeException as error:
        raise ValueError(f"'{text}' names more than {constants.MAX_FRAME_SIZE} frames") from error
    except (fileseq_errors.FileSeqException, ValueError, TypeError) as error:
        raise ValueError(f"'{text}' is not a frame range") from error
    if any(number != int(number) for number in given):
        raise ValueError(f"'{text}' names frames between whole numbers")
    if not given:
        raise ValueError(f"the frame range '{text}' names no frame")
    return frames_from_numbers(int(number) for number in given)


def frames_from_numbers(numbers: Iterable[int]) -> FrameSet:
    """The set of these frames as few ranges, ascending. Raises ValueError outside of 32 bits."""
    frames = sorted(set(numbers))
    if frames and (frames[0] < _SMALLEST or frames[-1] > _LARGEST):
        raise ValueError(f"frame numbers go from {_SMALLEST} to {_LARGEST}")
    ranges: list[FrameRange] = []
    begin = 0
    while begin < len(frames):
        end = begin + 1
        step = frames[end] - frames[begin] if end < len(frames) else 1
        while end < len(frames) and frames[end] - frames[end - 1] == step:
            end += 1
        if end - begin == 2 and step > 1:  # two frames that happen to be apart are no rhythm
            end, step = begin + 1, 1
        ranges.append(FrameRange(first=frames[begin], last=frames[end - 1], step=step))
        begin = end
    return FrameSet(ranges=ranges)


def frames_of(frames: FrameSet) -> set[int]:
    """The frame numbers of the set."""
    return {number for entry in frames.ranges for number in range(entry.first, entry.last + 1, max(entry.step, 1))}


def frames_to_text(frames: FrameSet) -> str:
    """The set as a range expression; empty for the empty set."""
    return ",".join(_range_to_text(entry) for entry in frames.ranges)


def _range_to_text(entry: FrameRange) -> str:
    if entry.first == entry.last:
        return str(entry.first)
    return f"{entry.first}-{entry.last}" + (f"x{entry.step}" if entry.step > 1 else "")


def count_frames(frames: FrameSet) -> int:
    """How many frames the set has, repeats of overlapping ranges included."""
    return sum((entry.last - entry.first) // max(entry.step, 1) + 1 for entry in frames.ranges)
