"""Texts cut to what fits: what a caller sent may be long, and an error about it travels in a header."""

from __future__ import annotations

_GAP = " … "


def shorten(text: str, *, bytes_max: int) -> str:
    """`text` in at most `bytes_max` bytes of UTF-8, its middle left out where it has more.

    What is no Unicode (bytes of a file name that are none) becomes question marks.
    """
    data = text.encode("utf-8", "replace")
    if len(data) <= bytes_max:
        return data.decode("utf-8")
    room = max(bytes_max - len(_GAP.encode()), 0)
    head, tail = data[: room - room // 3], data[len(data) - room // 3 :]
    return head.decode("utf-8", "ignore") + _GAP + tail.decode("utf-8", "ignore")
