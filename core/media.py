"""What a job reads: sequences of images, and mattes among them. Mirrors media.proto."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceSource:
    """Images to read."""

    path: str
    """Path pattern, absolute."""
    frames: tuple[int, ...] | None = None
    """The frames that belong to the shot, ascending; None means all that are on disk."""
    part: str = ""
    """Part of a multi-part file; empty means the first with the layer."""
    layer: str = ""
    """Layer to work on; empty means plain R, G, B."""
    view: str = ""
    """View of a multi-view file; empty means the default."""
    colour_space: str = ""
    """Name in the OpenColorIO configuration; empty means what the file says."""
    pixel_aspect: float | None = None
    """In place of the file's."""
    shown: str = ""
    """Path pattern that the images had where they came from, with the same file names; empty where `path` is it."""

    @property
    def named(self) -> str:
        """The path pattern for receipts and for people."""
        return self.shown or self.path

    def named_path(self, path: str | os.PathLike[str]) -> str:
        """The path of one of these images, as it was called where it came from."""
        text = os.fspath(path)
        if not self.shown or os.path.dirname(text) != os.path.dirname(self.path):  # noqa: PTH120
            return text
        folder = re.match(r".*[/\\]|", self.shown)
        return f"{folder[0] if folder else ''}{os.path.basename(text)}"  # noqa: PTH119


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteSource:
    """A single-channel image sequence: 1 replaces, 0 keeps, between mixes."""

    sequence: SequenceSource
    channel: str = ""
    """Empty means A where there is one, else the only channel, else R."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """One image: a still, or one frame of a sequence."""

    sequence: SequenceSource
    frame: int | None = None
    """Which frame of the sequence; None for a still."""

    @property
    def alone(self) -> SequenceSource:
        """The sequence with no other frame than this image."""
        return self.sequence if self.frame is None else replace(self.sequence, frames=(self.frame,))
