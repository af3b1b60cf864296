"""Building one EXR file out of parts that were each written to a file of their own.

OpenImageIO writes the samples of each part; the headers and chunk tables of the final file are laid out here. This
keeps attributes byte for byte and allows parts with tiles next to parts without, on which OpenImageIO 3.2 aborts the
process.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from overscan.core.plates._exr import LONG_NAMES, MAGIC, MULTI_PART, TILED, ExrPart, read_layout
from overscan.core.plates._frame import ExrAttribute
from overscan.core.plates._limits import ReadLimits

# Our own files are checked for completeness, not for size.
_UNLIMITED = ReadLimits(pixels=2**62, side=2**30, channels=2**30, parts=2**30, sample_bytes=2**62, header_bytes=2**62)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglePart:
    """One part, in a complete single-part EXR file."""

    path: Path
    name: str
    """Part name; must be unique and not empty where there are several parts."""
    attributes: tuple[ExrAttribute, ...]
    """What goes into the header besides the structural attributes, which are taken from the file at `path`."""


STRUCTURE = ("channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio", "tiles")
"""Attributes that describe how the samples are stored."""

_NOT_IN_KERNEL = frozenset({errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EIO})
"""What file systems answer that cannot copy between files by themselves."""

_DEFAULTS = ("screenWindowCenter", "screenWindowWidth")
"""Attributes every file must have; the image writer's where the part has none of its own."""


def assemble(*, parts: Sequence[SinglePart], target: Path) -> None:
    """Write the EXR file `target` from `parts`, in their order; chunks are copied as they are.

    Raises `OSError` as the system does, `UnreadableImageError` where a source is not complete.
    """
    layouts = [read_layout(part.path, limits=_UNLIMITED) for part in parts]
    multi = len(parts) > 1
    headers = [_header(part, layout.parts[0], multi=multi) for part, layout in zip(parts, layouts, strict=True)]
    version = 2 | (MULTI_PART if multi else layouts[0].version & TILED)
    if any(len(text) > 31 for header in headers for a in header for text in (_encoded(a.name), _encoded(a.type))):
        version |= LONG_NAMES
    front = MAGIC + struct.pack("<I", version) + b"".join(_packed(header) for header in headers)
    if multi:
        front += b"\0"
    counts = [len(layout.parts[0].offsets) for layout in layouts]
    position = len(front) + 8 * sum(counts)
    with target.open("wb") as out:
        out.write(front)
        tables = []
        bodies: list[tuple[int, np.ndarray[tuple[int], np.dtype[np.intp]]]] = []
        for layout in layouts:
            offsets = layout.parts[0].offsets
            order = np.argsort(offsets)
            moved = offsets + np.uint64(position) - np.uint64(layout.chunks_begin)
            if multi:
                # Each chunk grows by its part number, so later chunks move further.
                moved[order] += np.arange(len(offsets), dtype=np.uint64) * np.uint64(4)
            tables.append(moved.astype("<u8").tobytes())
            position += layout.size - layout.chunks_begin + (4 * len(offsets) if multi else 0)
            bodies.append((layout.chunks_begin, order))
        out.writelines(tables)
        for index, (part, layout) in enumerate(zip(parts, layouts, strict=True)):
            with part.path.open("rb") as source:
                source.seek(layout.chunks_begin)
                if multi:
                    _copy_numbered(source, out, index=index, part=layout.parts[0], size=layout.size)
                else:
                    _copy_rest(source, out, count=layout.size - layout.chunks_begin)


def _copy_rest(source: BinaryIO, out: BinaryIO, *, count: int) -> None:
    """Copy `count` bytes from where `source` stands; inside the kernel where it can, or as shared blocks."""
    if hasattr(os, "copy_file_range"):
        out.flush()
        begin, done = source.tell(), 0
        try:
            while done < count:
                copied = os.copy_file_range(source.fileno(), out.fileno(), count - done, begin + done)
                if not copied:
                    break
                done += copied
        except OSError as error:
            if error.errno not in _NOT_IN_KERNEL:
                raise
        source.seek(begin + done)
        out.seek(0, os.SEEK_END)
    shutil.copyfileobj(source, out, 1 << 20)


def _copy_numbered(source: BinaryIO, out: BinaryIO, *, index: int, part: ExrPart, size: int) -> None:
    begins = np.sort(part.offsets).tolist()
    number = struct.pack("<i", index)
    for begin, end in zip(begins, [*begins[1:], size], strict=True):
        out.write(number)
        out.write(source.read(end - begin))


def _header(part: SinglePart, source: ExrPart, *, multi: bool) -> tuple[ExrAttribute, ...]:
    given = {attribute.name for attribute in part.attributes}
    kept = [
        attribute
        for attribute in source.attributes
        if attribute.name in STRUCTURE or (attribute.name in _DEFAULTS and attribute.name not in given)
    ]
    own = []
    if part.name:
        own.append(text_attribute(name="name", text=part.name))
    if multi:
        kind = "tiledimage" if source.tile else "scanlineimage"
        own.append(text_attribute(name="type", text=kind))
        own.append(ExrAttribute(name="chunkCount", type="int", data=struct.pack("<i", len(source.offsets))))
    return tuple(sorted([*kept, *own, *part.attributes], key=lambda attribute: attribute.name))


def text_attribute(*, name: str, text: str) -> ExrAttribute:
    """A string attribute."""
    return ExrAttribute(name=name, type="string", data=_encoded(text))


def _packed(header: tuple[ExrAttribute, ...]) -> bytes:
    records = [
        _encoded(a.name) + b"\0" + _encoded(a.type) + b"\0" + struct.pack("<I", len(a.data)) + a.data for a in header
    ]
    return b"".join(records) + b"\0"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
