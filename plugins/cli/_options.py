"""Options that more than one command has, each defined once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import typer


class Extras(str, Enum):
    """Where generated, confidence and source layers go."""

    PART = "part"
    LAYERS = "layers"
    SIDECAR = "sidecar"
    NONE = "none"


class SampleType(str, Enum):
    """Type of the samples that are written."""

    HALF = "half"
    FLOAT = "float"


Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout; the last is a summary.")]
Transfer = Annotated[
    str,
    typer.Option(
        metavar="auto|always|never",
        envvar="OVERSCAN_TRANSFER",
        show_envvar=False,
        help="Whether frames travel over the wire; auto: where the service is on another machine.",
    ),
]
Detach = Annotated[bool, typer.Option("--detach", help="Return at once with the job's id.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what the job would do and take; run nothing.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or the beginning of it.", show_default=False)]
JobFile = Annotated[str, typer.Argument(metavar="JOB.yaml", help="Job file, YAML or JSON.", show_default=False)]

Plate = Annotated[
    str, typer.Argument(metavar="PLATE", help="The plate, e.g. plate.%04d.exr or plate.####.exr.", show_default=False)
]
Output = Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="The result, e.g. out.%04d.exr.")]
Frames = Annotated[
    str | None, typer.Option(metavar="RANGE", help="Frames to render, e.g. 1001-1100x2,1200; default: all.")
]
PlateFrames = Annotated[
    str | None, typer.Option(metavar="RANGE", help="Frames of the shot, to learn from; default: all on disk.")
]
Engine = Annotated[str, typer.Option(metavar="NAME", help="Engine; see `overscan engines`.")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of everything random; default: 0.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the engine; may be repeated."),
]
Quality = Annotated[
    str | None, typer.Option(metavar="preview|final", help="preview to judge a shot by, final to deliver.")
]
SearchRange = Annotated[
    int | None, typer.Option(metavar="N", help="How far away in time a frame may be that pixels are copied from.")
]
Fill = Annotated[
    str | None,
    typer.Option(
        metavar="synthesise|smooth|none", help="What no frame shows: made of the plate's pieces, smooth, or left empty."
    ),
]
Grain = Annotated[
    bool | None, typer.Option("--grain/--no-grain", help="Whether what is painted gets the plate's grain.")
]
SourceFrames = Annotated[
    str | None, typer.Option(metavar="RANGE", help="Frames of the plate that may be copied from; default: all.")
]
NeverCopy = Annotated[
    str | None, typer.Option(metavar="MATTE", help="Matte: 1 where a frame must never be copied from.")
]
Movers = Annotated[
    str | None, typer.Option(metavar="MATTE", help="Matte: 1 where something moves by itself, unlike the background.")
]
CleanPlates = Annotated[
    list[str] | None,
    typer.Option(
        "--clean-plate", metavar="IMAGES", help="Still or sequence of the same place to copy from; may be repeated."
    ),
]
Camera = Annotated[
    str | None, typer.Option(metavar="FILE", help="The shot's camera, JSON, in place of measured motion.")
]
Tracks = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Tracked background points: JSON, or a table of name, frame, x, y."),
]
TracksY = Annotated[
    str | None,
    typer.Option(
        metavar="down|up:ROWS",
        help="How y counts in a table: down as in EXR, or up from the lower edge of a format of ROWS rows as in Nuke.",
    ),
]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="A model of the library; see `overscan models list`.")]
Prompt = Annotated[str | None, typer.Option(metavar="TEXT", help="What should be seen; for engines with a model.")]
NegativePrompt = Annotated[
    str | None, typer.Option(metavar="TEXT", help="What should not be seen; default: the engine's own.")
]
DenoisingSteps = Annotated[
    int | None, typer.Option("--steps", metavar="N", help="Denoising steps; default: the engine's own.")
]
Guidance = Annotated[
    float | None, typer.Option(metavar="X", help="How closely the words are followed; default: the engine's own.")
]
Strength = Annotated[
    float | None,
    typer.Option(metavar="0-100", help="How far a model may leave what is there to start from; 100 forgets it."),
]
FrameRate = Annotated[
    float | None, typer.Option(metavar="FPS", help="Frames per second; default: what the plate says.")
]
Keyframes = Annotated[
    list[str] | None,
    typer.Option(
        "--keyframe",
        metavar="FRAME=IMAGE[:0-100]",
        help="An image that the result goes through, and how strictly; may be repeated.",
    ),
]
References = Annotated[
    list[str] | None,
    typer.Option(
        "--reference",
        metavar="KIND=IMAGE[:0-100]",
        help="An image of a subject, style or environment, and how strongly; may be repeated.",
    ),
]
Passes = Annotated[
    list[str] | None,
    typer.Option(
        "--pass",
        metavar="KIND=IMAGES[:0-100]",
        help="A rendered pass: depth, normals, pose, edges, motion or segmentation; may be repeated.",
    ),
]
CameraMoves = Annotated[
    list[str] | None,
    typer.Option(
        "--camera-move",
        metavar="MOVE",
        help="For new frames: 'pan 12deg', tilt, roll, 'dolly 30%', truck, crane, 'orbit 20deg', 'zoom 1.5x', "
        "'handheld 40'; may be repeated.",
    ),
]
MotionFrom = Annotated[
    str | None, typer.Option(metavar="CLIP[:0-100]", help="A sequence to take motion from, and how strongly.")
]
PoseFrom = Annotated[
    str | None,
    typer.Option(metavar="IMAGES[:0-100]", help="Drawn skeletons to take poses from, and how strongly."),
]
ColourSpace = Annotated[
    str | None,
    typer.Option("--colorspace", metavar="NAME", help="Colour space of the plate; default: what the file says."),
]
Layer = Annotated[str | None, typer.Option(metavar="NAME", help="Layer of the plate; default: plain R, G, B.")]
Part = Annotated[str | None, typer.Option(metavar="NAME", help="Part of a multi-part plate.")]
View = Annotated[str | None, typer.Option(metavar="NAME", help="View of a multi-view plate.")]
ExtrasMode = Annotated[
    Extras | None, typer.Option("--extras", help="Where generated, confidence and source layers go; default: part.")
]
Samples = Annotated[
    SampleType | None, typer.Option("--sample-type", help="Type of the samples written; default: the plate's.")
]
Compression = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="OpenEXR compression, e.g. zip, piz, dwaa:45; default: the plate's."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace frames that are already there.")]
Show = Annotated[str | None, typer.Option(metavar="NAME", help="Label: the show.")]
Sequence = Annotated[str | None, typer.Option(metavar="NAME", help="Label: the sequence.")]
Shot = Annotated[str | None, typer.Option(metavar="NAME", help="Label: the shot.")]
Artist = Annotated[str | None, typer.Option(metavar="NAME", help="Label: who asked for it.")]
Priority = Annotated[
    int | None, typer.Option(metavar="N", help="Jobs of higher priority go first; default: 0, may be negative.")
]
DependsOn = Annotated[
    list[str] | None,
    typer.Option(
        "--depends-on",
        metavar="JOB",
        help="A job that must have succeeded before, whose result it may read; may be repeated.",
    ),
]
Final = Annotated[bool, typer.Option("--final", help="For the delivered picture; default: temp.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Options that every task on a plate has, as they were typed; None where they were not."""

    plate: Plate
    output: Output
    frames: Frames = None
    plate_frames: PlateFrames = None
    engine: Engine = "plate"
    quality: Quality = None
    search_range: SearchRange = None
    fill: Fill = None
    grain: Grain = None
    source_frames: SourceFrames = None
    never_copy: NeverCopy = None
    movers: Movers = None
    clean_plate: CleanPlates = None
    camera: Camera = None
    tracks: Tracks = None
    tracks_y: TracksY = None
    model: Model = None
    prompt: Prompt = None
    negative_prompt: NegativePrompt = None
    steps: DenoisingSteps = None
    guidance: Guidance = None
    strength: Strength = None
    frame_rate: FrameRate = None
    keyframes: Keyframes = None
    references: References = None
    passes: Passes = None
    camera_moves: CameraMoves = None
    motion_from: MotionFrom = None
    pose_from: PoseFrom = None
    seed: Seed = None
    settings: Settings = None
    colour_space: ColourSpace = None
    layer: Layer = None
    part: Part = None
    view: View = None
    extras: ExtrasMode = None
    sample_type: Samples = None
    compression: Compression = None
    overwrite: Overwrite = False
    show: Show = None
    sequence: Sequence = None
    shot: Shot = None
    artist: Artist = None
    final: Final = False
    priority: Priority = None
    depends_on: DependsOn = None
    dry_run: DryRun = False
    transfer: Transfer = "auto"
    detach: Detach = False
    json: Json = False
