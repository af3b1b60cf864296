"""OpenEXR as far as the self-checks need it, with the standard library alone: a host's Python has nothing else.

Single-part scanline files of half and float samples; written without compression, read without or with zip. Samples
are kept as their bits, so that comparing them is exact. Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Mapping, Sequence

HALF, FLOAT = 1, 2
_SIZES = {0: 4, HALF: 2, FLOAT: 4}
_CODES = {0: "I", HALF: "H", FLOAT: "I"}
_MAGIC = 20000630
_LINES = {0: 1, 2: 1, 3: 16}
"""Scan lines to a block, by compression: none, zips, zip."""


class ExrError(Exception):
    """The file is not one that the self-check can read."""


class Picture:
    """Samples of a file."""

    def __init__(
        self,
        *,
        data_window: tuple[int, int, int, int],
        display_window: tuple[int, int, int, int],
        channels: Mapping[str, tuple[int, Sequence[int]]],
    ) -> None:
        self.data_window = data_window
        """Left, upper, right and lower edge, all inside."""
        self.display_window = display_window
        self.channels = dict(channels)
        """Type (`HALF` or `FLOAT`) and samples, as their bits, row by row, by channel."""

    @property
    def width(self) -> int:
        """Columns of the data window."""
        return self.data_window[2] - self.data_window[0] + 1

    @property
    def height(self) -> int:
        """Rows of the data window."""
        return self.data_window[3] - self.data_window[1] + 1

    def float_bits(self, name: str, x: int, y: int) -> int:
        """Bits of a sample as 32-bit float, by its place in pixel space; a half becomes the float of its value."""
        kind, samples = self.channels[name]
        bits = samples[(y - self.data_window[1]) * self.width + x - self.data_window[0]]
        if kind == FLOAT:
            return bits
        (value,) = struct.unpack("<e", struct.pack("<H", bits))
        (wide,) = struct.unpack("<I", struct.pack("<f", value))
        return int(wide)


def write(path: Path, *, width: int, height: int, channels: Mapping[str, Sequence[float]]) -> None:
    """Write half samples, row by row, in a file whose data window is its display window."""
    names = sorted(channels)
    listed = b"".join(name.encode() + struct.pack("<xiB3xii", HALF, 0, 1, 1) for name in names) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = [
        ("channels", "chlist", listed),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    ]
    head = struct.pack("<ii", _MAGIC, 2)
    for name, kind, value in attributes:
        head += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    head += b"\0"
    size = 8 + 2 * width * len(names)
    first = len(head) + 8 * height
    table = b"".join(struct.pack("<Q", first + row * size) for row in range(height))
    lines = []
    for row in range(height):
        samples = b"".join(
            struct.pack(f"<{width}e", *channels[name][row * width : (row + 1) * width]) for name in names
        )
        lines.append(struct.pack("<ii", row, len(samples)) + samples)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + table + b"".join(lines))


def read(path: Path) -> Picture:
    """Read a file. Raises `ExrError` for one that is damaged or of another kind, OSError for one that is not there."""
    data = path.read_bytes()
    try:
        return _read(data, str(path))
    except (struct.error, zlib.error, KeyError, IndexError, ValueError) as error:
        raise ExrError(f"{path} is no EXR that the self-check can read: {error!r}") from error


def _read(data: bytes, path: str) -> Picture:
    magic, flags = struct.unpack_from("<ii", data)
    if magic != _MAGIC or flags & 0x1A00:
        raise ExrError(f"{path} is no EXR of one part with scan lines")
    attributes, place = _attributes(data, 8)
    compression = attributes["compression"][0]
    if compression not in _LINES:
        raise ExrError(f"{path} has a compression that the self-check does not know ({compression})")
    channels = _channel_list(attributes["channels"])
    left, upper, right, lower = window = struct.unpack("<4i", attributes["dataWindow"])
    width, height = right - left + 1, lower - upper + 1
    samples: dict[str, list[int]] = {name: [] for name, _ in channels}
    rows: dict[int, bytes] = {}
    count = -(-height // _LINES[compression])
    row_size = width * sum(_SIZES[kind] for _, kind in channels)
    for offset in struct.unpack_from(f"<{count}Q", data, place):
        y, size = struct.unpack_from("<ii", data, offset)
        lines = min(_LINES[compression], lower - y + 1)
        block = data[offset + 8 : offset + 8 + size]
        if compression and size < lines * row_size:
            block = _unzip(block)
        for line in range(lines):
            rows[y + line] = block[line * row_size : (line + 1) * row_size]
    for y in range(upper, lower + 1):
        at = 0
        for name, kind in channels:
            samples[name].extend(struct.unpack_from(f"<{width}{_CODES[kind]}", rows[y], at))
            at += width * _SIZES[kind]
    return Picture(
        data_window=window,
        display_window=struct.unpack("<4i", attributes["displayWindow"]),
        channels={name: (kind, samples[name]) for name, kind in channels},
    )


def _attributes(data: bytes, place: int) -> tuple[dict[str, bytes], int]:
    found = {}
    while data[place]:
        name_end = data.index(b"\0", place)
        kind_end = data.index(b"\0", name_end + 1)
        (size,) = struct.unpack_from("<i", data, kind_end + 1)
        begin = kind_end + 5
        found[data[place:name_end].decode()] = data[begin : begin + size]
        place = begin + size
    return found, place + 1


def _channel_list(value: bytes) -> list[tuple[str, int]]:
    channels, place = [], 0
    while value[place]:
        end = value.index(b"\0", place)
        kind, _, across, down = struct.unpack_from("<iB3xii", value, end + 1)
        if (across, down) != (1, 1):
            raise ValueError("a channel is subsampled")
        channels.append((value[place:end].decode(), kind))
        place = end + 17
    return channels


def _unzip(block: bytes) -> bytes:
    """Undo EXR's zip: deflate, differences of bytes, and even before odd bytes."""
    coded = bytearray(zlib.decompress(block))
    for index in range(1, len(coded)):
        coded[index] = (coded[index - 1] + coded[index] - 128) & 0xFF
    half = (len(coded) + 1) // 2
    whole = bytearray(len(coded))
    whole[0::2] = coded[:half]
    whole[1::2] = coded[half:]
    return bytes(whole)
