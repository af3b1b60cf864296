"""What a job reads: sequences of images, and mattes among them. Mirrors media.proto."""

from __future__ import annotations

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
