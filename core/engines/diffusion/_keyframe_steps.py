"""Plans jobs of families of stills, and does what comes before their painting.

Steps are the plate engine's (see `KeyLayer`), and one more before the painting: `look`, which fits the shot's light to
what the model can see and decides how the model runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from overscan.core.engines._protocol import Context, EngineCard, Plan, Step
from overscan.core.engines.diffusion._checks import ground_job, refused_controls
from overscan.core.engines.diffusion._family import Family
from overscan.core.engines.diffusion._keyframe_engine import of_plate
from overscan.core.engines.diffusion._keyframe_painter import KeyPainter
from overscan.core.engines.diffusion._looking import aspect_of, light_of_plate, wide_range, wrong_values
from overscan.core.engines.diffusion._model import Chosen, as_begun, choose_model, chosen_settings, surroundings_of
from overscan.core.engines.diffusion._parameters import pixels_of
from overscan.core.engines.diffusion._store import Look, Store
from overscan.core.engines.diffusion.runtime import Choice
from overscan.core.engines.plate import KeyLayer
from overscan.core.errors import from_record
from overscan.core.jobs import Job, ParameterValue
from overscan.core.shots import survey

LOOK = "look"
_PREPARE = "prepare"
_LOOK_WEIGHT = 0.01
_SECONDS_PER_FRAME = 1.0
"""About what rendering a frame takes: the unit that plans weigh steps in."""


def plan(job: Job, *, card: EngineCard, family: Family, layer: KeyLayer, values: dict[str, ParameterValue]) -> Plan:
    """The plate engine's plan with painted key frames, or everything that stands in the way."""
    problems = [*refused_controls(job, family.card), *wrong_values(family.card, values)]
    chosen, wrong = choose_model(job, family)
    problems += wrong
    choice = _settings(chosen, family, job, values)
    if choice is not None and choice.refusal is not None:
        problems.append(choice.refusal)
    seconds = choice.seconds if choice is not None else 0.0
    found = layer.plan(
        ground_job(job),
        card=card,
        title="Painting key frames",
        cost=max(1.0, seconds / _SECONDS_PER_FRAME),
        parameters=of_plate(values),
    )
    problems += [problem for problem in found.problems if problem not in problems]
    if problems:
        return replace(found, problems=tuple(problems))
    count = sum(layer.paints(step) for step in found.steps)
    on_this = choice is not None and chosen.device is not None and not chosen.device.separate
    return replace(
        found,
        steps=_with_look(found.steps, layer, frames=found.frames),
        estimate=replace(
            found.estimate,
            seconds=found.estimate.seconds + count * seconds,
            memory_bytes=found.estimate.memory_bytes + (choice.peak_bytes if on_this and choice is not None else 0),
        ),
    )


def look_at(step: Step, context: Context, *, family: Family, values: dict[str, ParameterValue]) -> None:
    """Fit the shot's light to what the model can see, and decide how the model runs."""
    job, reporter = context.job, context.reporter
    found = survey(job)
    if found.shot is None:
        raise from_record(found.problems[0])
    reporter.progress(fraction=0.0, message=step.title)
    light = light_of_plate(found.shot, frames=found.shot.frames, tick=reporter.check_cancelled)
    wide, notices = wide_range(light, card=family.card, values=values)
    for notice in notices:
        reporter.warn(notice=notice)
    chosen = _chosen(job, family)
    choice = _settings(chosen, family, job, values)
    if choice is not None:
        if choice.refusal is not None:
            raise from_record(choice.refusal)
        values = values | choice.settings.parameters()
    look = Look(
        wide=wide,
        areas=(),
        parameters=values,
        device=chosen.device.name if chosen.device is not None else "",
        surroundings=surroundings_of(chosen),
        aspect=aspect_of(found.shot),
    )
    Store(context.work_folder).keep_look(look)


def painter(step: Step, context: Context, *, family: Family) -> KeyPainter:
    """What paints the key frames of a step, as was decided when the shot was looked at."""
    look = Store(context.work_folder).look()
    chosen, notices = as_begun(_chosen(context.job, family), device=look.device, surroundings=look.surroundings)
    for notice in notices:
        context.reporter.warn(notice=notice)
    return KeyPainter(
        job=context.job,
        family=family,
        chosen=replace(chosen, frugal=context.frugal),
        look=look,
        reporter=context.reporter,
        title=step.title,
    )


def _with_look(steps: Sequence[Step], layer: KeyLayer, *, frames: tuple[int, ...]) -> tuple[Step, ...]:
    look = Step(
        id=LOOK,
        kind=LOOK,
        title="Fitting the shot to the model",
        frames=frames,
        needs=tuple(step.id for step in steps if step.kind == _PREPARE),
        weight=_LOOK_WEIGHT,
    )
    others = [
        replace(
            step,
            weight=step.weight * (1 - _LOOK_WEIGHT),
            needs=(*step.needs, LOOK) if layer.paints(step) else step.needs,
        )
        for step in steps
    ]
    after = 1 + next(at for at, step in enumerate(others) if step.kind == _PREPARE)
    return (*others[:after], look, *others[after:])


def _settings(chosen: Chosen, family: Family, job: Job, values: dict[str, ParameterValue]) -> Choice | None:
    """How the model runs for a key frame, for which the largest picture is counted."""
    size = chosen.lattice.size
    side = max(size, round(pixels_of(values, chosen.lattice) ** 0.5 / size) * size)
    return chosen_settings(chosen, family=family, job=job, values=values, frames=1, width=side, height=side)


def _chosen(job: Job, family: Family) -> Chosen:
    chosen, problems = choose_model(job, family)
    if problems:
        raise from_record(problems[0])
    return chosen
