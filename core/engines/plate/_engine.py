"""The engine's card, plan and steps. Light to import: what touches pixels is imported when a step runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overscan.core.engines._protocol import (
    Context,
    EngineCard,
    Parameter,
    Plan,
    Step,
)
from overscan.core.errors import OverscanError
from overscan.core.jobs import Job, ParameterValue, Task
from overscan.core.rights import RightsCard, TrainingData

if TYPE_CHECKING:
    from overscan.core.engines.plate._session import Session
    from overscan.core.engines.plate.time._session import TimeSession

QUALITY = Parameter(
    name="quality",
    description="preview is for judging what a job will do: motion on half the picture size, a coarser search for what "
    "no frame shows, no grain. final takes the time it takes.",
    default="final",
    choices=("preview", "final"),
)
SEARCH_RANGE = Parameter(
    name="search_range",
    description="How far away in time a frame may be that pixels are copied from.",
    default=48,
    minimum=1,
    maximum=1000,
    unit="frames",
)
COPY = Parameter(
    name="copy",
    description="Whether pixels are copied from other frames: auto copies where a trial on hidden parts of the plate "
    "shows that it helps, always copies wherever a source is found, never fills smoothly.",
    default="auto",
    choices=("auto", "always", "never"),
)
FILL = Parameter(
    name="fill",
    description="What becomes of pixels that no frame shows: synthesise paints them with pieces of the plate, smooth "
    "fills them smoothly, none leaves them empty with a confidence of 0, for another tool to fill.",
    default="synthesise",
    choices=("synthesise", "smooth", "none"),
)
GRAIN = Parameter(
    name="grain",
    description="Match the plate's grain in what is painted.",
    default=True,
)

_CARD = EngineCard(
    name="plate",
    version="0.2.0",
    title="Paints from the plate itself: what other frames show, and pieces of the plate where none does",
    tasks=(Task.EXTEND, Task.INPAINT, Task.CONTINUE, Task.INTERPOLATE),
    controls=(
        "seed",
        "parameters",
        "source_frames",
        "movers",
        "never_copy",
        "clean_plates",
        "camera",
        "trajectories",
    ),
    parameters=(QUALITY, SEARCH_RANGE, COPY, FILL, GRAIN),
    rights=RightsCard(
        maker="Overscan",
        licence="LicenseRef-Overscan",
        training_data=TrainingData.NONE,
        statement="No training data, plate pixels only: there are no learned weights, and everything that is painted "
        "comes from the plate itself.",
        commercial_use=True,
        consent="No people's data were learned from.",
        likeness="Shows whom the plate shows.",
        reviewer="The makers of Overscan",
        reviewed_on="2026-11-23",
    ),
)


def parameter(job: Job, asked: Parameter) -> ParameterValue:
    """The value of a parameter in a job."""
    return job.parameters.get(asked.name, asked.default)


class PlateEngine:
    """Set extension, clean-up, handles and in-betweens without learned weights."""

    def __init__(self) -> None:
        self._session: Session | TimeSession | None = None

    @property
    def card(self) -> EngineCard:
        """What it is and can do."""
        return _CARD

    def plan(self, job: Job) -> Plan:
        """Check everything the job names and cut it into steps. Reads headers, and a few mattes."""
        from overscan.core.engines.plate._plan import plan

        try:
            return plan(job, card=_CARD)
        except OverscanError as error:
            return Plan(problems=(error.record,))

    def run(self, step: Step, context: Context) -> None:
        """Carry out one step; raises `OverscanError`."""
        if self._session is None or not self._session.serves(step, context):
            self._session = _opened(context)
        self._session.run(step, context)


def _opened(context: Context) -> Session | TimeSession:
    if context.job.kind in (Task.CONTINUE, Task.INTERPOLATE):
        from overscan.core.engines.plate.time._session import TimeSession

        return TimeSession(context)
    from overscan.core.engines.plate._session import Session

    attributes = {"overscan:engine": f"{_CARD.name} {_CARD.version}", "overscan:seed": str(context.job.seed)}
    return Session(context, attributes=attributes)
