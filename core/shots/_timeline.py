"""Which frames a result has, and when they are; see docs/decisions/0009-numbers-of-frames-that-the-plate-has-not.md."""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass

from overscan.core.errors import FrameRangeError, InvalidJobError
from overscan.core.frames import format_frames
from overscan.core.jobs import AnyTask, Continue, Interpolate, Job
from overscan.core.plates import Sequence

_MOST_NEW = 10_000
"""New frames in one job: a typing error must not plan months of work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One frame of a result."""

    frame: int
    """Its number in the result."""
    time: float
    """When it is, in the plate's frame numbers."""
    plate: int | None
    """The plate frame that it is; None where the plate has none at this time."""
    like: int
    """The plate frame nearest in time, the earlier one of two: what is not pictures is taken from there."""


def moments(job: Job, plate: Sequence) -> tuple[Moment, ...]:
    """All frames of the result of `job` on `plate`, ascending by number, whatever `job.frames` asks for.

    Raises `FrameRangeError` or `InvalidJobError` where the task asks for no frame, or for one that cannot be made.
    """
    if isinstance(job.task, Continue):
        return _continued(job.task, plate)
    if isinstance(job.task, Interpolate):
        return _interpolated(job.task, plate)
    return tuple(_own(frame) for frame in plate.frames)


def adds_frames(task: AnyTask) -> bool:
    """Whether the task makes frames that the plate has not."""
    return isinstance(task, Continue | Interpolate)


def spacing(plate: Sequence) -> int:
    """Distance between neighbouring frame numbers; the smallest where they differ, 1 for a single frame."""
    return min((after - before for before, after in itertools.pairwise(plate.frames)), default=1)


def _own(frame: int) -> Moment:
    return Moment(frame=frame, time=float(frame), plate=frame, like=frame)


def _continued(task: Continue, plate: Sequence) -> tuple[Moment, ...]:
    if min(task.head, task.tail) < 0 or not task.head + task.tail:
        raise InvalidJobError(
            f"a continuation of {task.head} frames before and {task.tail} after adds nothing.",
            next_step="Give --head or --tail, in frames.",
            field="continue",
        )
    _require_few(task.head + task.tail, field="continue")
    step, first, last = spacing(plate), plate.frames[0], plate.frames[-1]
    before = range(first - task.head * step, first, step)
    after = range(last + step, last + task.tail * step + 1, step)
    return (
        *(Moment(frame=frame, time=float(frame), plate=None, like=first) for frame in before),
        *(_own(frame) for frame in plate.frames),
        *(Moment(frame=frame, time=float(frame), plate=None, like=last) for frame in after),
    )


def _interpolated(task: Interpolate, plate: Sequence) -> tuple[Moment, ...]:
    if len(plate.frames) < 2:
        raise InvalidJobError(
            "in-betweens need two frames, and the plate has one.",
            next_step="Give a plate of at least two frames.",
            path=plate.pattern,
            field="plate",
            expected="2 frames or more",
            actual=format_frames(plate.frames),
        )
    if (task.between is not None) + (task.times is not None) != 1:
        raise InvalidJobError(
            "in-betweens need exactly one of a number for each gap, or times.",
            next_step="Give --between or --times.",
            field="interpolate",
        )
    times = _between(task.between, plate) if task.between is not None else _given(task.times or (), plate)
    numbered = task.times is not None and all(time.is_integer() for time in times) and _ascends(times)
    first = plate.frames[0]
    return tuple(_at(time, plate, frame=int(time) if numbered else first + place) for place, time in enumerate(times))


def _between(count: int, plate: Sequence) -> tuple[float, ...]:
    if count < 1:
        raise InvalidJobError(
            f"{count} new frames between neighbours add nothing.",
            next_step="Give at least 1.",
            field="interpolate.between",
            expected="1 or more",
            actual=str(count),
        )
    _require_few(count * (len(plate.frames) - 1), field="interpolate.between")
    times = [
        before + (after - before) * part / (count + 1)
        for before, after in itertools.pairwise(plate.frames)
        for part in range(count + 1)
    ]
    return (*times, float(plate.frames[-1]))


def _given(times: tuple[float, ...], plate: Sequence) -> tuple[float, ...]:
    if not times:
        raise InvalidJobError(
            "the job asks for no in-betweens.", next_step="Give at least one time.", field="interpolate.times"
        )
    _require_few(len(times), field="interpolate.times")
    first, last = plate.frames[0], plate.frames[-1]
    outside = [time for time in times if not first <= time <= last]  # true for what is no number, too
    if outside:
        raise FrameRangeError(
            f"the time {time_text(outside[0])} is not within the plate, which runs from {first} to {last}.",
            next_step="Ask for times of the plate. New frames before or after it are the task `continue`.",
            path=plate.pattern,
            field="interpolate.times",
            expected=f"{first} to {last}",
            actual=time_text(outside[0]),
        )
    return tuple(float(time) for time in times)


def _at(time: float, plate: Sequence, *, frame: int) -> Moment:
    after = bisect.bisect_left(plate.frames, time)
    around = plate.frames[max(0, after - 1) : after + 1]
    like = min(around, key=lambda number: abs(number - time))
    return Moment(frame=frame, time=time, plate=like if like == time else None, like=like)


def _ascends(times: tuple[float, ...]) -> bool:
    return all(before < after for before, after in itertools.pairwise(times))


def _require_few(count: int, *, field: str) -> None:
    if count > _MOST_NEW:
        raise InvalidJobError(
            f"the job asks for {count} new frames.",
            next_step=f"Ask for {_MOST_NEW} at most.",
            field=field,
            expected=f"at most {_MOST_NEW}",
            actual=str(count),
        )


def time_text(time: float) -> str:
    """A time as people write it: ``1001.5``, and ``1001`` for a whole frame."""
    return str(int(time)) if math.isfinite(time) and float(time).is_integer() else repr(float(time))
