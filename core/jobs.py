"""What a job asks for, as plain data that engines read. The wire's JobSpec becomes a `Job` in the service."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from overscan.core.controls import Controls
from overscan.core.media import MatteSource as MatteSource
from overscan.core.media import SequenceSource as SequenceSource

ParameterValue = bool | int | float | str
"""Value of an engine parameter."""


class Task(str, Enum):
    """The kinds of work; the words are in DESIGN.md."""

    EXTEND = "extend"
    INPAINT = "inpaint"
    CONTINUE = "continue"
    INTERPOLATE = "interpolate"
    GENERATE = "generate"


class ExtrasMode(str, Enum):
    """Where the generated, confidence and source layers go."""

    PART = "part"
    LAYERS = "layers"
    SIDECAR = "sidecar"
    NONE = "none"


class SampleType(str, Enum):
    """Type of the samples that are written."""

    HALF = "half"
    FLOAT = "float"


class Use(str, Enum):
    """What the result is for."""

    TEMP = "temp"
    FINAL = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Samples to add on each side; negative values crop."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """Set extension. Exactly one of `size`, `margins`, `overscan` is given."""

    size: tuple[int, int] | None = None
    """Width and height of the new display window."""
    place: tuple[int, int] | None = None
    """With `size`: where the origin of the plate's display window comes to lie; None means centred."""
    margins: Margins | None = None
    """Samples added to the display window per side."""
    overscan: Margins | None = None
    """Samples added to the data window per side, the display window staying as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inpaint:
    """Clean-up or removal."""

    matte: MatteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue:
    """Frames before the first and after the last."""

    head: int = 0
    tail: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpolate:
    """In-betweens. Exactly one of `between`, `times` is given."""

    between: int | None = None
    """New frames in every gap between neighbours."""
    times: tuple[float, ...] | None = None
    """Frame numbers, fractions allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Frames from controls alone."""

    size: tuple[int, int]
    frames: tuple[int, ...]
    frame_rate: float
    pixel_aspect: float = 1.0
    colour_space: str = ""


AnyTask = Extend | Inpaint | Continue | Interpolate | Generate

_TASKS: dict[type, Task] = {
    Extend: Task.EXTEND,
    Inpaint: Task.INPAINT,
    Continue: Task.CONTINUE,
    Interpolate: Task.INTERPOLATE,
    Generate: Task.GENERATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """Where and how results are written."""

    path: str
    """Path pattern of the frames, absolute."""
    sample_type: SampleType | None = None
    """None follows the plate."""
    compression: str = ""
    """OpenEXR compression; empty follows the plate where that is lossless."""
    extras: ExtrasMode = ExtrasMode.PART
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Where the job belongs."""

    show: str = ""
    sequence: str = ""
    shot: str = ""
    artist: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All an engine needs to know to plan and run."""

    task: AnyTask
    output: OutputSpec
    plate: SequenceSource | None = None
    """None for generate only."""
    frames: tuple[int, ...] | None = None
    """The frames to render; None means all of the plate's. Engines still learn from the whole plate."""
    engine: str = "plate"
    model: str = ""
    seed: int = 0
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    """The engine's own parameters that were set."""
    controls: Controls = field(default_factory=Controls)
    labels: Labels = Labels()
    use: Use = Use.TEMP

    @property
    def kind(self) -> Task:
        """Which task it is."""
        return _TASKS[type(self.task)]

    def sources(self) -> Iterator[SequenceSource]:
        """Everything that the job reads."""
        if self.plate is not None:
            yield self.plate
        if isinstance(self.task, Inpaint):
            yield self.task.matte.sequence
        yield from (picture.source for picture in self.controls.pictures())

    def named(self, path: str | os.PathLike[str]) -> str:
        """A path (or pattern) of something the job reads, as it was called where it came from."""
        text = os.fspath(path)
        return next((found for source in self.sources() if (found := source.named_path(text)) != text), text)
