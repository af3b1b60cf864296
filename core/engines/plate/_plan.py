"""Cuts a job into steps and says what they will take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from overscan.core.engines._protocol import EngineCard, Estimate, Notice, Plan, Step
from overscan.core.engines.plate._engine import SEARCH_RANGE
from overscan.core.engines.plate._proxy import LONGEST
from overscan.core.engines.plate._trials import frames_for_trials
from overscan.core.errors import ErrorRecord, InvalidJobError
from overscan.core.jobs import ExtrasMode, Job
from overscan.core.results import check_output, encoding
from overscan.core.shots import Shot, survey

PREPARE, ANALYSE, TRY, RENDER = "prepare", "analyse", "try", "render"
"""Kinds of steps."""

_PAIRS_PER_STEP = 16
_TRIALS_PER_STEP = 8
_MOST_FRAMES_PER_STEP = 32
_TRACE_BYTES = 96
"""Memory a pixel to generate takes while it is followed, in one frame."""
_TRACE_BUDGET = 400 << 20
_BASE_BYTES = 450 << 20
"""Memory of a worker before it holds any picture."""

_PREPARE_COST = 1.0
"""Cost of looking at the shot, in rendered frames."""

_ANALYSE_SECONDS = 0.35
"""A pair of neighbours; this and the following on 2 cores, by `benchmarks/memory.py` and the demo."""
_TRY_SECONDS = 1.9
"""One trial."""
_FOLLOW_SECONDS = 0.4
"""Following the pixels of a frame through time, whatever their number."""
_COPY_SECONDS_PER_MEGAPIXEL = 0.8
_CARRY_SECONDS_PER_MEGAPIXEL = 0.12
"""A frame: what is generated, and what is only read and written."""
_MATTES_LOOKED_AT = 3
_MOTION_BYTES_PER_PIXEL = 5
"""Motion of a frame to both neighbours, for each pixel of the picture it is measured on, and the thumbnail."""


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
    made, most = _generated_pixels(shot)
    bytes_per_pixel = sum(channel.dtype.itemsize for channel in shot.header(first).channels)
    extras = 24 if shot.job.output.extras is not ExtrasMode.NONE else 0
    chunk = frames_per_step(most)
    seconds = len(shot.render) * pixels * _CARRY_SECONDS_PER_MEGAPIXEL / 1e6
    if made:
        seconds += len(analysed_pairs(shot)) * _ANALYSE_SECONDS + len(trial_frames(shot)) * _TRY_SECONDS
        seconds += len(shot.render) * (_FOLLOW_SECONDS + made * _COPY_SECONDS_PER_MEGAPIXEL / 1e6)
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
            memory_bytes=_BASE_BYTES + pixels * (120 + 3 * bytes_per_pixel) + chunk * most * _TRACE_BYTES,
            seconds=seconds,
            output_bytes=len(shot.render) * pixels * (bytes_per_pixel + extras // 4),
            work_bytes=len(shot.frames) * _MOTION_BYTES_PER_PIXEL * min(plate_pixels, LONGEST * LONGEST * 9 // 16),
        ),
        colour_space=shot.space.name,
        encoding=encoding(shot),
    )


def _generated_pixels(shot: Shot) -> tuple[int, int]:
    """Pixels to generate in a frame, by the mean and by the largest of the frames looked at."""
    if shot.matte is None:
        windows = [(shot.coverage(frame), shot.data_window(frame)) for frame in shot.render]
        counts = [cover.width * cover.height - own.width * own.height for cover, own in windows]
    else:
        last = len(shot.render) - 1
        looked = {shot.render[last * place // max(1, _MATTES_LOOKED_AT - 1)] for place in range(_MATTES_LOOKED_AT)}
        mattes = [shot.read_matte(frame) for frame in sorted(looked)]
        counts = [int(np.count_nonzero(matte)) for matte in mattes if matte is not None]
    return sum(counts) // len(counts), max(counts)


def frames_per_step(generated_pixels: int) -> int:
    """Frames that are followed together: as many as memory allows, for each source is then read once."""
    return max(1, min(_MOST_FRAMES_PER_STEP, _TRACE_BUDGET // (max(1, generated_pixels) * _TRACE_BYTES)))


def _steps(shot: Shot, chunk: int) -> Iterator[Step]:
    frames = shot.frames
    stages = (
        # kind, title, its frames, frames a step, cost of a frame relative to the others
        (ANALYSE, "Measuring motion", [frames[pair] for pair in analysed_pairs(shot)], _PAIRS_PER_STEP, 0.35),
        (TRY, "Trying out on hidden parts", [frames[trial] for trial in trial_frames(shot)], _TRIALS_PER_STEP, 1.2),
        (RENDER, "Rendering", list(shot.render), chunk, 1.0),
    )
    total = _PREPARE_COST + sum(cost * len(numbers) for _, _, numbers, _, cost in stages)
    yield Step(id=PREPARE, kind=PREPARE, title="Looking at the shot", weight=_PREPARE_COST / total)
    before: tuple[str, ...] = (PREPARE,)
    for kind, title, numbers, size, cost in stages:
        made = []
        for at in range(0, len(numbers), size):
            some = tuple(numbers[at : at + size])
            made.append(f"{kind}-{at // size:04d}")
            yield Step(
                id=made[-1],
                kind=kind,
                title=title,
                frames=some,
                needs=before,
                weight=cost * len(some) / total,
            )
        # A stage needs all steps of the ones before it, but no other of its own.
        before += tuple(made)


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
