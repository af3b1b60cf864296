"""Cuts a job into steps, and says what they will take."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from overscan.core.engines._protocol import Estimate, Notice, Plan, Step
from overscan.core.engines.diffusion._area import Area, area_of, areas_round
from overscan.core.engines.diffusion._checks import ground_job, refused_controls
from overscan.core.engines.diffusion._family import Family, FamilyCard, Lattice
from overscan.core.engines.diffusion._looking import aspect_of, wrong_values
from overscan.core.engines.diffusion._model import choose_model, chosen_settings, unavailable
from overscan.core.engines.diffusion._parameters import (
    SOUND as SOUND_PARAMETER,
)
from overscan.core.engines.diffusion._parameters import (
    frames_of,
    overlap_of,
    pixels_of,
    values_of,
)
from overscan.core.engines.diffusion._sequence import windows_of
from overscan.core.engines.diffusion._steering import is_steered
from overscan.core.engines.diffusion._windows import PaintWindow, largest
from overscan.core.engines.plate import GroundLayer
from overscan.core.errors import ErrorRecord, InvalidJobError, OverscanError
from overscan.core.geometry import Window
from overscan.core.jobs import ExtrasMode, Inpaint, Job, ParameterValue, Task
from overscan.core.results import check_output, encoding
from overscan.core.shots import Shot, spacing, survey

LOOK, PAINT, FINISH, SOUND = "look", "paint", "finish", "sound"
"""Kinds of steps."""

_FRAMES_PER_STEP = 8
_FINISH_SHARE = 0.1
_LOOK_SHARE = 0.01
_BASE_BYTES = 450 << 20
_WINDOW_COPIES = 4
"""How often a window's pictures are in memory at once: shown, painted, both again while they are matched."""
_FRAME_BYTES = 120
"""Memory that a pixel of the plate takes while its frame is gathered or finished."""
_FINISH_SECONDS_PER_MEGAPIXEL = 1.2
_USUAL_RATE = 24.0
_MATTES_LOOKED_AT = 3


def plan(job: Job, *, family: Family, ground: GroundLayer | None) -> Plan:
    """The plan of a job; `ground` lays the groundwork of set extensions and removals."""
    card = family.card
    problems = _problems(job, card)
    if job.kind not in card.tasks:
        return Plan(problems=tuple(problems))
    missing = unavailable(card)
    values = values_of(job, card)
    problems += wrong_values(card, values)
    found = survey(job)
    if found.shot is None:
        return Plan(problems=(*found.problems, *problems), warnings=tuple(found.warnings))
    shot = found.shot
    if missing:
        return Plan(
            problems=(*problems, _not_installed(card, missing)),
            warnings=tuple(found.warnings),
        )
    chosen, refused = choose_model(job, family)
    problems += refused
    output_problems, notices = check_output(shot)
    problems += output_problems
    warnings = [*found.warnings, *notices, *_notices(shot, card, values, chosen.lattice)]
    guide_problems, guide_notices = _guides(shot, card)
    problems += guide_problems + _held_keyframes(shot)
    warnings += guide_notices
    try:
        windows = windows_of(shot, card=card, lattice=chosen.lattice, values=values)
    except OverscanError as error:
        return Plan(problems=(*problems, error.record), warnings=tuple(warnings))
    area = _expected_area(shot, chosen.lattice, values)
    frames = max((len(window.slots) for window in windows), default=1)
    seconds, memory = 0.0, 0
    if not problems and windows:
        choice = chosen_settings(
            chosen,
            family=family,
            job=job,
            values=values,
            frames=frames,
            width=area.padded_width,
            height=area.padded_height,
        )
        if choice is not None:
            problems += [choice.refusal] if choice.refusal is not None else []
            # A device's own memory is none of the machine's.
            on_this = chosen.device is not None and not chosen.device.separate
            seconds, memory = choice.seconds, choice.peak_bytes if on_this else 0
    outline = _outline(shot, windows, area, frames, window_seconds=seconds, model_bytes=memory)
    if ground is None or problems:
        steps = tuple(_own_steps(shot, windows, needs=(), share=1.0, sound=_sounds(card, values)))
        return replace(outline, problems=tuple(problems), warnings=tuple(warnings), steps=steps)
    return _grounded(outline, shot, windows, ground, warnings=warnings, sound=_sounds(card, values))


