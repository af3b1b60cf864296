"""What one frame of a plate holds: parts, windows, planes of samples in the file's own types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.geometry import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class ExrAttribute:
    """A header attribute exactly as an EXR file stores it."""

    name: str
    """Name in the file, e.g. ``timeCode``."""
    type: str
    """OpenEXR type name, e.g. ``timecode``; may be a type no library knows."""
    data: bytes
    """The value's bytes, little-endian, as in the file."""


Plane = npt.NDArray[Any]
"""One channel over the data window: ``(height, width)``, float16, float32, uint32, uint16 or uint8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel as the file stores it."""

    name: str
    """Full name in the file, layer included, e.g. ``R`` or ``diffuse.R``."""
    dtype: np.dtype[Any]
    """Sample type in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHeader:
    """Everything but the samples of one part (OpenImageIO: subimage) of a file."""

    index: int
    """Position in the file, from 0."""
    name: str
    """Part name, empty where the file has none."""
    view: str
    """View of the part (``left`` …), empty where the file has none."""
    display_window: Window
    """The format."""
    data_window: Window
    """Where samples exist; may be smaller or larger than the display window."""
    pixel_aspect: float
    """Width of a pixel divided by its height."""
    channels: tuple[Channel, ...]
    """In the file's order."""
    compression: str
    """OpenEXR compression name (``zip``, ``piz``, ``dwaa:45`` …); empty for other formats."""
    tile: tuple[int, int] | None
    """Tile width and height, None for scan lines."""
    bits: int
    """Significant bits of integer samples (10 for most DPX), else the size of the type. Integer samples are code
    values: they run from 0 to ``2**bits - 1``."""
    attributes: Mapping[str, Any]
    """All other metadata of the part, by OpenImageIO name, values as OpenImageIO gives them. For reading: an EXR
    part's metadata travels to the written file in `exr_attributes`."""
    attribute_types: Mapping[str, str] = field(default_factory=dict)
    """OpenImageIO type names (``timecode``, ``float[8]`` …) of the entries of `attributes` whose type their value
    does not tell."""
    exr_attributes: tuple[ExrAttribute, ...] | None = None
    """Metadata of an EXR part, byte for byte, without what the other fields say; None where the part was not read
    from an EXR file, and then the writer translates `attributes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part with its samples."""

    header: PartHeader
    planes: Mapping[str, Plane] = field(repr=False)
    """By full channel name; each ``data_window.shape``, in the channel's dtype. Planes that were read together are
    views of one interleaved array, which the writer writes without a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateFrame:
    """One frame of a sequence, read whole."""

    path: Path
    number: int
    format_name: str
    """OpenImageIO's name of the file format, e.g. ``openexr``."""
    parts: tuple[Part, ...]


def with_text(header: PartHeader, *, name: str, text: str) -> PartHeader:
    """`header` with the metadata entry `name` set to `text`, in place of any it has under that name."""
    exr = header.exr_attributes
    if exr is not None:
        added = ExrAttribute(name=name, type="string", data=text.encode("utf-8", "surrogateescape"))
        exr = (*(attribute for attribute in exr if attribute.name != name), added)
    return replace(header, attributes={**header.attributes, name: text}, exr_attributes=exr)
