"""The windows of a job, from the shot and the model's lattice alone: a plan and every step count them out anew."""

from __future__ import annotations

from collections.abc import Mapping

from overscan.core.engines.diffusion._family import FamilyCard, Lattice
from overscan.core.engines.diffusion._parameters import frames_of, overlap_of
from overscan.core.engines.diffusion._windows import (
    PaintWindow,
    fitting,
    largest,
    window_between,
    windows_beyond,
    windows_over,
)
from overscan.core.errors import InvalidJobError
from overscan.core.jobs import ParameterValue, Task
from overscan.core.shots import Shot


def windows_of(
    shot: Shot, *, card: FamilyCard, lattice: Lattice, values: Mapping[str, ParameterValue]
) -> tuple[PaintWindow, ...]:
    """All windows of the job on `shot`, by index; raises `InvalidJobError` where one would be too short."""
    length, overlap = frames_of(values, lattice), overlap_of(values, card, lattice)
    # A model that goes on from its first frame alone would contradict the others that are painted already.
    may_repeat = card.given_most is None
    kind = shot.job.kind
    if kind is Task.CONTINUE:
        if largest(length, lattice) < 2:
            raise InvalidJobError(
                "a window of one frame goes on from nothing.",
                next_step=f"Leave `window` at 0, or ask for {fitting(2, lattice)} frames or more.",
                field="parameters.window",
                expected=f"at least {fitting(2, lattice)}",
                actual=str(length),
            )
        return tuple(_beyond(shot, lattice, length, max(1, overlap), may_repeat))
    if kind is Task.INTERPOLATE:
        return tuple(_between(shot, lattice, length))
    return tuple(windows_over(shot.render, lattice=lattice, length=length, overlap=overlap, may_repeat=may_repeat))


def _beyond(shot: Shot, lattice: Lattice, length: int, overlap: int, may_repeat: bool) -> list[PaintWindow]:
    """Both ends; the beginning against time. Frames that are not rendered but lie between are painted all the same."""
    first, last = shot.frames[0], shot.frames[-1]
    everything = sorted(moment.frame for moment in shot.moments.values() if moment.plate is None)
    wanted = shot.new_frames
    found: list[PaintWindow] = []
    after = [frame for frame in everything if frame > last and frame <= max(wanted, default=last)]
    before = [frame for frame in everything if frame < first and frame >= min(wanted, default=first)]
    for new, given, backwards in (
        (after, shot.frames[-overlap:], False),
        (before[::-1], shot.frames[:overlap][::-1], True),
    ):
        if new:
            found += windows_beyond(
                given,
                new,
                lattice=lattice,
                length=length,
                overlap=overlap,
                may_repeat=may_repeat,
                backwards=backwards,
                first=len(found),
            )
    return found


def _between(shot: Shot, lattice: Lattice, length: int) -> list[PaintWindow]:
    """A window for each gap, and another one where a time is asked for twice."""
    gaps: dict[tuple[int, int, int], dict[float, int]] = {}
    for frame in shot.new_frames:
        before, after = shot.around(frame)
        time, turn = shot.moments[frame].time, 0
        while time in gaps.get((before, after, turn), {}):
            turn += 1
        gaps.setdefault((before, after, turn), {})[time] = frame
    return [
        window_between(
            (before, after),
            [(frame, time) for time, frame in times.items()],
            lattice=lattice,
            length=length,
            index=index,
        )
        for index, ((before, after, _), times) in enumerate(sorted(gaps.items()))
    ]
