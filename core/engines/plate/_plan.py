"""Cuts a job into steps and says what they will take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from overscan.core.engines._protocol import EngineCard, Estimate, Notice, Plan, Step
from overscan.core.engines.plate._engine import SEARCH_RANGE, parameter
from overscan.core.engines.plate._keys import key_frames
from overscan.core.engines.plate._lights import KEPT_BYTES
from overscan.core.engines.plate._trials import trial_frames
from overscan.core.engines.plate.motion._proxy import LONGEST
from overscan.core.engines.plate.time._plan import plan_in_time
from overscan.core.errors import ErrorRecord, InvalidJobError
from overscan.core.jobs import ExtrasMode, Job, Task
from overscan.core.results import check_output, encoding
from overscan.core.shots import Shot, survey

PREPARE, ANALYSE, JOIN, LAY, TRY, IMAGINE, RENDER = "prepare", "analyse", "join", "lay", "try", "imagine", "render"
"""Kinds of steps."""

_NOT_FOLLOWED = {
    Task.CONTINUE: ("clean_plates",),
    Task.INTERPOLATE: ("source_frames", "never_copy", "clean_plates", "camera", "trajectories"),
}
"""Controls that frames beyond or between the plate's cannot follow."""
_PAIRS_PER_STEP = 16
_TRIALS_PER_STEP = 8
_KEYS_PER_STEP = 4
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
_IMAGINE_SECONDS = 4.0
"""A key frame, by the mean: most have little to imagine that none before had."""
_FOLLOW_SECONDS = 0.4
"""Following the pixels of a frame through time, whatever their number."""
_COPY_SECONDS_PER_MEGAPIXEL = 0.8
_CARRY_SECONDS_PER_MEGAPIXEL = 0.12
"""A frame: what is generated, and what is only read and written."""
_MATTES_LOOKED_AT = 3
_MOTION_BYTES_PER_PIXEL = 5
"""Motion of a frame to both neighbours, for each pixel of the picture it is measured on, and the thumbnail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWork:
    """What is done in the key frames."""

    title: str = "Imagining what no frame shows"
    cost: float = 4.0
    """Of a key frame, in rendered frames."""
    keys: int = _KEYS_PER_STEP
    """Key frames a step."""


def plan(job: Job, *, card: EngineCard, keys: KeyWork | None = None) -> Plan:
    """The plan of a job of the engine that `card` is of; without `keys`, what no frame shows is imagined."""
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
    problems += _half_followed(job, card)
    if shot.adds_frames:
        problems += _not_followed(job)
        return plan_in_time(shot, problems, (*found.warnings, *notices), reach=search_range(job))
    return _feasible(shot, problems, (*found.warnings, *notices), keys or KeyWork())


def _not_followed(job: Job) -> list[ErrorRecord]:
    """Controls that are set, and that new frames in time cannot follow: to leave them out in silence would be worse."""
    return [
        InvalidJobError(
            f"'{name}' is for set extension and removal; '{job.kind.value}' cannot follow it.",
            next_step="Leave it out.",
            field=f"controls.{name}",
        ).record
        for name in _NOT_FOLLOWED.get(job.kind, ())
        if getattr(job.controls, name)
    ]


def _half_followed(job: Job, card: EngineCard) -> list[ErrorRecord]:
    """A camera that is to be followed in part: this engine follows one strictly or not at all."""
    camera = job.controls.camera
    if camera is None or camera.strength == 1:
        return []
    return [
        InvalidJobError(
            f"the engine '{card.name}' follows a camera strictly or not at all.",
            next_step="Leave the strength out.",
            field="controls.camera.strength",
            expected="1",
            actual=f"{camera.strength:g}",
        ).record
    ]


def _feasible(shot: Shot, problems: list[ErrorRecord], warnings: tuple[Notice, ...], keys: KeyWork) -> Plan:
    layout, first = shot.layout, shot.render[0]
    pixels = shot.coverage(first).width * shot.coverage(first).height
    plate_pixels = shot.data_window(first).width * shot.data_window(first).height
    made, most = _generated_pixels(shot)
    bytes_per_pixel = sum(channel.dtype.itemsize for channel in shot.header(first).channels)
    extras = 24 if shot.job.output.extras is not ExtrasMode.NONE else 0
    chunk = frames_per_step(most)
    kept = min(KEPT_BYTES, len(shot.frames) * plate_pixels * bytes_per_pixel) if made else 0
    seconds = len(shot.render) * pixels * _CARRY_SECONDS_PER_MEGAPIXEL / 1e6
    if made:
        count = len(shot.frames)
        seconds += count * _ANALYSE_SECONDS + len(trial_frames(count)) * _TRY_SECONDS
        seconds += len(key_frames(count)) * _IMAGINE_SECONDS
        seconds += len(shot.render) * (_FOLLOW_SECONDS + made * _COPY_SECONDS_PER_MEGAPIXEL / 1e6)
    return Plan(
        problems=tuple(problems),
        warnings=warnings,
        steps=tuple(_steps(shot, chunk, keys)),
        frames=shot.render,
        display_window=layout.display_window,
        data_window=layout.in_result(shot.coverage(first)),
        plate_offset=layout.offset,
        generated_fraction=made / pixels,
        estimate=Estimate(
            memory_bytes=_BASE_BYTES + pixels * (120 + 3 * bytes_per_pixel) + chunk * most * _TRACE_BYTES + kept,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Steps of one kind."""

    kind: str
    title: str
    frames: Sequence[int]
    size: int
    """Frames a step."""
    cost: float
    """Of a frame, in rendered frames."""
    in_order: bool = False
    """Whether each step needs the one before it."""


