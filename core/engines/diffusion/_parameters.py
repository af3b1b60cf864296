"""Parameters that all families share, and the values that a job gets of them and of a family's own."""

from __future__ import annotations

from collections.abc import Mapping

from overscan.core.colour import Curve
from overscan.core.engines._protocol import Parameter
from overscan.core.engines.diffusion._family import FamilyCard, Lattice
from overscan.core.engines.diffusion._windows import largest
from overscan.core.jobs import Job, ParameterValue

REPAINT = Parameter(
    name="repaint",
    description="What of the generated region the model paints: unseen is what no frame shows and what is copied with "
    "less than `confidence`; all is everything.",
    default="unseen",
    choices=("unseen", "all"),
)
CONFIDENCE = Parameter(
    name="confidence",
    description="Copied pixels that the plate engine is less sure of than this are painted by the model.",
    default=0.3,
    minimum=0.0,
    maximum=1.0,
)
WORK_PIXELS = Parameter(
    name="work_pixels",
    description="Area of the frames that the model works on; 0 is what it was trained on. Less is faster and takes "
    "less memory.",
    default=0,
    minimum=0,
    maximum=1 << 24,
    unit="pixels",
)
WINDOW = Parameter(
    name="window",
    description="Frames that the model paints at once; 0 is what it was trained on. Less takes less memory.",
    default=0,
    minimum=0,
    maximum=10_000,
    unit="frames",
)
OVERLAP = Parameter(
    name="overlap",
    description="Frames that a window shares with the one before it, which it goes on from; -1 is the model's own.",
    default=-1,
    minimum=-1,
    maximum=1000,
    unit="frames",
)
CURVE = Parameter(
    name="curve",
    description="The code that the model sees the plate in.",
    default="auto",
    choices=("auto", *(curve.value for curve in Curve)),
)
EXPOSURE = Parameter(
    name="exposure",
    description="Stops that the plate is exposed up before the curve, and down after it: auto makes the shot's "
    "highlights fit, or a number from -6 to 6.",
    default="auto",
    unit="stops",
)
GRAIN = Parameter(name="grain", description="Match the plate's grain in what is painted.", default=True)
PRECISION = Parameter(
    name="precision",
    description="Of the model's numbers.",
    default="auto",
    choices=("auto", "float32", "bfloat16", "float16"),
)
OFFLOAD = Parameter(
    name="offload",
    description="What is kept in main memory while it is not needed: none, whole parts of the model, or layer by "
    "layer, which is slow.",
    default="auto",
    choices=("auto", "none", "model", "sequential"),
)
TILING = Parameter(
    name="tiling",
    description="Whether pictures are decoded in tiles, which takes less memory.",
    default="auto",
    choices=("auto", "on", "off"),
)
ATTENTION = Parameter(
    name="attention",
    description="How attention is computed: auto, or the name of a backend of diffusers, e.g. native or flash.",
    default="auto",
)
COMPILE = Parameter(
    name="compile", description="Compile the model first: minutes once, faster windows afterwards.", default=False
)
SOUND = Parameter(
    name="sound", description="Also make sound: a 48 kHz WAV file beside the frames, in sync.", default=False
)

EDGES_FROM = Parameter(
    name="edges_from",
    description="What an edges pass holds: lines, white on black, or a picture whose edges are found.",
    default="lines",
    choices=("lines", "picture"),
)
GUIDE_PARAMETERS = (EDGES_FROM,)
"""Those of families that take guides."""

_SHARED = (
    REPAINT,
    CONFIDENCE,
    WORK_PIXELS,
    WINDOW,
    OVERLAP,
    CURVE,
    EXPOSURE,
    GRAIN,
    PRECISION,
    OFFLOAD,
    TILING,
    ATTENTION,
    COMPILE,
)


def parameters_of(card: FamilyCard) -> tuple[Parameter, ...]:
    """All parameters of a family's engine."""
    own = {parameter.name for parameter in card.parameters}
    shared = _SHARED + ((SOUND,) if card.sound else ()) + (GUIDE_PARAMETERS if card.passes else ())
    return tuple(parameter for parameter in shared if parameter.name not in own) + card.parameters


def values_of(job: Job, card: FamilyCard) -> Mapping[str, ParameterValue]:
    """The value of every parameter, the job's or the default."""
    known = {parameter.name: parameter.default for parameter in parameters_of(card)}
    return known | {name: value for name, value in job.parameters.items() if name in known}


def steps_of(job: Job, card: FamilyCard) -> int:
    """Denoising steps of a job."""
    return card.defaults.steps if job.controls.steps is None else job.controls.steps


def frames_of(values: Mapping[str, ParameterValue], lattice: Lattice) -> int:
    """Frames of a window at most, before the lattice is looked at."""
    asked = int(values[WINDOW.name])
    return min(asked, lattice.frames_max) if asked else lattice.frames_max


def pixels_of(values: Mapping[str, ParameterValue], lattice: Lattice) -> int:
    """Area that frames are worked on at about."""
    return int(values[WORK_PIXELS.name]) or lattice.pixels


def overlap_of(values: Mapping[str, ParameterValue], card: FamilyCard, lattice: Lattice) -> int:
    """Frames that a window shares with the one before it: no more than the model goes on from, and than leave room."""
    asked = int(values[OVERLAP.name])
    overlap = card.defaults.overlap if asked < 0 else asked
    room = max(0, largest(frames_of(values, lattice), lattice) - max(1, lattice.frames))
    return min(overlap, room, overlap if card.given_most is None else card.given_most)
