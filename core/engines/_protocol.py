"""The contract between engines and whatever runs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from overscan.core.errors import ErrorRecord
from overscan.core.geometry import Window
from overscan.core.jobs import Job, ParameterValue, Task
from overscan.core.rights import Decision, ModelFiles, RightsCard

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of one engine."""

    name: str
    description: str
    default: ParameterValue
    """Its type is the parameter's type."""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes and lengths an engine works in; it plans padding up to them and trims it away again."""

    size_multiple: int = 1
    frames_multiple: int = 1
    frames_offset: int = 0
    max_frames: int | None = None
    max_pixels: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCard:
    """What an engine is and can do. Reading it must be cheap: no heavy imports, no device, no files."""

    name: str
    version: str
    title: str
    """One sentence for a menu."""
    tasks: tuple[Task, ...]
    controls: tuple[str, ...]
    """Fields of the wire's Controls that the engine takes, e.g. ``seed``, ``prompt``."""
    parameters: tuple[Parameter, ...] = ()
    limits: Limits = Limits()
    rights: RightsCard


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The smallest unit of scheduling: idempotent, restartable, its inputs and outputs are files."""

    id: str
    """Unique in the plan, usable as a file name."""
    kind: str
    """What kind of work, e.g. ``analyse`` or ``render``."""
    title: str
    """In plain words."""
    frames: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    """Ids of steps that must be done before."""
    weight: float
    """Part of the job's whole work; the weights of a plan add up to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that does not stop a job, but that the artist should know."""

    code: str
    message: str
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a job will take on this machine."""

    memory_bytes: int
    seconds: float
    output_bytes: int
    work_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will happen, or why it cannot."""

    problems: tuple[ErrorRecord, ...] = ()
    """Why the job cannot run; empty where it can. Every problem found, not only the first."""
    warnings: tuple[Notice, ...] = ()
    steps: tuple[Step, ...] = ()
    frames: tuple[int, ...] = ()
    """Frames that will be written, by their numbers in the result."""
    new_frames: tuple[int, ...] = ()
    """Those of them that the plate has not."""
    display_window: Window | None = None
    """Display window of the result."""
    data_window: Window | None = None
    """Data window of the result's first frame."""
    plate_offset: tuple[int, int] = (0, 0)
    """How far the plate moves inside the result."""
    generated_fraction: float = 0.0
    """Part of the result that is generated, 0 to 1; a mean over the frames looked at."""
    estimate: Estimate = Estimate(memory_bytes=0, seconds=0.0, output_bytes=0, work_bytes=0)
    colour_space: str = ""
    """Of the plate, as found or named; empty where the file does not say."""
    encoding: str = ""
    """Sample type and compression that will be written, e.g. ``half, zip``."""
    decision: Decision | None = None
    """What the show's policy says; engines leave it out, whoever plans with them fills it in."""
    engine_version: str = ""
    """Of the engine that planned; filled in like the decision."""

    @property
    def feasible(self) -> bool:
        """Whether the job can run as asked."""
        return not self.problems


class Reporter(Protocol):
    """How a running step speaks to whoever runs it. Calls are cheap and may be frequent."""

    def progress(self, *, fraction: float, message: str) -> None:
        """`fraction` of this step, 0 to 1, and what it is doing in plain words."""

    def frame_finished(self, *, frame: int, path: Path, seconds: float) -> None:
        """A result frame is in the output folder."""

    def warn(self, *, notice: Notice) -> None:
        """Something the artist should know. The same notice said twice counts once."""

    def check_cancelled(self) -> None:
        """Raise `CancelledError` where the step should stop. Engines call this at least once a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a step has to work with."""

    job: Job
    plan: Plan
    work_folder: Path
    """Of this job; exists. Step outputs other than frames go here, written atomically."""
    cache_folder: Path
    """Shared by jobs, content-addressed; exists. May be emptied at any time between jobs."""
    frugal: int = 0
    """How sparing of memory the step should be: 0 as the engine likes it; 1 and 2 after it ran out of memory, e.g. with
    fewer threads, smaller caches and weights moved out. It may cost time; the result's bits must stay the same."""
    reporter: Reporter = field(repr=False)


@runtime_checkable
class Engine(Protocol):
    """Something that can carry out one or more tasks."""

    @property
    def card(self) -> EngineCard:
        """What it is and can do."""

    def plan(self, job: Job) -> Plan:
        """Steps, their dependencies, memory and time, and everything that stands in the way.

        Reads headers, and pixels of a few frames at most. Problems with the job or its files are returned in
        `Plan.problems`.
        """

    def run(self, step: Step, context: Context) -> None:
        """Carry out one step of a feasible plan. Idempotent; reports progress; stops when asked.

        Raises `OverscanError` where it cannot go on.
        """


@runtime_checkable
class ModelEngine(Engine, Protocol):
    """An engine that loads weights. One without this method must load none."""

    def model(self, job: Job) -> ModelFiles | None:
        """The model that `run` will load for `job`, with every file that it reads; None where it loads none.

        Called before a job is planned and before every step, in the process that will load the files: they are hashed,
        and the policy decides on the hashes. They are looked at again when the step is done. Loads nothing itself.
        """


@runtime_checkable
class ConditionalEngine(Engine, Protocol):
    """An engine that cannot run on every machine; one without this method can."""

    def unavailable(self) -> str:
        """Why it cannot run here and what to do, e.g. a library that is not installed; empty where it can. Cheap."""


@runtime_checkable
class PreviewReporter(Reporter, Protocol):
    """A reporter that also takes pictures of frames in the making; one without this method takes none."""

    def preview(self, *, frame: int, picture: npt.NDArray[np.float32]) -> None:
        """`picture` is ``(height, width, 3)``, display-referred 0 to 1, of any size. May be called often."""
