"""The key frames of a shot: where what no frame shows is imagined, and what joins up the camera."""

from __future__ import annotations

from collections.abc import Sequence

KEY_EVERY = 24
"""Frames from one key frame to the next."""


def key_frames(count: int) -> list[int]:
    """The key frames, by index, of a shot of `count` frames; they depend on its length alone."""
    return sorted({*range(0, count, KEY_EVERY), count - 1})


def with_painted(keys: Sequence[int], painted: Sequence[int]) -> list[int]:
    """`keys` and as many of the `painted` frames, both by index in order, that each of these has one of them near.

    A matte may come and go between two key frames.
    """
    mine = set(painted)
    serving = [key for key in keys if key in mine]
    more: list[int] = []
    for at, frame in enumerate(painted):
        if any(abs(frame - key) <= KEY_EVERY for key in (*serving, *more[-1:])):
            continue
        more.append(max(other for other in painted[at : at + KEY_EVERY] if other - frame <= KEY_EVERY // 2))
    return sorted({*keys, *more})


def with_ends(keys: Sequence[int], stretches: Sequence[int]) -> list[int]:
    """`keys` and the first and last frame of every stretch, of which each frame, by index, has the number.

    Frames of a negative number are in none.
    """
    count = len(stretches)
    first = {at for at in range(count) if at == 0 or stretches[at] != stretches[at - 1]}
    last = {at for at in range(count) if at + 1 == count or stretches[at] != stretches[at + 1]}
    return sorted({*keys, *(at for at in first | last if stretches[at] >= 0)})


def shot_keys(count: int, *, stretches: Sequence[int], painted: Sequence[int]) -> list[int]:
    """The key frames, by index, of a shot of `count` frames in whose `painted` frames something is missing."""
    return with_painted(with_ends(key_frames(count), stretches), painted)
