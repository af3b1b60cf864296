"""Which of a window's given frames a pipeline is shown, where it takes pictures and clips at frame numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from overscan.core.engines.diffusion._family import Floats, PaintRequest
from overscan.core.jobs import Job, Task

_MOST_OF_A_RUN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture or clip of a window to go by."""

    start: int
    stop: int

    @property
    def frames(self) -> int:
        """How many."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a window is shown to go by."""

    clip: Shown | None
    """Given frames at its beginning."""
    stills: tuple[tuple[int, Floats, float], ...] = field(repr=False)
    """Single pictures: frame of the window, ascending, ``(H, W, 3)`` codes, and strength."""
    held: int
    """Latent frames that they hold from the first on, in the window's own latents."""

    @property
    def added(self) -> int:
        """Latent frames that the others are, beside the window's own."""
        return sum(at > 0 for at, _, _ in self.stills)


def conditions_of(request: PaintRequest, *, time: int) -> Conditions:
    """The given frames and the key frames of a window, where a latent stands for `time` frames."""
    clip = leading_clip(request.given, time=time)
    stills: dict[int, tuple[Floats, float]] = {}
    for run in further_runs(request.given, after=clip.stop if clip is not None else 0):
        for at in telling_frames(run, last=len(request.given) - 1):
            stills[at] = (request.video[at], 1.0)
    for keyframe in request.keyframes:
        if not request.given[keyframe.index]:
            stills[keyframe.index] = (keyframe.image, keyframe.strength)
    held = (clip.frames - 1) // time + 1 if clip is not None else int(0 in stills)
    return Conditions(
        clip=clip, stills=tuple((at, image, strength) for at, (image, strength) in sorted(stills.items())), held=held
    )


def stills_most(job: Job) -> int:
    """How many single pictures a window of a job is shown at the most, for estimates."""
    return len(job.controls.keyframes) + (_MOST_OF_A_RUN if job.kind in (Task.CONTINUE, Task.INTERPOLATE) else 0)


def leading_clip(given: Sequence[bool], *, time: int) -> Shown | None:
    """The longest clip of `time` * k + 1 given frames at the window's beginning; None where the first is not given."""
    run = next((at for at, is_given in enumerate(given) if not is_given), len(given))
    return Shown(start=0, stop=(run - 1) // time * time + 1) if run else None


def further_runs(given: Sequence[bool], *, after: int) -> list[Shown]:
    """Runs of given frames from frame `after` on."""
    runs: list[Shown] = []
    start: int | None = None
    for at in range(after, len(given) + 1):
        is_given = at < len(given) and given[at]
        if is_given and start is None:
            start = at
        elif not is_given and start is not None:
            runs.append(Shown(start=start, stop=at))
            start = None
    return runs


def telling_frames(run: Shown, *, last: int, most: int = _MOST_OF_A_RUN) -> list[int]:
    """Frames of a given run that say most of where a movement comes from and goes: next to the gaps, and their
    neighbours.

    `last` is the window's last frame: beyond it there is no gap. At most `most` of them, ascending.
    """
    near = [run.start, run.start + 1]
    if run.stop - 1 < last:
        near += [run.stop - 1, run.stop - 2]
    else:
        near += [run.stop - 1]
    inside: list[int] = []
    for at in near:
        if run.start <= at < run.stop and at not in inside:
            inside.append(at)
    return sorted(inside[:most])
