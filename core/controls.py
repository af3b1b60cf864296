"""What steers an engine beyond its task: words, pictures, passes, camera and tracks. Mirrors controls.proto."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from overscan.core.media import ImageSource, MatteSource, SequenceSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """An image that the result goes through."""

    frame: int
    """Frame number in the result."""
    image: ImageSource
    strength: float = 1.0
    """How strictly, 0 to 1."""


class ReferenceKind(str, Enum):
    """What a reference image is a reference for."""

    SUBJECT = "subject"
    """A person, animal or thing."""
    STYLE = "style"
    """Look, palette, light."""
    ENVIRONMENT = "environment"
    """The place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image that shows what something looks like."""

    image: ImageSource
    kind: ReferenceKind
    strength: float = 1.0
    """How strongly, 0 to 1."""


class ControlPassKind(str, Enum):
    """What a control pass holds."""

    DEPTH = "depth"
    """Distance from the camera, in scene units."""
    POSE = "pose"
    """A drawn skeleton."""
    EDGES = "edges"
    """Lines and edges."""
    MOTION = "motion"
    """Motion vectors to the next frame, in samples: R to the right, G up, as renderers write them."""
    NORMALS = "normals"
    """Surface normals."""
    SEGMENTATION = "segmentation"
    """Flat colours that tell things apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPass:
    """A rendered pass that steers the result."""

    kind: ControlPassKind
    sequence: SequenceSource
    """Window and range as the result's."""
    strength: float = 1.0
    """How strongly, 0 to 1."""


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
    strength: float = 1.0
    """How strictly the path is followed, 0 to 1."""


class CameraMoveKind(str, Enum):
    """The camera moves that need no exported camera."""

    PAN = "pan"
    """Degrees turned; above 0 to the right."""
    TILT = "tilt"
    """Degrees turned; above 0 upwards."""
    ROLL = "roll"
    """Degrees turned about the line of sight; above 0 the picture turns anticlockwise."""
    DOLLY = "dolly"
    """Part of the distance to the subject; above 0 towards it."""
    TRUCK = "truck"
    """Sideways, in distances to the subject; above 0 to the right."""
    CRANE = "crane"
    """Up or down, in distances to the subject; above 0 upwards."""
    ORBIT = "orbit"
    """Degrees round the subject; above 0 the camera goes to the right."""
    ZOOM = "zoom"
    """Focal length at the end over that at the start, above 0."""
    HANDHELD = "handheld"
    """How unsteady, 0 to 100."""


class Ease(str, Enum):
    """How a move begins and ends."""

    IN_OUT = "in-out"
    IN = "in"
    """Begins gently, ends abruptly."""
    OUT = "out"
    """Begins abruptly, ends gently."""
    LINEAR = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraMove:
    """A camera move over the frames of the result; several are made together."""

    kind: CameraMoveKind
    amount: float
    """Over the whole range, in the unit of the kind."""
    ease: Ease = Ease.IN_OUT
    """Of no meaning for handheld, which has neither beginning nor end."""


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
class Transfer:
    """Motion or pose taken from another sequence."""

    source: SequenceSource
    """Its first frame goes with the first of the result, and so on."""
    strength: float = 1.0
    """How strongly, 0 to 1; command line and documents speak of 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Pictures that a control names, and what they are to the job."""

    role: str
    """What receipts call them, e.g. ``clean_plate``."""
    field: str
    """Where the job names them, e.g. ``controls.clean_plates[0]``."""
    source: SequenceSource
    own: bool
    """Whether a show makes such pictures itself from its own plates and scenes; others must be cleared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The controls that were set."""

    prompt: str = ""
    """What should be seen."""
    negative_prompt: str | None = None
    """What should not be seen; None leaves it to the engine, and empty means nothing."""
    steps: int | None = None
    """Denoising steps, at least 1; None leaves it to the engine."""
    guidance: float | None = None
    """How closely the words are followed, at least 0; None leaves it to the engine."""
    strength: float | None = None
    """How far a model may leave what is there to start from: 1 forgets it, near 0 hardly changes it."""
    frame_rate: float | None = None
    """Frames per second that motion is meant at, 1 to 1000; None takes what the plate says."""
    keyframes: tuple[Keyframe, ...] = ()
    """Ascending by frame, each frame once."""
    references: tuple[Reference, ...] = ()
    passes: tuple[ControlPass, ...] = ()
    """Each kind at most once."""
    source_frames: tuple[int, ...] | None = None
    """Frame numbers of the plate that may be copied from, ascending; None means all."""
    movers: MatteSource | None = None
    """1 where something moves by itself and must not steer the background's motion."""
    never_copy: MatteSource | None = None
    """1 where the plate must never be copied from."""
    clean_plates: tuple[SequenceSource, ...] = ()
    """Further images of the same place that may be copied from."""
    camera: Camera | None = None
    """The camera of the shot: in place of the engine's own registration, or the path that a model follows."""
    camera_moves: tuple[CameraMove, ...] = ()
    """Moves for a model to make, each kind at most once; not with `camera`."""
    trajectories: tuple[PointTrajectory, ...] = ()
    """Tracked points of the background, in place of the engine's own registration, or paths that a model follows."""
    motion_transfer: Transfer | None = None
    """Motion to take over from another sequence."""
    pose_transfer: Transfer | None = None
    """Poses to take over: a sequence of drawn skeletons."""

    def pictures(self) -> Iterator[Picture]:
        """Everything among the controls that names pictures: what the ledger judges and receipts list."""
        for index, keyframe in enumerate(self.keyframes):
            yield _foreign("keyframe", f"keyframes[{index}].image", keyframe.image.alone)
        for index, reference in enumerate(self.references):
            yield _foreign("reference", f"references[{index}].image", reference.image.alone)
        for index, steering in enumerate(self.passes):
            yield _own(f"{steering.kind.value}_pass", f"passes[{index}].sequence", steering.sequence)
        if self.movers is not None:
            yield _own("movers", "movers", self.movers.sequence)
        if self.never_copy is not None:
            yield _own("never_copy", "never_copy", self.never_copy.sequence)
        for index, clean_plate in enumerate(self.clean_plates):
            yield _foreign("clean_plate", f"clean_plates[{index}]", clean_plate)
        if self.motion_transfer is not None:
            yield _foreign("motion_source", "motion_transfer.source", self.motion_transfer.source)
        if self.pose_transfer is not None:
            yield _foreign("pose_source", "pose_transfer.source", self.pose_transfer.source)


def _own(role: str, field: str, source: SequenceSource) -> Picture:
    return Picture(role=role, field=f"controls.{field}", source=source, own=True)


def _foreign(role: str, field: str, source: SequenceSource) -> Picture:
    return Picture(role=role, field=f"controls.{field}", source=source, own=False)
