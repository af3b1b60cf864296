"""Encoded samples handed on as they are: without decoding and encoding them, and checked without decoding them.

What decides how chunks are decoded is in the structural attributes of the header, and in two flags of the file's
version. Where these are the same and the chunks are, byte for byte, so are the samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from overscan.core.errors import UnreadableImageError, UnsupportedImageError
from overscan.core.plates._assemble import STRUCTURE
from overscan.core.plates._exr import MULTI_PART, TILED, ExrLayout, ExrPart, is_exr, read_layout
from overscan.core.plates._frame import Part
from overscan.core.plates._watch import reading

_BLOCK = 1 << 20
_TYPES: dict[int, np.dtype[Any]] = {0: np.dtype(np.uint32), 1: np.dtype(np.float16), 2: np.dtype(np.float32)}


def holds_encoded(source: Path, part: Part) -> bool:
    """Whether the one part of the EXR file `source` is encoded as `part` is to be; its samples are the caller's word.

    Several parts, and whatever is not certain, count as no.
    """
    header = part.header
    try:
        layout = read_layout(source) if is_exr(source) else None
    except (OSError, UnreadableImageError, UnsupportedImageError):
        return False
    if layout is None or len(layout.parts) != 1 or header.exr_attributes is None:
        return False
    own = layout.parts[0]
    # Chunks of a multi-part file begin with the number of their part, also where it has one part only; and what a
    # file's flag says of tiles counts for others, whatever its `type` says.
    if layout.version & MULTI_PART or bool(layout.version & TILED) != (own.tile is not None):
        return False
    channels = {channel.name: channel.dtype for channel in header.channels}
    return (
        own.compression == (header.compression or "zip")
        and own.data_window == header.data_window
        and own.display_window == header.display_window
        and own.tile == header.tile
        and (own.tile is not None or own.line_order == header.attributes.get("openexr:lineOrder", "increasingY"))
        and _value(own, "pixelAspectRatio") == np.float32(header.pixel_aspect).tobytes()
        and _channels(_value(own, "channels")) == channels
    )


def same_chunks(one: Path, other: Path) -> bool:
    """Whether two EXR files of one part each hold the same encoded samples; reads both whole.

    Whatever is not certain counts as no: then the samples themselves can tell.
    """
    try:
        with reading(one, pixels=True), reading(other, pixels=True):
            layouts = read_layout(one), read_layout(other)
            return _same_structure(*layouts) and _same_bytes(one, other, layouts)
    except (OSError, UnreadableImageError, UnsupportedImageError):
        return False


def _same_structure(one: ExrLayout, other: ExrLayout) -> bool:
    if len(one.parts) != 1 or len(other.parts) != 1 or (one.version ^ other.version) & (TILED | MULTI_PART):
        return False
    if any(_attribute(one.parts[0], name) != _attribute(other.parts[0], name) for name in STRUCTURE):
        return False
    first, second = (layout.parts[0].offsets.astype(np.int64) - layout.chunks_begin for layout in (one, other))
    return np.array_equal(first, second)


def _same_bytes(one: Path, other: Path, layouts: tuple[ExrLayout, ExrLayout]) -> bool:
    with one.open("rb", buffering=0) as first, other.open("rb", buffering=0) as second:
        first.seek(layouts[0].chunks_begin)
        second.seek(layouts[1].chunks_begin)
        while True:
            block = first.read(_BLOCK)
            if block != second.read(_BLOCK):
                return False
            if not block:
                return True


def _attribute(part: ExrPart, name: str) -> tuple[str, bytes] | None:
    return next(((entry.type, entry.data) for entry in part.attributes if entry.name == name), None)


def _value(part: ExrPart, name: str) -> bytes:
    found = _attribute(part, name)
    return b"" if found is None else found[1]


def _channels(data: bytes) -> dict[str, np.dtype[Any]]:
    """Channels and their sample types; `read_layout` has checked the list."""
    found: dict[str, np.dtype[Any]] = {}
    at = 0
    while data[at]:
        end = data.index(b"\0", at)
        name = data[at:end].decode("utf-8", "surrogateescape")
        found[name] = _TYPES[int.from_bytes(data[end + 1 : end + 5], "little")]
        at = end + 17
    return found