def _grounded(
    outline: Plan,
    shot: Shot,
    windows: Sequence[PaintWindow],
    ground: GroundLayer,
    *,
    warnings: list[Notice],
    sound: bool,
) -> Plan:
    """The plan with the plate engine's steps before its own."""
    laid = ground.plan(ground_job(shot.job), share=1.0)
    if not laid.feasible:
        return laid
    own = outline.estimate
    total = max(laid.estimate.seconds + own.seconds, 1e-9)
    share = min(0.9, max(0.05, laid.estimate.seconds / total))
    needs = tuple(step.id for step in laid.steps)
    steps = (
        *(replace(step, weight=step.weight * share) for step in laid.steps),
        *_own_steps(shot, windows, needs=needs, share=1 - share, sound=sound),
    )
    said = {notice.message for notice in warnings}
    return replace(
        outline,
        warnings=(*warnings, *(notice for notice in laid.warnings if notice.message not in said)),
        steps=steps,
        generated_fraction=laid.generated_fraction,
        data_window=laid.data_window,
        estimate=replace(
            own,
            memory_bytes=max(own.memory_bytes, laid.estimate.memory_bytes),
            seconds=own.seconds + laid.estimate.seconds,
            work_bytes=own.work_bytes + laid.estimate.work_bytes,
        ),
    )


def frame_rate_of(shot: Shot) -> float:
    """Frames per second: the job's, else the plate's own, else 24."""
    asked = shot.job.controls.frame_rate
    if asked:
        return float(asked)
    said = {name.lower(): value for name, value in shot.header(shot.frames[0]).attributes.items()}
    for name in ("framespersecond", "oiio:framespersecond", "framerate", "dpx:framerate"):
        value = said.get(name)
        rate = 0.0
        if isinstance(value, int | float):
            rate = float(value)
        elif isinstance(value, tuple | list) and len(value) == 2 and value[1]:
            rate = float(Fraction(int(value[0]), int(value[1])))
        if 1 <= rate <= 1000:
            return rate
    return _USUAL_RATE


def _problems(job: Job, card: FamilyCard) -> list[ErrorRecord]:
    if job.kind in card.tasks:
        return refused_controls(job, card)
    return [
        InvalidJobError(
            f"the engine '{card.name}' does not do '{job.kind.value}'.",
            next_step=f"It does: {', '.join(task.value for task in card.tasks)}.",
            field="task",
        ).record
    ]


def _not_installed(card: FamilyCard, missing: str) -> ErrorRecord:
    from overscan.core.errors import ModelsNotInstalledError

    return ModelsNotInstalledError(
        f"the engine '{card.name}' cannot run here: {missing}",
        next_step="Install Overscan with its extra `models`: `pip install '.[models]'` in its folder.",
        field="engine",
    ).record


def _guides(shot: Shot, card: FamilyCard) -> tuple[list[ErrorRecord], list[Notice]]:
    controls = shot.job.controls
    if not (is_steered(controls) or controls.keyframes or controls.references):
        return [], []
    from overscan.core.engines.diffusion.guides import check_guides

    return check_guides(shot, card=card)


def _held_keyframes(shot: Shot) -> list[ErrorRecord]:
    """Keyframes at frames that the plate has, where those stay as they are."""
    if not shot.adds_frames:
        return []
    return [
        InvalidJobError(
            f"the keyframe at {keyframe.frame} is at a frame of the plate, which stays as it is.",
            next_step="Put it at a frame that is to be made.",
            frame=keyframe.frame,
            field=f"controls.keyframes[{at}].frame",
        ).record
        for at, keyframe in enumerate(shot.job.controls.keyframes)
        if keyframe.frame in shot.moments and shot.moments[keyframe.frame].plate is not None
    ]


def _sounds(card: FamilyCard, values: Mapping[str, ParameterValue]) -> bool:
    return card.sound and bool(values.get(SOUND_PARAMETER.name))


def _notices(shot: Shot, card: FamilyCard, values: Mapping[str, ParameterValue], lattice: Lattice) -> Iterator[Notice]:
    wanted = frames_of(values, lattice)
    if shot.job.kind is not Task.INTERPOLATE and largest(wanted, lattice) != wanted:
        yield Notice(
            code="WINDOW_SHORTENED",
            message=f"Windows have {largest(wanted, lattice)} frames and not {wanted}: the model paints "
            f"{lattice.frames} n + {lattice.offset}.",
        )
    asked = values["overlap"]
    if int(asked) > overlap_of(values, card, lattice):
        yield Notice(
            code="OVERLAP_SHORTENED",
            message=f"Windows share {overlap_of(values, card, lattice)} frames and not {asked}: there is no room for "
            "more in their length, or the model goes on from no more.",
        )
    wide = spacing(shot.plate)
    render = shot.render
    if not shot.adds_frames and any(after - before != wide for before, after in itertools.pairwise(render)):
        yield Notice(
            code="FRAMES_APART",
            message="The frames to render are not neighbours. The model paints them as if they were: render the whole "
            "range for motion that is right.",
            frame=render[0],
        )
    if wide > 1:
        yield Notice(
            code="FRAMES_APART",
            message=f"The plate's frames are {wide} numbers apart. The model paints them as if they were neighbours.",
        )


