"""Which model a job runs with, on which device, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from overscan.core.engines._protocol import Notice
from overscan.core.engines.diffusion._family import Family, FamilyCard, Lattice
from overscan.core.engines.diffusion._parameters import steps_of
from overscan.core.errors import ErrorRecord, OverscanError
from overscan.core.jobs import Job, ParameterValue

if TYPE_CHECKING:
    from overscan.core.engines.diffusion.runtime import Choice, Device, ModelFacts
    from overscan.core.models import ModelFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A model, and the best device there is for it. A family without pipelines has neither."""

    folder: ModelFolder | None = None
    facts: ModelFacts | None = None
    device: Device | None = None
    lattice: Lattice
    frugal: int = 0
    """See `Context.frugal`."""

    def placed(self, parameters: Mapping[str, ParameterValue]) -> Mapping[str, ParameterValue]:
        """Parameters to load the model with: those that were decided, but with its weights moved out where memory is to
        be spared, which changes no bit."""
        if self.device is None or not self.frugal:
            return parameters
        from overscan.core.engines.diffusion.runtime import moved_out

        return moved_out(parameters, device=self.device, frugal=self.frugal)


def unavailable(card: FamilyCard) -> str:
    """Why models of a family cannot run on this machine at all; empty where they can."""
    if not card.pipelines:
        return ""
    from overscan.core.models import missing_packages

    return missing_packages()


def choose_model(job: Job, family: Family) -> tuple[Chosen, list[ErrorRecord]]:
    """The model of a job; with problems, it is what is known all the same, so that others can be found at once."""
    card = family.card
    unknown = Chosen(lattice=card.lattice)
    if not card.pipelines:
        return Chosen(lattice=family.lattice(None)), family.refusals(job, None)
    from overscan.core.models import chosen_model

    try:
        folder = chosen_model(job=job, family=card)
        # Facts are read from files, devices found by torch, which is not imported before there is a model to run.
        from overscan.core.engines.diffusion.runtime import devices, model_facts

        facts = model_facts(folder)
        chosen = Chosen(folder=folder, facts=facts, device=devices()[0], lattice=family.lattice(facts))
    except OverscanError as error:
        return unknown, [error.record, *family.refusals(job, None)]
    return chosen, family.refusals(job, folder)


def chosen_settings(
    chosen: Chosen,
    *,
    family: Family,
    job: Job,
    values: Mapping[str, ParameterValue],
    frames: int,
    width: int,
    height: int,
) -> Choice | None:
    """How a window of this size runs on the model's device, or why it cannot; None where nothing is loaded."""
    if chosen.facts is None or chosen.device is None:
        return None
    from overscan.core.engines.diffusion.runtime import choose

    need = family.estimate(
        chosen.facts, frames=frames, width=width, height=height, steps=steps_of(job, family.card), job=job
    )
    return choose(need, device=chosen.device, parameters=values)


def surroundings_of(chosen: Chosen) -> dict[str, str]:
    """What decides, beside the device, about the bits that a model paints; empty where nothing is loaded."""
    if chosen.device is None:
        return {}
    from overscan.core.engines.diffusion.runtime import surroundings

    return surroundings()


def as_begun(chosen: Chosen, *, device: str, surroundings: Mapping[str, str]) -> tuple[Chosen, list[Notice]]:
    """The model on the kind of device that its job was begun on, and what an artist should know where that is gone.

    Another kind of device gives other bits, and so do other libraries.
    """
    if chosen.device is None:
        return chosen, []
    began, _, _ = device.partition(":")
    if chosen.device.kind != began:
        from overscan.core.engines.diffusion.runtime import devices

        alike = (other for other in devices() if other.kind == began)
        chosen = replace(chosen, device=next(alike, chosen.device))
    assert chosen.device is not None
    now = surroundings_of(chosen)
    changed = [f"{name} {was} → {now.get(name, 'none')}" for name, was in surroundings.items() if now.get(name) != was]
    if chosen.device.kind != began:
        changed.insert(0, f"device {began} → {chosen.device.kind}")
    if not changed:
        return chosen, []
    return chosen, [
        Notice(
            code="OTHER_SURROUNDINGS",
            message=f"The job goes on in other surroundings than it was begun in ({', '.join(changed)}): what is "
            "painted from here on is as good, but not bit for bit what it would have been. Create the job again where "
            "that matters.",
        )
    ]
