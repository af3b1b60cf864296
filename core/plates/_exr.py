"""The OpenEXR container, read without decoding a sample: headers, chunk tables, and whether they can be true.

OpenImageIO decodes the samples. The container is read here as well, for three reasons: a file's claims are checked
before the C++ library allocates for them, a missing chunk is found before it can turn into black, and attributes are
kept byte for byte (OpenImageIO renames some, and drops those of types it does not know).

Follows the "OpenEXR File Layout" document of the Academy Software Foundation.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from overscan.core.errors import UnreadableImageError, UnsupportedImageError
from overscan.core.geometry import Window
from overscan.core.plates._frame import ExrAttribute
from overscan.core.plates._limits import DEFAULT_LIMITS, ReadLimits

MAGIC = b"\x76\x2f\x31\x01"
TILED, LONG_NAMES, DEEP, MULTI_PART = 0x200, 0x400, 0x800, 0x1000
"""Flags in the version field."""

COMPRESSIONS = {
    0: ("none", 1),
    1: ("rle", 1),
    2: ("zips", 1),
    3: ("zip", 16),
    4: ("piz", 32),
    5: ("pxr24", 16),
    6: ("b44", 32),
    7: ("b44a", 32),
    8: ("dwaa", 32),
    9: ("dwab", 256),
    10: ("htj2k256", 256),
    11: ("htj2k32", 32),
    13: ("zstd", 1),
}
"""Compression name and scan lines per chunk, by the number in the file."""

_EXPANSION = {"none": 1, "rle": 128, "zips": 1100, "zip": 1100, "pxr24": 1500, "b44": 32, "b44a": 32}
"""At most so many sample bytes come out of one byte of the file, for the methods that have such a bound: deflate
reaches 1032:1, an RLE pair gives 128 bytes, a B44A block of 32 bytes takes 3."""

_LINE_ORDERS = {b"\0": "increasingY", b"\1": "decreasingY", b"\2": "randomY"}
_REQUIRED = ("channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio")
_SAMPLE_BYTES = {0: 4, 1: 2, 2: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExrPart:
    """Header of one part as the file stores it, and where its chunks are."""

    attributes: tuple[ExrAttribute, ...]
    """Every attribute, in the file's order."""
    name: str
    data_window: Window
    display_window: Window
    compression: str
    line_order: str
    """OpenImageIO's name for the order in which lines or tiles lie in the file."""
    tile: tuple[int, int] | None
    sample_bytes: int
    """Bytes of all samples of the part, decoded."""
    offsets: npt.NDArray[np.uint64]
    """File position of each chunk, in the table's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExrLayout:
    """Container of one file."""

    version: int
    """The version field with its flags."""
    parts: tuple[ExrPart, ...]
    chunks_begin: int
    """File position behind the last chunk table."""
    size: int
    """Bytes of the file."""


def is_exr(path: Path) -> bool:
    """Whether the file starts like an EXR file, whatever its name says."""
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def read_layout(path: Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> ExrLayout:
    """Headers and chunk tables of `path`, checked against the file's size and `limits`.

    Raises `UnsupportedImageError` for deep, mip- or rip-mapped and subsampled parts, `UnreadableImageError` for
    anything that is damaged, incomplete or implausible.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        reader = _Reader(path=path, file=file, size=size, limits=limits)
        if reader.take(4) != MAGIC:
            raise reader.damaged("it does not start like an OpenEXR file")
        version = reader.unsigned()
        if version & 0xFF != 2:
            raise reader.damaged(f"it claims OpenEXR file version {version & 0xFF}; 2 is the only one there is")
        headers = []
        while True:
            headers.append(reader.header())
            if len(headers) > limits.parts:
                raise reader.damaged(f"it claims more than {limits.parts} parts")
            if not version & MULTI_PART:
                break
            if reader.peek() == b"\0":
                reader.take(1)
                break
        if version & DEEP:
            raise reader.unsupported(0, headers[0], "has deep samples")
        drafts = [reader.part(index, header, version) for index, header in enumerate(headers)]
        parts = [replace(part, offsets=reader.table(index, part, count)) for index, (part, count) in enumerate(drafts)]
        layout = ExrLayout(version=version, parts=tuple(parts), chunks_begin=reader.position, size=size)
        reader.check_chunks(layout)
        return layout