def _stages(shot: Shot, chunk: int, key_work: KeyWork) -> Iterator[_Stage]:
    """What there is to do. All but rendering is about the whole shot, whichever frames are rendered: so that these
    do not depend on how the job is cut."""
    frames = shot.frames
    yield _Stage(kind=ANALYSE, title="Measuring motion", frames=frames[:-1], size=_PAIRS_PER_STEP, cost=0.35)
    if len(frames) > 1:
        yield _Stage(kind=JOIN, title="Joining up the camera", frames=frames, size=len(frames), cost=0.1)
        trials = [frames[trial] for trial in trial_frames(len(frames))]
        yield _Stage(kind=TRY, title="Trying out on hidden parts", frames=trials, size=_TRIALS_PER_STEP, cost=0.6)
    keys = [frames[key] for key in key_frames(len(frames))]
    if shot.clean_plates:
        cost = 0.2 * (1 + len(shot.clean_plates))
        yield _Stage(kind=LAY, title="Laying clean plates over", frames=keys, size=len(keys), cost=cost)
    yield _Stage(
        kind=IMAGINE,
        title=key_work.title,
        frames=keys,
        size=key_work.keys,
        cost=key_work.cost,
        in_order=True,
    )
    yield _Stage(kind=RENDER, title="Rendering", frames=shot.render, size=chunk, cost=1.0)


def _steps(shot: Shot, chunk: int, keys: KeyWork) -> Iterator[Step]:
    stages = list(_stages(shot, chunk, keys))
    total = _PREPARE_COST + sum(stage.cost * len(stage.frames) for stage in stages)
    yield Step(id=PREPARE, kind=PREPARE, title="Looking at the shot", weight=_PREPARE_COST / total)
    before: tuple[str, ...] = (PREPARE,)
    for stage in stages:
        made: list[str] = []
        for at in range(0, len(stage.frames), stage.size):
            some = tuple(stage.frames[at : at + stage.size])
            needs = (*before, *made[-1:]) if stage.in_order else before
            made.append(f"{stage.kind}-{at // stage.size:04d}")
            yield Step(
                id=made[-1],
                kind=stage.kind,
                title=stage.title,
                frames=some,
                needs=needs,
                weight=stage.cost * len(some) / total,
            )
        # A stage needs all steps of the ones before it.
        before += tuple(made)


def search_range(job: Job) -> int:
    """The job's search range in frames."""
    return int(parameter(job, SEARCH_RANGE))
