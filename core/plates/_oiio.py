"""Sample types, metadata and errors in OpenImageIO's terms."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import OpenImageIO as oiio

from overscan.core.plates._frame import PartHeader

# OpenEXR's C core, which is OpenImageIO's default unless the environment says otherwise: it reads damaged files
# without crashing, and copies parts of several sample types without leaving an error behind.
oiio.attribute("openexr:core", 1)

NATIVE: dict[np.dtype[Any], oiio.BASETYPE] = {
    np.dtype(np.float16): oiio.HALF,
    np.dtype(np.float32): oiio.FLOAT,
    np.dtype(np.uint32): oiio.UINT32,
    np.dtype(np.uint16): oiio.UINT16,
    np.dtype(np.uint8): oiio.UINT8,
}
"""OpenImageIO's type for each sample type; the only ones that are read and written."""

_STORAGE = frozenset(
    {"compression", "oiio:RowsPerChunk", "oiio:subimages", "oiio:subimagename", "oiio:miplevels", "oiio:BitsPerSample"}
    | {"thumbnail_width", "thumbnail_height", "thumbnail_nchannels", "thumbnail_image", "PixelAspectRatio"}
    | {"name", "view", "openexr:lineOrder", "openexr:chunkCount", "planarconfig"}
)
"""Attributes that say how the file was stored rather than what it shows."""


def oiio_type(dtype: np.dtype[Any]) -> oiio.TypeDesc:
    """OpenImageIO's type for a numpy sample type."""
    return oiio.TypeDesc(NATIVE[np.dtype(dtype)])


def carry_attributes(header: PartHeader, spec: oiio.ImageSpec) -> None:
    """Give `spec` the metadata of `header`, types kept; what only describes storage stays behind."""
    for name, value in header.attributes.items():
        if name in _STORAGE or name.startswith("tiff:") or not name.isprintable():
            continue
        kind = header.attribute_types.get(name)
        if kind is None:
            spec.attribute(name, _as_given(value))
            continue
        # A type that has no name in OpenImageIO cannot be handed back to it.
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            spec.attribute(name, oiio.TypeDesc(kind), value)


def _as_given(value: Any) -> Any:
    """A value as OpenImageIO takes it: text that is no Unicode, as older scanners write it, by its bytes."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "surrogateescape")
    return value


def error_of(file: oiio.ImageInput | oiio.ImageOutput) -> str:
    """The pending error of `file` in one line, empty where there is none; it is no longer pending then."""
    if not file.has_error:
        return ""
    try:
        return _one_line(file.geterror())
    except UnicodeDecodeError:
        return "its header holds garbage"


def last_error() -> str:
    """Why the last file could not be opened, in one line."""
    try:
        message = _one_line(oiio.geterror())
    except UnicodeDecodeError:
        return "its header holds garbage"
    return "no reader knows its format" if not message or "format reader" in message else message


def _one_line(message: str) -> str:
    lines = list(dict.fromkeys(line.strip() for line in message.splitlines() if line.strip()))
    return "; ".join(lines)[:300]
