"""What an EXR file says of itself in its header, with the standard library alone.

Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MAGIC = 20000630
_LONGEST = 1 << 20


@dataclass(frozen=True)
class Header:
    """Of the first part."""

    width: int
    """Of the display window."""
    height: int
    channels: tuple[str, ...]


def read_header(path: Path) -> Header:
    """Raises ValueError where the file is no EXR, or is cut off; OSError where it cannot be read."""
    with path.open("rb") as file:
        magic, _version = struct.unpack("<ii", _take(file, 8))
        if magic != _MAGIC:
            raise ValueError("it is no EXR file")
        window: tuple[int, ...] = ()
        channels: tuple[str, ...] = ()
        name = _word(file)
        while name:
            kind = _word(file)
            (size,) = struct.unpack("<i", _take(file, 4))
            if not 0 <= size <= _LONGEST:
                raise ValueError("its header is damaged")
            value = _take(file, size)
            if name == "displayWindow" and kind == "box2i" and size == 16:
                window = struct.unpack("<4i", value)
            elif name == "channels":
                channels = _channels(value)
            name = _word(file)
    if not window:
        raise ValueError("it does not say its size")
    return Header(window[2] - window[0] + 1, window[3] - window[1] + 1, channels)


def _channels(value: bytes) -> tuple[str, ...]:
    names, place = [], 0
    while place < len(value) and value[place]:
        end = value.index(0, place)
        names.append(value[place:end].decode("utf-8", "replace"))
        place = end + 1 + 16
    return tuple(names)


def _word(file: BinaryIO) -> str:
    found = bytearray()
    while True:
        byte = _take(file, 1)
        if byte == b"\0":
            return found.decode("utf-8", "replace")
        found += byte
        if len(found) > 255:
            raise ValueError("its header is damaged")


def _take(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) != count:
        raise ValueError("it is cut off")
    return found
