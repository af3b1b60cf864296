"""The engine's card, plan and steps. Light to import: what touches pixels is imported when a step runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overscan.core.engines._protocol import (
    Context,
    EngineCard,
    Parameter,
    Plan,
    RightsCard,
    Step,
    TrainingData,
)
from overscan.core.errors import OverscanError
from overscan.core.jobs import Job, Task

if TYPE_CHECKING:
    from overscan.core.engines.plate._session import Session

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

_CARD = EngineCard(
    name="plate",
    version="0.1.0",
    title="Paints from the plate itself: what other frames show, and a smooth fill for what none does",
    tasks=(Task.EXTEND, Task.INPAINT),
    # Nothing in this engine is random yet; the seed is taken so that a job file stays valid when regrain comes.
    controls=("seed", "parameters"),
    parameters=(SEARCH_RANGE, COPY),
    rights=RightsCard(
        maker="Overscan",
        licence="LicenseRef-Overscan",
        training_data=TrainingData.NONE,
        statement="No training data. Every pixel comes from the plate.",
        commercial_use=True,
    ),
)


class PlateEngine:
    """Set extension and clean-up without learned weights."""

    def __init__(self) -> None:
        self._session: Session | None = None

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
        from overscan.core.engines.plate._session import Session

        if self._session is None or not self._session.serves(step, context):
            self._session = Session(context)
        self._session.run(step, context)
