"""What a file may claim before anything is allocated for it."""

from __future__ import annotations

import os
from dataclasses import dataclass

_PIXELS_MAX = int(os.environ.get("OVERSCAN_PIXELS_MAX") or 2**29)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """Upper bounds on the claims of one file; more than that is an `UnreadableImageError`.

    The defaults let every plate through that a studio has (32K latlongs, hundreds of AOVs) and stop headers that ask
    for more memory than a workstation owns.
    """

    pixels: int = _PIXELS_MAX
    """Pixels of the data window of one part: 32768 x 16384, unless a service has set another number."""
    side: int = 2**20
    """Columns or rows of a data or display window."""
    channels: int = 1024
    """Channels of one part."""
    parts: int = 1024
    """Parts of one file."""
    sample_bytes: int = 16 * 2**30
    """Bytes of all samples of the parts that are read."""
    header_bytes: int = 128 * 2**20
    """Bytes of all headers of one file; Cryptomatte manifests take megabytes."""
    attributes: int = 65536
    """Attributes of one part."""


DEFAULT_LIMITS = ReadLimits()
"""The limits that reading uses unless told otherwise."""
