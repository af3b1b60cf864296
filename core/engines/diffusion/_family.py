"""What a family of models is to the engine: a card, and a way to paint one window. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from overscan.core.colour import Curve
from overscan.core.controls import ReferenceKind as ReferenceKind
from overscan.core.engines._protocol import Parameter
from overscan.core.jobs import ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion.runtime import Device, ModelFacts, Need
    from overscan.core.errors import ErrorRecord
    from overscan.core.jobs import Job
    from overscan.core.models import ModelFolder

Floats = npt.NDArray[np.float32]


class PassKind(str, Enum):
    """What a guide shows. All but the last two come as passes (`overscan.core.controls`); those are made for a camera
    path and for the paths of points."""

    DEPTH = "depth"
    POSE = "pose"
    EDGES = "edges"
    MOTION = "motion"
    NORMALS = "normals"
    SEGMENTATION = "segmentation"
    CAMERA = "camera"
    TRACKS = "tracks"


class MatteUse(str, Enum):
    """What a family does with the matte of a window."""

    NATIVE = "native"
    """The model takes a mask."""
    LATENT = "latent"
    """Known latents are put back at each denoising step."""
    NONE = "none"
    """Whole frames only: each is given or painted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """The sizes and lengths that a model works in."""

    size: int
    """Width and height are multiples of it."""
    frames: int = 1
    """Numbers of frames are ``frames * k + offset`` with k of 0 or more."""
    offset: int = 0
    """0 or 1 and the like; a window has at least one frame."""
    frames_max: int
    """Frames of one window, as the model was trained; on the lattice. 1 for still pictures."""
    pixels: int
    """Area of the frames that it was trained on, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a job gets that does not say otherwise."""

    steps: int
    guidance: float
    negative_prompt: str = ""
    overlap: int = 0
    """Frames that a window shares with the one before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyCard:
    """All that the engine's card, its plans and the documentation need. Data only."""

    name: str
    """The engine's name."""
    title: str
    version: str
    pipelines: tuple[str, ...]
    """Class names that a model folder's ``model_index.json`` may say."""
    tasks: tuple[Task, ...]
    controls: tuple[str, ...]
    """Names of the wire's Controls that it honours, `parameters` and `seed` among them."""
    passes: frozenset[PassKind] = frozenset()
    """Guides that it honours."""
    references: frozenset[ReferenceKind] = frozenset()
    """Kinds of reference images that it honours."""
    lattice: Lattice
    defaults: Defaults
    matte: MatteUse
    given_most: int | None = None
    """How many given frames in a row it can go on from, at the window's beginning and at its end; None for any. Where
    a mask says which frames are given (`MatteUse.NATIVE`, `MatteUse.LATENT`), leave it None."""
    backwards: bool = True
    """Whether it can be given frames at the end of a window alone. Where not, the engine turns time round."""
    sees_plate: bool = False
    """Whether it is shown the plate's own pixels under the matte, to make them better, in place of the groundwork."""
    sound: bool = False
    curve: Curve | None = None
    """The code that the model itself fixes; None where the engine's parameter decides."""
    rights_card: str
    """Card in core/rights/cards, unless a model folder is registered with another."""
    parameters: tuple[Parameter, ...] = ()
    """Its own, beside the shared ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """An image that the window must go through."""

    index: int
    """Frame of the window, from 0."""
    image: Floats = field(repr=False)
    """``(H, W, 3)`` codes."""
    strength: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceStill:
    """An image that shows what something looks like."""

    image: Floats = field(repr=False)
    """``(h, w, 3)`` codes; a size of its own."""
    kind: ReferenceKind
    strength: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """Pictures that steer structure or motion, in the form that the published models were trained on."""

    kind: PassKind
    video: Floats = field(repr=False)
    """``(T, H, W, 3)``, 0 to 1."""
    strength: float = 1.0
    certain: bool = False
    """Of kind `CAMERA`: whether this is what will be seen, but for grey (0.5), and a family may take it as given. A
    camera that travels past things of unknown distance is a hint alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintRequest:
    """One window to paint. Sizes and the number of frames are on the family's lattice. float32, C-contiguous."""

    video: Floats = field(repr=False)
    """``(T, H, W, 3)`` codes, 0 to 1 and sometimes a little outside: the plate, under the matte the groundwork, and
    frames of the window before where the two overlap."""
    matte: Floats = field(repr=False)
    """``(T, H, W)``: 1 = paint, 0 = keep."""
    given: tuple[bool, ...]
    """Frames that are wholly given; their matte is 0 throughout."""
    task: Task
    prompt: str
    negative_prompt: str
    steps: int
    guidance: float
    strength: float = 1.0
    """1 forgets what is under the matte; less starts from the groundwork there."""
    seed: int
    frame_rate: float
    keyframes: tuple[Still, ...] = ()
    references: tuple[ReferenceStill, ...] = ()
    guides: tuple[Guide, ...] = ()
    sound: bool = False
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    """Every shared parameter and every one of the family's own, with defaults filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Sound of a window."""

    samples: Floats = field(repr=False)
    """``(channels, n)``, -1 to 1."""
    rate: int
    """Samples a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """What a family made of a window."""

    video: Floats = field(repr=False)
    """``(T, H, W, 3)`` in the request's codes, unclamped."""
    sound: Sound | None = None


class StepHook(Protocol):
    """Listens to a running pipeline; families call it after every denoising step."""

    def step(self, *, index: int, total: int, preview: Callable[[], npt.NDArray[Any]] | None = None) -> None:
        """`index` of `total` steps is done. `preview` makes a small picture, ``(h, w, 3)`` codes, if one is wanted.

        Raises `CancelledError` where the job should stop.
        """


class Family(Protocol):
    """A family of models: one file in ``families/``."""

    @property
    def card(self) -> FamilyCard:
        """What it is and can do; cheap."""

    def lattice(self, facts: ModelFacts | None) -> Lattice:
        """The lattice of one model of the family: the card's, unless its configuration says otherwise."""

    def refusals(self, job: Job, folder: ModelFolder | None) -> list[ErrorRecord]:
        """What of the job it cannot honour, beyond what the card says. Reads no pixels.

        `folder` is None where no model has been chosen.
        """

    def estimate(self, facts: ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job) -> Need:
        """What one window takes."""

    def load(self, folder: ModelFolder, device: Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The pipeline, ready to paint; `parameters` are those of `PaintRequest`. `runtime` does the common work.

        Called for every window: what is loaded already stays.
        """

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one window. The same request gives the same bits on the same device."""
