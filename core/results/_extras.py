"""The extra layers of the pixel contract: what was generated, how sure we are, and where each pixel came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import IntEnum

from overscan.core.plates import Part, PartHeader, PlateFrame

EXTRAS_PART = "overscan"
"""Name of the part, or of the sidecar's only part, that holds the extra layers."""

EXTRA_CHANNELS = ("generated.A", "confidence.Y", "source.X", "source.Y", "source.frame", "source.kind")
"""All 32-bit float. `source.X`, `source.Y` are positions in the plate's pixel space, integers being sample centres."""


class SourceKind(IntEnum):
    """Values of ``source.kind``."""

    PLATE = 0
    COPIED = 1
    """From another frame of the plate, and ``source.X/Y/frame`` say from where; NaN where it is a clean plate."""
    SYNTHESISED = 2
    """From the plate, but from no single place in it."""
    MODEL = 3


def is_extras(header: PartHeader) -> bool:
    """Whether the part is the extra layers of an older result."""
    return header.name == EXTRAS_PART and {channel.name for channel in header.channels} == set(EXTRA_CHANNELS)


def has_extras(header: PartHeader) -> bool:
    """Whether an older result put its extra layers among the channels of this part."""
    return header.attributes.get("overscan:extras") == "layers" and set(EXTRA_CHANNELS) <= {
        channel.name for channel in header.channels
    }


def without_extras(frame: PlateFrame, *, painted: Iterable[str]) -> PlateFrame:
    """`frame` without the extra layers of an older result, unless it is one of them that is `painted`.

    They speak of the older result's plate. In a result of this frame, which is now the plate, new ones take their
    place.
    """
    if not set(painted).isdisjoint(EXTRA_CHANNELS):
        return frame
    parts = [_bare(part) if has_extras(part.header) else part for part in frame.parts if not is_extras(part.header)]
    return replace(frame, parts=tuple(parts)) if parts else frame


def _bare(part: Part) -> Part:
    channels = tuple(channel for channel in part.header.channels if channel.name not in EXTRA_CHANNELS)
    return Part(
        header=replace(part.header, channels=channels),
        planes={channel.name: part.planes[channel.name] for channel in channels},
    )
