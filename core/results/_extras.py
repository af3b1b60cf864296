"""The extra layers of the pixel contract: what was generated, how sure we are, and where each pixel came from."""

from __future__ import annotations

import re
from enum import IntEnum

EXTRAS_PART = "overscan"
"""Name of the part, or of the sidecar's only part, that holds the extra layers."""

EXTRA_CHANNELS = ("generated.A", "confidence.Y", "source.X", "source.Y", "source.frame", "source.kind")
"""All 32-bit float. `source.X`, `source.Y` are positions in the plate's pixel space, integers being sample centres."""


class SourceKind(IntEnum):
    """Values of ``source.kind``."""

    PLATE = 0
    COPIED = 1
    """From another frame of the plate; ``source.X/Y/frame`` say from where."""
    SYNTHESISED = 2
    """From the plate, but from no single place in it."""
    MODEL = 3


def extras_pattern(path: str) -> str:
    """Path (or pattern) of the sidecar beside `path`: ``out.%04d.exr`` → ``out.extras.%04d.exr``."""
    folder, separator, name = path.rpartition("/")
    head = re.match(r"(.*?)((?:[._]?(?:%0?\d*d|#+|@+|\$F\d?|-?\d+))?\.[^.]+)$", name)
    stem, rest = (head[1], head[2]) if head else (name, "")
    return f"{folder}{separator}{stem}.extras{re.sub(r'[.][^.]+$', '.exr', rest) or '.exr'}"
