"""Controls that are set and cannot be honoured: each is a problem of the plan, for nothing is ignored in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from overscan.core.controls import Controls
from overscan.core.engines.diffusion._family import FamilyCard
from overscan.core.errors import ErrorRecord, InvalidJobError
from overscan.core.jobs import Job, Task

GROUND_CONTROLS = ("source_frames", "movers", "never_copy", "clean_plates", "camera", "trajectories")
"""Those that the plate engine follows, which lays the ground for set extension and removal."""
GROUND_TASKS = (Task.EXTEND, Task.INPAINT)
"""Tasks whose ground the plate engine lays."""


def controls_of(card: FamilyCard) -> tuple[str, ...]:
    """The wire's names of all controls that a family's engine takes for some task."""
    ground = GROUND_CONTROLS if any(task in GROUND_TASKS for task in card.tasks) else ()
    return tuple(dict.fromkeys((*card.controls, "seed", "parameters", *ground)))


def set_controls(controls: Controls) -> Iterator[str]:
    """Names of the controls that are set."""
    empty = Controls()
    for name in controls.__dataclass_fields__:
        if getattr(controls, name) != getattr(empty, name):
            yield name


def ground_job(job: Job) -> Job:
    """The job as the plate engine sees it: without what steers a model."""
    kept = {name: getattr(job.controls, name) for name in GROUND_CONTROLS}
    camera = kept["camera"]
    if camera is not None:
        # How strictly a model follows it is none of the ground's business.
        kept["camera"] = replace(camera, strength=1.0)
    return replace(job, controls=Controls(**kept))


def refused_controls(job: Job, card: FamilyCard) -> list[ErrorRecord]:
    """What is set among the job's controls that a family does not take for the job's task.

    Whether it takes these kinds of passes, references and guides, `guides.check_guides` says.
    """
    return [error.record for error in _refused(job, card)]


def _refused(job: Job, card: FamilyCard) -> Iterator[InvalidJobError]:
    controls = job.controls
    grounded = job.kind in GROUND_TASKS
    for name in set_controls(controls):
        if name in card.controls or (grounded and name in GROUND_CONTROLS):
            continue
        if name in GROUND_CONTROLS:
            yield InvalidJobError(
                f"'{name}' is for set extension and removal; the engine '{card.name}' cannot follow it for "
                f"'{job.kind.value}'.",
                next_step="Leave it out.",
                field=f"controls.{name}",
            )
            continue
        yield InvalidJobError(
            f"the engine '{card.name}' cannot follow '{name}': its models were not made for that.",
            next_step=f"Leave it out, or use an engine that takes it (`overscan engines`). '{card.name}' takes: "
            f"{', '.join(sorted(card.controls)) or 'none'}.",
            field=f"controls.{name}",
        )