class _Reader:
    """Cursor over the file that never reads past its end nor past the limits."""

    def __init__(self, *, path: Path, file: BinaryIO, size: int, limits: ReadLimits) -> None:
        self._path, self._file, self._size, self._limits = path, file, size, limits
        self.position = 0

    def damaged(self, why: str) -> UnreadableImageError:
        return UnreadableImageError(
            f"cannot be read: {why}.",
            next_step="The file is damaged or was not written to the end; render or copy it again.",
            path=self._path,
        )

    def unsupported(self, index: int, header: dict[str, ExrAttribute], why: str) -> UnsupportedImageError:
        name = _text(header["name"].data) if "name" in header else ""
        label = f"part {index} ('{name}')" if name else f"part {index}"
        return UnsupportedImageError(
            f"{label} {why}, which Overscan cannot hand back unchanged.",
            next_step="Convert it to flat, full-resolution scan lines or tiles of one level.",
            path=self._path,
        )

    def take(self, count: int) -> bytes:
        if count < 0 or self.position + count > self._size:
            raise self.damaged(f"it ends after {self._size} bytes, inside the header")
        if self.position + count > self._limits.header_bytes:
            raise self.damaged(f"its header is larger than {self._limits.header_bytes} bytes")
        data = self._file.read(count)
        if len(data) != count:
            raise self.damaged("it became shorter while it was read")
        self.position += count
        return data

    def peek(self) -> bytes:
        data = self._file.read(1)
        self._file.seek(self.position)
        return data

    def unsigned(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def name(self) -> str:
        # Names have at most 255 bytes, so one block holds any of them.
        block = self._file.read(256)
        self._file.seek(self.position)
        end = block.find(b"\0")
        if end < 0:
            raise self.damaged("a name in its header does not end")
        self.take(end + 1)
        return block[:end].decode("utf-8", "surrogateescape")

    def header(self) -> dict[str, ExrAttribute]:
        attributes: dict[str, ExrAttribute] = {}
        while name := self.name():
            kind = self.name()
            size = self.unsigned()
            if name in attributes:
                raise self.damaged(f"its attribute '{name}' is there twice")
            if len(attributes) >= self._limits.attributes:
                raise self.damaged(f"its header has more than {self._limits.attributes} attributes")
            attributes[name] = ExrAttribute(name=name, type=kind, data=self.take(size))
        missing = [name for name in _REQUIRED if name not in attributes]
        if missing:
            raise self.damaged(f"part header without {', '.join(missing)}")
        return attributes

    def part(self, index: int, header: dict[str, ExrAttribute], version: int) -> tuple[ExrPart, int]:
        """The part that `header` describes, still without its chunk table, and its number of chunks."""
        kind = _text(header["type"].data) if "type" in header else ""
        if kind.startswith("deep"):
            raise self.unsupported(index, header, "has deep samples")
        window = self._window(header["dataWindow"])
        display = self._window(header["displayWindow"])
        if window.width * window.height > self._limits.pixels:
            raise self.damaged(f"part {index} claims {window} pixels; the limit is {self._limits.pixels} in all")
        tiled = kind == "tiledimage" or (not kind and bool(version & TILED))
        tile = self._tile(index, header) if tiled else None
        pixel_bytes = self._pixel_bytes(index, header)
        if len(header["compression"].data) != 1 or header["compression"].data[0] not in COMPRESSIONS:
            raise self.damaged(f"part {index} has an unknown compression ({header['compression'].data[:4].hex()})")
        compression, rows = COMPRESSIONS[header["compression"].data[0]]
        if tile is None:
            count = -(-window.height // rows)
        else:
            count = -(-window.width // tile[0]) * -(-window.height // tile[1])
        sample_bytes = window.width * window.height * pixel_bytes
        bound = _EXPANSION.get(compression)
        if bound is not None and sample_bytes > bound * self._size + 65536:
            raise self.damaged(
                f"part {index} claims {sample_bytes} bytes, which {self._size} bytes of {compression} cannot hold"
            )
        part = ExrPart(
            attributes=tuple(header.values()),
            name=_text(header["name"].data) if "name" in header else "",
            data_window=window,
            display_window=display,
            compression=compression,
            line_order=_LINE_ORDERS.get(header["lineOrder"].data, "increasingY"),
            tile=tile,
            sample_bytes=sample_bytes,
            offsets=np.zeros(0, np.uint64),
        )
        return part, count

    def _window(self, attribute: ExrAttribute) -> Window:
        if attribute.type != "box2i" or len(attribute.data) != 16:
            raise self.damaged(f"its {attribute.name} is not a window")
        left, top, right, bottom = struct.unpack("<4i", attribute.data)
        width, height = right - left + 1, bottom - top + 1
        side = self._limits.side
        if not (1 <= width <= side and 1 <= height <= side):
            raise self.damaged(f"its {attribute.name} claims {width}x{height} pixels")
        if max(abs(value) for value in (left, top, right, bottom)) > 2**30:
            raise self.damaged(f"its {attribute.name} lies at {left},{top}")
        return Window(x=left, y=top, width=width, height=height)

    def _tile(self, index: int, header: dict[str, ExrAttribute]) -> tuple[int, int]:
        data = header["tiles"].data if "tiles" in header else b""
        if len(data) != 9:
            raise self.damaged(f"part {index} is tiled but has no tile description")
        width, height, mode = struct.unpack("<IIB", data)
        if mode & 0xF:
            raise self.unsupported(index, header, "holds a mip- or rip-map")
        if not (1 <= width <= self._limits.side and 1 <= height <= self._limits.side):
            raise self.damaged(f"part {index} claims tiles of {width}x{height}")
        return width, height

    def _pixel_bytes(self, index: int, header: dict[str, ExrAttribute]) -> int:
        """Bytes of one pixel; checks the channel list."""
        data, at, total, count = header["channels"].data, 0, 0, 0
        while True:
            end = data.find(b"\0", at)
            if end < 0:
                raise self.damaged(f"the channel list of part {index} does not end")
            if end == at:
                break
            name, at = _text(data[at:end]), end + 1
            if at + 16 > len(data):
                raise self.damaged(f"the channel list of part {index} is cut short")
            kind, _linear, across, down = struct.unpack("<iIii", data[at : at + 16])
            at += 16
            if kind not in _SAMPLE_BYTES:
                raise self.damaged(f"channel '{name}' of part {index} has unknown sample type {kind}")
            if (across, down) != (1, 1):
                raise self.unsupported(index, header, f"stores channel '{name}' subsampled by {across}x{down}")
            total += _SAMPLE_BYTES[kind]
            count += 1
            if count > self._limits.channels:
                raise self.damaged(f"part {index} claims more than {self._limits.channels} channels")
        if not count:
            raise self.unsupported(index, header, "has no channels")
        return total

    def table(self, index: int, part: ExrPart, count: int) -> npt.NDArray[np.uint64]:
        for attribute in part.attributes:
            if attribute.name == "chunkCount" and attribute.data != struct.pack("<i", count):
                raise self.damaged(f"part {index} claims another number of chunks than its windows need ({count})")
        # Every chunk takes a table entry and a chunk header.
        if self.position + 16 * count > self._size:
            raise self.damaged(f"part {index} needs {count} chunks, which {self._size} bytes cannot hold")
        self._file.seek(self.position)
        self.position += 8 * count
        return np.frombuffer(self._file.read(8 * count), np.dtype("<u8"))

    def check_chunks(self, layout: ExrLayout) -> None:
        """Every chunk has a place of its own in the file, and the last one is there to its end."""
        multi = 4 if layout.version & MULTI_PART else 0
        for index, part in enumerate(layout.parts):
            outside = (part.offsets < layout.chunks_begin) | (part.offsets > layout.size - 8 - multi)
            if missing := int(outside.sum()):
                what = "tiles" if part.tile else "blocks of scan lines"
                raise self.damaged(f"part {index} lacks {missing} of its {len(part.offsets)} {what}")
        offsets = np.concatenate([part.offsets for part in layout.parts])
        if len(np.unique(offsets)) != len(offsets):
            raise self.damaged("two chunks share one place in the file")
        last = int(offsets.max())
        owner = next(part for part in layout.parts if last in part.offsets)
        header = multi + (20 if owner.tile else 8)
        self._file.seek(last)
        data = self._file.read(header)
        if len(data) < header or last + header + int.from_bytes(data[-4:], "little") > layout.size:
            raise self.damaged("its last block of samples is cut short")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
