"""Cuts a job into steps and says what they will take."""

from __future__ import annotations

from collections.abc import Iterator

from overscan.core.engines._protocol import EngineCard, Estimate, Notice, Plan, Step
from overscan.core.engines.plate._engine import SEARCH_RANGE
from overscan.core.engines.plate._trials import frames_for_trials
from overscan.core.errors import ErrorRecord, InvalidJobError
from overscan.core.frames import format_frames
from overscan.core.jobs import ExtrasMode, Job
from overscan.core.results import check_output, encoding
from overscan.core.shots import Shot, survey

PREPARE, ANALYSE, TRY, RENDER = "prepare", "analyse", "try", "render"
"""Kinds of steps."""

_PAIRS_PER_STEP = 16
_TRIALS_PER_STEP = 8
_MOST_FRAMES_PER_STEP = 16
_TRACE_BYTES = 96
"""Memory a pixel to generate takes while it is followed, in one frame."""
_TRACE_BUDGET = 400 << 20
_BASE_BYTES = 450 << 20
"""Memory of a worker before it holds any picture."""

_ANALYSE_SECONDS = 0.35
"""A pair of neighbours, on 2 cores (benchmarks/speed.py)."""
_TRY_SECONDS = 1.2
"""One trial."""
_COPY_SECONDS_PER_MEGAPIXEL = 0.9
_CARRY_SECONDS_PER_MEGAPIXEL = 0.12
"""A frame: what is generated, and what is only read and written."""


def plan(job: Job, *, card: EngineCard) -> Plan:
    """The plan of an extend or inpaint job."""
    if job.kind not in card.tasks:
        record = InvalidJobError(
            f"the engine '{card.name}' does not do '{job.kind.value}'.",
            next_step=f"It does: {', '.join(task.value for task in card.tasks)}.",
            field="task",
        ).record
        return Plan(problems=(record,))
    found = survey(job)
    if found.shot is None:
        return Plan(problems=tuple(found.problems), warnings=tuple(found.warnings))
    shot = found.shot
    problems, notices = check_output(shot)
    return _feasible(shot, problems, (*found.warnings, *notices))


def _feasible(shot: Shot, problems: list[ErrorRecord], warnings: tuple[Notice, ...]) -> Plan:
    layout, first = shot.layout, shot.render[0]
    pixels = shot.coverage(first).width * shot.coverage(first).height
    plate_pixels = shot.data_window(first).width * shot.data_window(first).height
    # What a matte covers is not known before it is read; a tenth is common for clean-up.
    made = pixels - plate_pixels if shot.matte is None else plate_pixels // 10
    bytes_per_pixel = sum(channel.dtype.itemsize for channel in shot.header(first).channels)
    extras = 24 if shot.job.output.extras is not ExtrasMode.NONE else 0
    chunk = frames_per_step(made)
    seconds = (
        len(shot.frames) * _ANALYSE_SECONDS
        + len(shot.frames) / 8 * _TRY_SECONDS
        + len(shot.render) * (made * _COPY_SECONDS_PER_MEGAPIXEL + pixels * _CARRY_SECONDS_PER_MEGAPIXEL) / 1e6
    )
    return Plan(
        problems=tuple(problems),
        warnings=warnings,
        steps=tuple(_steps(shot, chunk)),
        frames=shot.render,
        display_window=layout.display_window,
        data_window=layout.in_result(shot.coverage(first)),
        plate_offset=layout.offset,
        generated_fraction=made / pixels,
        estimate=Estimate(
            memory_bytes=_BASE_BYTES + pixels * (120 + 3 * bytes_per_pixel) + chunk * made * _TRACE_BYTES,
            seconds=seconds,
            output_bytes=len(shot.render) * pixels * (bytes_per_pixel + extras // 4),
            work_bytes=len(shot.frames) * 3_500_000,
        ),
        colour_space=shot.space.name,
        encoding=encoding(shot),
    )


def frames_per_step(generated_pixels: int) -> int:
    """Frames that are followed together: as many as memory allows, for each source is then read once."""
    return max(1, min(_MOST_FRAMES_PER_STEP, _TRACE_BUDGET // (max(1, generated_pixels) * _TRACE_BYTES)))


def _steps(shot: Shot, chunk: int) -> Iterator[Step]:
    pairs, trials = analysed_pairs(shot), trial_frames(shot)
    pair_chunks = [pairs[at : at + _PAIRS_PER_STEP] for at in range(0, len(pairs), _PAIRS_PER_STEP)]
    trial_chunks = [trials[at : at + _TRIALS_PER_STEP] for at in range(0, len(trials), _TRIALS_PER_STEP)]
    render_chunks = [shot.render[at : at + chunk] for at in range(0, len(shot.render), chunk)]
    cost = {
        PREPARE: 1.0,
        ANALYSE: 0.35 * len(pairs),
        TRY: 1.2 * len(trials),
        RENDER: 1.0 * len(shot.render),
    }
    total = sum(cost.values())
    frames = shot.frames
    yield Step(id=PREPARE, kind=PREPARE, title="Looking at the shot", weight=cost[PREPARE] / total)
    needed: list[str] = [PREPARE]
    for number, some in enumerate(pair_chunks):
        step = f"{ANALYSE}-{number:04d}"
        numbers = tuple(frames[pair] for pair in some)
        yield Step(
            id=step,
            kind=ANALYSE,
            title=f"Measuring motion {format_frames(numbers)}",
            frames=numbers,
            needs=(PREPARE,),
            weight=cost[ANALYSE] / total * len(some) / len(pairs),
        )
        needed.append(step)
    tried: list[str] = []
    for number, some in enumerate(trial_chunks):
        step = f"{TRY}-{number:04d}"
        numbers = tuple(frames[trial] for trial in some)
        yield Step(
            id=step,
            kind=TRY,
            title=f"Trying out on hidden parts of the plate {format_frames(numbers)}",
            frames=numbers,
            needs=tuple(needed),
            weight=cost[TRY] / total * len(some) / len(trials),
        )
        tried.append(step)
    for number, chosen in enumerate(render_chunks):
        yield Step(
            id=f"{RENDER}-{number:04d}",
            kind=RENDER,
            title=f"Rendering {format_frames(chosen)}",
            frames=chosen,
            needs=tuple(needed + tried),
            weight=cost[RENDER] / total * len(chosen) / len(shot.render),
        )


def search_range(job: Job) -> int:
    """The job's search range in frames."""
    return int(job.parameters.get(SEARCH_RANGE.name, SEARCH_RANGE.default))


def rendered_indices(shot: Shot) -> list[int]:
    """The frames to render, by index in the shot."""
    index = {frame: position for position, frame in enumerate(shot.frames)}
    return [index[frame] for frame in shot.render]


def trial_frames(shot: Shot) -> list[int]:
    """The frames, by index, that trials are made in. None where there is only one frame to learn from."""
    return frames_for_trials(rendered_indices(shot), count=len(shot.frames)) if len(shot.frames) > 1 else []


def analysed_pairs(shot: Shot) -> list[int]:
    """The pairs of neighbours, by index of the first, that the frames to render and the trials can reach."""
    reach, count = search_range(shot.job), len(shot.frames)
    pairs: set[int] = set()
    for frame in {*rendered_indices(shot), *trial_frames(shot)}:
        pairs.update(range(max(0, frame - reach), min(count - 1, frame + reach)))
    return sorted(pairs)
