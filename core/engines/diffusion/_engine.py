"""The engine round families of video: card, plan and steps. Light to import: pixels and torch come when a step runs."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from overscan.core.engines._protocol import Context, EngineCard, Limits, Plan, Step
from overscan.core.engines.diffusion._checks import GROUND_TASKS, controls_of, ground_job
from overscan.core.engines.diffusion._family import Family, FamilyCard
from overscan.core.engines.diffusion._model import unavailable
from overscan.core.engines.diffusion._parameters import parameters_of
from overscan.core.errors import OverscanError
from overscan.core.jobs import Job
from overscan.core.rights import ModelFiles, RightsCard, TrainingData, shipped_cards

if TYPE_CHECKING:
    from overscan.core.engines.diffusion._session import DiffusionSession
    from overscan.core.engines.plate import GroundLayer


class DiffusionEngine:
    """Set extension, clean-up, handles and in-betweens by a family of diffusion models.

    For extension and clean-up the plate engine goes first, and the model paints what no frame shows.
    """

    def __init__(self, *, family: Family) -> None:
        self.family = family
        self._session: DiffusionSession | None = None
        self._kept_ground: tuple[Job, GroundLayer] | None = None

    @cached_property
    def card(self) -> EngineCard:
        """What it is and can do."""
        own = self.family.card
        return EngineCard(
            name=own.name,
            version=own.version,
            title=own.title,
            tasks=own.tasks,
            controls=controls_of(own),
            parameters=parameters_of(own),
            limits=Limits(
                size_multiple=own.lattice.size,
                frames_multiple=own.lattice.frames,
                frames_offset=own.lattice.offset,
                max_frames=own.lattice.frames_max,
                max_pixels=own.lattice.pixels,
            ),
            rights=rights_of(own),
        )

    def unavailable(self) -> str:
        """Why it cannot run on this machine; empty where it can."""
        return unavailable(self.family.card)

    def model(self, job: Job) -> ModelFiles | None:
        """The model that `run` will load for `job`, with all files that loading reads."""
        if not self.family.card.pipelines:
            return None
        from overscan.core.models import model_files

        return model_files(job=job, family=self.family.card)

    def plan(self, job: Job) -> Plan:
        """Check everything the job names and cut it into steps. Reads headers and a few mattes; loads no weights."""
        from overscan.core.engines.diffusion._steps import plan

        try:
            return plan(job, family=self.family, ground=self._ground(job))
        except OverscanError as error:
            return Plan(problems=(error.record,))

    def run(self, step: Step, context: Context) -> None:
        """Carry out one step; raises `OverscanError`."""
        ground = self._ground(context.job)
        if ground is not None and ground.owns(step):
            ground.run(step, replace(context, job=ground_job(context.job)))
            return
        if self._session is None or not self._session.serves(step, context):
            from overscan.core.engines.diffusion._session import DiffusionSession

            self._session = DiffusionSession(context, family=self.family, ground=ground)
        self._session.run(step, context)

    def _ground(self, job: Job) -> GroundLayer | None:
        """Lays the groundwork of a job; None for tasks that make whole frames."""
        if job.kind not in GROUND_TASKS:
            return None
        if self._kept_ground is None or self._kept_ground[0] != job:
            from overscan.core.engines.plate import GroundLayer

            strength = job.controls.strength
            # A model that forgets what is under the matte needs nothing there that took long to make.
            fill = "smooth" if strength is None or strength >= 1 else "synthesise"
            layer = GroundLayer(parameters={"fill": fill, "grain": bool(job.parameters.get("grain", True))})
            self._kept_ground = (job, layer)
        return self._kept_ground[1]


def rights_of(card: FamilyCard) -> RightsCard:
    """The card that Overscan ships for the family: what its maker says, whatever folder is used in the end."""
    shipped = shipped_cards().get(card.rights_card)
    if shipped is not None:
        return replace(shipped.card, name="", version="", weights=())
    return RightsCard(
        maker="",
        licence="LicenseRef-unknown",
        training_data=TrainingData.UNDISCLOSED,
        statement="Whatever the card of the model folder says.",
        commercial_use=False,
    )
