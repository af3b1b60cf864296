"""Cuts a job that makes new frames in time into steps, and says what they will take."""

from __future__ import annotations

from collections.abc import Iterator

from overscan.core.engines._protocol import Estimate, Notice, Plan, Step
from overscan.core.engines.plate._quality import quality_of
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import ExtrasMode, Interpolate, Task
from overscan.core.results import encoding
from overscan.core.shots import Shot

PREPARE, ANALYSE, GRAIN, FOLLOW, RENDER = "prepare", "analyse", "grain", "follow", "render"
"""Kinds of steps."""

_PAIRS_PER_STEP = 16
_MOST_FRAMES_PER_STEP = 8
_FRAME_BYTES = 72
"""Memory that a pixel takes while its frame is made."""
_FRAMES_BUDGET = 500 << 20
_BASE_BYTES = 450 << 20
"""Memory of a worker before it holds any picture."""
_PAIR_SECONDS, _GRAIN_SECONDS, _FOLLOW_SECONDS = 0.35, 2.0, 10.0
_NEW_SECONDS_PER_MEGAPIXEL = 0.9
_CARRY_SECONDS_PER_MEGAPIXEL = 0.12
_LIGHT_COST = 0.15
"""What a frame that is only read and written costs, in new frames."""


def plan_in_time(shot: Shot, problems: list[ErrorRecord], warnings: tuple[Notice, ...], *, reach: int) -> Plan:
    """The plan of a job whose result has other frames than the plate. `reach` is how many frames are looked back."""
    like = shot.moments[shot.render[0]].like
    cover = shot.coverage(like)
    pixels = cover.width * cover.height
    bytes_per_pixel = sum(channel.dtype.itemsize for header in shot.headers[like] for channel in header.channels)
    extras = 24 if shot.job.output.extras is not ExtrasMode.NONE else 0
    new = shot.new_frames
    pairs = analysed_pairs(shot, reach=reach)
    seconds = (len(shot.render) * _CARRY_SECONDS_PER_MEGAPIXEL + len(new) * _NEW_SECONDS_PER_MEGAPIXEL) * pixels / 1e6
    seconds += len(pairs) * _PAIR_SECONDS + len(ends(shot)) * _FOLLOW_SECONDS + measures_grain(shot) * _GRAIN_SECONDS
    together = 1 if isinstance(shot.job.task, Interpolate) else frames_together(pixels)
    return Plan(
        problems=tuple(problems),
        warnings=warnings,
        steps=tuple(_steps(shot, pairs)),
        frames=shot.render,
        new_frames=new,
        display_window=shot.layout.display_window,
        data_window=cover,
        generated_fraction=len(new) / len(shot.render),
        estimate=Estimate(
            memory_bytes=_BASE_BYTES + pixels * (120 + 3 * bytes_per_pixel) + together * pixels * _FRAME_BYTES,
            seconds=seconds,
            output_bytes=len(shot.render) * pixels * (bytes_per_pixel + extras // 4),
            work_bytes=len(pairs) * min(pixels, 960 * 540) * 5 + (16 << 20) * len(ends(shot)),
        ),
        colour_space=shot.space.name,
        encoding=encoding(shot),
    )


def frames_together(pixels: int) -> int:
    """New frames of so many pixels that are made at once, so that each source is read once."""
    return max(1, min(_MOST_FRAMES_PER_STEP, _FRAMES_BUDGET // (pixels * _FRAME_BYTES)))


def ends(shot: Shot) -> tuple[int, ...]:
    """The ends of the shot that go on: +1 the end, -1 the beginning."""
    if shot.job.kind is not Task.CONTINUE:
        return ()
    new = shot.new_frames
    return tuple(
        direction
        for direction, goes_on in ((-1, new and new[0] < shot.frames[0]), (1, new and new[-1] > shot.frames[-1]))
        if goes_on
    )


def analysed_pairs(shot: Shot, *, reach: int) -> list[int]:
    """The pairs of neighbours, by index of the first, whose motion the job needs before it renders."""
    last = len(shot.frames) - 1
    near = {-1: range(min(reach, last)), 1: range(max(0, last - reach), last)}
    return sorted({pair for direction in ends(shot) for pair in near[direction]})


def measures_grain(shot: Shot) -> bool:
    """Whether grain is measured over the whole shot: for in-betweens. The ends of a shot measure their own."""
    return bool(shot.new_frames) and isinstance(shot.job.task, Interpolate) and quality_of(shot.job).grain


def _steps(shot: Shot, pairs: list[int]) -> Iterator[Step]:
    new = set(shot.new_frames)
    per_step = frames_together(_pixels(shot))
    chunks = [shot.render[at : at + per_step] for at in range(0, len(shot.render), per_step)]
    costs = [sum(1.0 if frame in new else _LIGHT_COST for frame in chunk) for chunk in chunks]
    total = 1.0 + 0.35 * len(pairs) + 2.0 * measures_grain(shot) + 10.0 * len(ends(shot)) + sum(costs)
    yield Step(id=PREPARE, kind=PREPARE, title="Looking at the shot", weight=1.0 / total)
    before: tuple[str, ...] = (PREPARE,)
    for at in range(0, len(pairs), _PAIRS_PER_STEP):
        some = tuple(shot.frames[pair] for pair in pairs[at : at + _PAIRS_PER_STEP])
        name = f"{ANALYSE}-{at // _PAIRS_PER_STEP:04d}"
        yield Step(
            id=name,
            kind=ANALYSE,
            title="Measuring motion",
            frames=some,
            needs=(PREPARE,),
            weight=0.35 * len(some) / total,
        )
        before += (name,)
    followed = before
    if measures_grain(shot):
        yield Step(
            id=GRAIN, kind=GRAIN, title="Measuring grain", frames=shot.frames[:1], needs=before, weight=2.0 / total
        )
        followed += (GRAIN,)
    for direction in ends(shot):
        name, frame = (f"{FOLLOW}-tail", shot.frames[-1]) if direction > 0 else (f"{FOLLOW}-head", shot.frames[0])
        title = "Following the background"
        yield Step(id=name, kind=FOLLOW, title=title, frames=(frame,), needs=before, weight=10.0 / total)
        followed += (name,)
    for number, (chunk, cost) in enumerate(zip(chunks, costs, strict=True)):
        yield Step(
            id=f"{RENDER}-{number:04d}",
            kind=RENDER,
            title="Rendering",
            frames=chunk,
            needs=followed,
            weight=cost / total,
        )


def _pixels(shot: Shot) -> int:
    cover = shot.coverage(shot.frames[0])
    return cover.width * cover.height
