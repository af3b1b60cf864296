"""How an LTX model is denoised: its full schedule, or the short one that distilled models were trained for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from overscan.core.engines._protocol import Parameter
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import Job, ParameterValue

NEGATIVE_PROMPT = "blurry, jittery, distorted, flickering, inconsistent motion, low quality, text, watermark"

SCHEDULE = Parameter(
    name="schedule",
    description="How the model is denoised: standard, or distilled for a distilled model, which takes 8 steps of fixed "
    "noise and no guidance.",
    default="standard",
    choices=("standard", "distilled"),
)


def is_distilled(parameters: Mapping[str, ParameterValue], *, default: str = "standard") -> bool:
    """Whether the short schedule is to be taken."""
    return parameters.get(SCHEDULE.name, default) == "distilled"


def schedule_refusals(job: Job, *, default: str = "standard", steps: int, guidance: float) -> list[ErrorRecord]:
    """What a job sets that its schedule has no use for.

    `steps` are those of the distilled schedule, `guidance` is the family's where a job does not say.
    """
    controls = job.controls
    if not is_distilled(job.parameters, default=default):
        guided = (guidance if controls.guidance is None else controls.guidance) > 1
        return [] if guided or not controls.negative_prompt else [_unheard(controls.negative_prompt)]
    refused = []
    if controls.steps not in (None, steps):
        refused.append(_fixed("steps", f"The distilled schedule has {steps} steps", controls.steps))
    if controls.guidance not in (None, 1.0):
        refused.append(_fixed("guidance", "The distilled schedule works without guidance (1)", controls.guidance))
    if controls.negative_prompt:
        refused.append(_fixed("negative_prompt", "Without guidance there is no use for one", controls.negative_prompt))
    return refused


def late_steps(steps: int, strength: float) -> int:
    """How many of `steps` are taken where denoising starts from what is there; at least one."""
    return max(1, min(steps, round(steps * strength)))


def tail(sigmas: Sequence[float], strength: float) -> list[float]:
    """The part of a schedule that is taken at `strength`, 1 for all of it."""
    return list(sigmas[len(sigmas) - late_steps(len(sigmas), strength) :])


def _unheard(words: str) -> ErrorRecord:
    return ErrorRecord(
        code="INVALID_JOB",
        message="With a guidance of 1 or less the model does not hear a negative prompt, and the job sets one.",
        next_step="Set guidance above 1, e.g. 3, or leave the negative prompt out.",
        field="controls.negative_prompt",
        actual=words,
    )


@contextmanager
def unshifted(pipeline: Any) -> Iterator[Any]:
    """Inside, a pipeline's schedulers take a schedule of flow times as it is given; yields the folder's own scheduler.

    Folders of models that are not distilled have schedulers that shift and stretch what they are given. That would ruin
    the distilled schedule, and makes no numbers of a single step.
    """
    found = {name: getattr(pipeline, name, None) for name in ("scheduler", "audio_scheduler")}
    own = {name: scheduler for name, scheduler in found.items() if scheduler is not None}
    for name, scheduler in own.items():
        plain = {"use_dynamic_shifting": False, "shift": 1.0, "shift_terminal": None}
        setattr(pipeline, name, type(scheduler).from_config(scheduler.config, **plain))
    try:
        yield own["scheduler"]
    finally:
        for name, scheduler in own.items():
            setattr(pipeline, name, scheduler)


def _fixed(field: str, why: str, actual: object) -> ErrorRecord:
    return ErrorRecord(
        code="INVALID_JOB",
        message=f"{why}, and the job sets {field} to {actual!r}.",
        next_step=f"Leave {field} out, or set the parameter schedule to standard and take a model that is not "
        "distilled.",
        field=f"controls.{field}",
        actual=str(actual),
    )
