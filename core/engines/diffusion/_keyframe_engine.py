"""The engine of families of still pictures: they paint key frames, and the plate engine's motion carries these on.

Light to import, as `_engine` is: pixels and torch come when a step runs. Docs: decision 0019.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from overscan.core.engines._protocol import Context, EngineCard, Limits, Parameter, Plan, Step
from overscan.core.engines.diffusion._checks import controls_of, ground_job
from overscan.core.engines.diffusion._engine import rights_of
from overscan.core.engines.diffusion._family import Family, FamilyCard
from overscan.core.engines.diffusion._model import unavailable
from overscan.core.engines.diffusion._parameters import (
    CONFIDENCE,
    GRAIN,
    OVERLAP,
    REPAINT,
    SOUND,
    WINDOW,
    parameters_of,
)
from overscan.core.engines.plate import KeyLayer
from overscan.core.engines.plate._engine import QUALITY, SEARCH_RANGE
from overscan.core.errors import OverscanError
from overscan.core.jobs import Job, ParameterValue
from overscan.core.rights import ModelFiles

_OF_VIDEO = (CONFIDENCE, WINDOW, OVERLAP, SOUND)
"""Shared parameters that stills have no use for."""
_REPAINT = replace(
    REPAINT,
    description="What of the generated region the model paints: unseen is what no frame shows. What a frame shows is "
    "copied from it, for there it could not be painted.",
    choices=("unseen",),
)
DETAIL = Parameter(
    name="detail",
    description="Whether what is larger than the pictures that the model was trained on is gone over once more in "
    "parts, at the plate's own resolution: sharper, and it takes several times as long.",
    default=True,
)


class KeyframeEngine:
    """Set extension and removal with a family of stills."""

    def __init__(self, *, family: Family) -> None:
        self.family = family
        self._layer = KeyLayer()

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
            parameters=_parameters(own),
            limits=Limits(size_multiple=own.lattice.size, max_pixels=own.lattice.pixels),
            rights=rights_of(own),
        )

    def unavailable(self) -> str:
        """Why it cannot run on this machine at all; empty where it can."""
        return unavailable(self.family.card)

    def model(self, job: Job) -> ModelFiles | None:
        """The model that `run` will load for `job`, with all files that loading reads."""
        if not self.family.card.pipelines:
            return None
        from overscan.core.models import model_files

        return model_files(job=job, family=self.family.card)

    def plan(self, job: Job) -> Plan:
        """Check everything the job names and cut it into steps. Reads headers and a few mattes; loads no weights."""
        from overscan.core.engines.diffusion._keyframe_steps import plan

        try:
            return plan(job, card=self.card, family=self.family, layer=self._layer, values=self._values(job))
        except OverscanError as error:
            return Plan(problems=(error.record,))

    def run(self, step: Step, context: Context) -> None:
        """Carry out one step; raises `OverscanError`."""
        from overscan.core.engines.diffusion._keyframe_steps import LOOK, look_at, painter

        values = self._values(context.job)
        if step.kind == LOOK:
            look_at(step, context, family=self.family, values=values)
            return
        self._layer.run(
            step,
            replace(context, job=ground_job(context.job)),
            parameters=of_plate(values),
            painter=painter(step, context, family=self.family) if self._layer.paints(step) else None,
            attributes=self._attributes(context.job),
        )

    def _attributes(self, job: Job) -> dict[str, str]:
        """What goes into every frame's header."""
        own = self.family.card
        found = {"overscan:engine": f"{own.name} {own.version}", "overscan:seed": str(job.seed)}
        if own.pipelines:
            from overscan.core.models import chosen_model

            found["overscan:model"] = chosen_model(job=job, family=own).name
        return found

    def _values(self, job: Job) -> dict[str, ParameterValue]:
        """The value of every parameter, the job's or the default."""
        known = {parameter.name: parameter.default for parameter in _parameters(self.family.card)}
        return known | {name: value for name, value in job.parameters.items() if name in known}


def of_plate(values: dict[str, ParameterValue]) -> dict[str, ParameterValue]:
    """Those of the parameters that are the plate engine's."""
    return {name: values[name] for name in (GRAIN.name, QUALITY.name, SEARCH_RANGE.name)}


def _parameters(card: FamilyCard) -> tuple[Parameter, ...]:
    shared = (_REPAINT if own == REPAINT else own for own in parameters_of(card) if own not in _OF_VIDEO)
    return (*shared, *((DETAIL,) if "strength" in card.controls else ()), QUALITY, SEARCH_RANGE)
