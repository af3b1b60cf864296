"""What steers an engine beyond its task: sources, mattes, camera and tracks. Mirrors controls.proto.

Only the controls that some engine in this repository takes are here; the service refuses the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from overscan.core.media import MatteSource, SequenceSource


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSample:
    """A camera at one frame."""

    frame: int
    """Frame number, as the plate counts."""
    matrix: tuple[float, ...]
    """Camera to world, 16 values row by row, so that the position is values 3, 7 and 11; y up, looking along -z."""
    focal_length_mm: float
    horizontal_aperture_mm: float
    """Width of the film back; the picture that falls on it fills the plate's display window."""
    vertical_aperture_mm: float
    """Height of the film back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """The camera of the shot."""

    samples: tuple[CameraSample, ...]
    """Ascending by frame, each frame once; frames between are interpolated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryPoint:
    """Where a tracked point is at one frame."""

    frame: int
    """Frame number, as the plate counts."""
    x: float
    """To the right in the plate's pixel space; whole numbers are sample centres."""
    y: float
    """Down in the plate's pixel space; whole numbers are sample centres."""
    occluded: bool = False
    """Whether something is in front of it there; the position is then where it would be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTrajectory:
    """The path of one tracked point."""

    name: str
    """E.g. that of the tracker; for messages."""
    points: tuple[TrajectoryPoint, ...]
    """Ascending by frame, each frame at most once; frames may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The controls that were set."""

    source_frames: tuple[int, ...] | None = None
    """Frame numbers of the plate that may be copied from, ascending; None means all."""
    movers: MatteSource | None = None
    """1 where something moves by itself and must not steer the background's motion."""
    never_copy: MatteSource | None = None
    """1 where the plate must never be copied from."""
    clean_plates: tuple[SequenceSource, ...] = ()
    """Further images of the same place that may be copied from."""
    camera: Camera | None = None
    """In place of the engine's own registration."""
    trajectories: tuple[PointTrajectory, ...] = ()
    """Tracked points of the background, in place of the engine's own registration."""