def _expected_area(shot: Shot, lattice: Lattice, values: Mapping[str, ParameterValue]) -> Area:
    """The largest work area that is to be expected: of few mattes, not of all."""
    covers = [shot.coverage(shot.moments[frame].like) for frame in (shot.render[0], shot.render[-1])]
    canvas = covers[0].union(covers[1])
    pixels, aspect = pixels_of(values, lattice), aspect_of(shot)
    whole = area_of(canvas, lattice=lattice, pixels=pixels, aspect=aspect)
    if not isinstance(shot.job.task, Inpaint):
        return whole
    last = len(shot.render) - 1
    looked = sorted({shot.render[last * place // max(1, _MATTES_LOOKED_AT - 1)] for place in range(_MATTES_LOOKED_AT)})
    boxes = []
    for frame in looked:
        matte = shot.read_matte(frame)
        if matte is None or not (matte > 0).any():
            continue
        rows, columns = np.flatnonzero(matte.max(axis=1) > 0), np.flatnonzero(matte.max(axis=0) > 0)
        own = shot.data_window(frame)
        boxes.append(
            Window(
                x=own.x + int(columns[0]),
                y=own.y + int(rows[0]),
                width=int(columns[-1] - columns[0]) + 1,
                height=int(rows[-1] - rows[0]) + 1,
            )
        )
    if not boxes:
        return whole
    areas = areas_round(boxes, within=canvas, lattice=lattice, pixels=pixels, aspect=aspect)
    return max(areas, key=lambda area: area.padded_width * area.padded_height)


def _outline(
    shot: Shot,
    windows: Sequence[PaintWindow],
    area: Area,
    frames: int,
    *,
    window_seconds: float,
    model_bytes: int,
) -> Plan:
    cover = shot.coverage(shot.moments[shot.render[0]].like)
    pixels = cover.width * cover.height
    bytes_per_pixel = sum(channel.dtype.itemsize for channel in shot.header(shot.frames[0]).channels)
    extras = 24 if shot.job.output.extras is not ExtrasMode.NONE else 0
    painted = frames * area.padded_width * area.padded_height * 12
    return Plan(
        frames=shot.render,
        new_frames=shot.new_frames,
        display_window=shot.layout.display_window,
        data_window=shot.layout.in_result(cover),
        plate_offset=shot.layout.offset,
        generated_fraction=len(shot.new_frames) / len(shot.render),
        estimate=Estimate(
            memory_bytes=_BASE_BYTES + _WINDOW_COPIES * painted + 3 * pixels * _FRAME_BYTES + model_bytes,
            seconds=len(windows) * window_seconds + len(shot.render) * pixels * _FINISH_SECONDS_PER_MEGAPIXEL / 1e6,
            output_bytes=len(shot.render) * pixels * (bytes_per_pixel + extras // 4),
            work_bytes=len(windows) * painted,
        ),
        colour_space=shot.space.name,
        encoding=encoding(shot),
    )


def _own_steps(
    shot: Shot, windows: Sequence[PaintWindow], *, needs: tuple[str, ...], share: float, sound: bool
) -> Iterator[Step]:
    """Looking, painting and finishing, with weights that add up to `share`."""
    frames = shot.render
    chunks = [frames[at : at + _FRAMES_PER_STEP] for at in range(0, len(frames), _FRAMES_PER_STEP)]
    sizes = [len(window.slots) for window in windows]
    finish = _FINISH_SHARE if windows else 1 - _LOOK_SHARE
    paint = 1 - _LOOK_SHARE - finish - (0.01 if sound else 0)
    yield Step(id=LOOK, kind=LOOK, title="Looking at what is to be painted", needs=needs, weight=_LOOK_SHARE * share)
    for window, size in zip(windows, sizes, strict=True):
        before = () if window.before is None else (_paint_id(window.before),)
        yield Step(
            id=_paint_id(window.index),
            kind=PAINT,
            title="Painting window",
            frames=_read_for(shot, window),
            needs=(*needs, LOOK, *before),
            weight=paint * share * size / sum(sizes),
        )
    if sound:
        yield Step(
            id=SOUND,
            kind=SOUND,
            title="Joining up the sound",
            needs=(*needs, LOOK, *(_paint_id(window.index) for window in windows)),
            weight=0.01 * share,
        )
    for number, chunk in enumerate(chunks):
        shown = [window.index for window in windows if set(window.frames) & set(chunk)]
        yield Step(
            id=f"{FINISH}-{number:04d}",
            kind=FINISH,
            title="Finishing frames",
            frames=chunk,
            needs=(*needs, LOOK, *map(_paint_id, shown)),
            weight=finish * share * len(chunk) / len(frames),
        )


def _read_for(shot: Shot, window: PaintWindow) -> tuple[int, ...]:
    """Frames of the result that a window is made for, in ascending order."""
    return tuple(sorted(frame for frame in window.frames if frame in shot.moments))


def _paint_id(window: int) -> str:
    return f"{PAINT}-{window:04d}"
