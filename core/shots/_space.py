"""Which colour space a file is in."""

from __future__ import annotations

from pathlib import Path

from overscan.core.colour import ColourConfig, ColourSpace, resolve_space
from overscan.core.jobs import SequenceSource
from overscan.core.plates import PartHeader

_FORMAT_NAMES = {".exr": "openexr", ".jpg": "jpeg", ".tif": "tiff"}
"""OpenImageIO's names where they are not the file extension."""


def space_of(config: ColourConfig, *, source: SequenceSource, part: PartHeader, path: Path) -> ColourSpace:
    """The colour space of `part` of the file `path`, as `source` or the file names it.

    Raises `ColourSpaceError` where it cannot be known.
    """
    suffix = path.suffix.lower()
    return resolve_space(
        config,
        name=source.colour_space,
        attributes=part.attributes,
        path=source.named_path(path),  # a configuration may know spaces by folders
        format_name=_FORMAT_NAMES.get(suffix, suffix.lstrip(".")),
    )
