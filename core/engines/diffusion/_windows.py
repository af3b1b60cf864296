"""Cuts the frames of a job into windows of lengths that a model can paint. Pure counting: no pixels, no files."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from overscan.core.engines.diffusion._family import Lattice
from overscan.core.errors import InvalidJobError

_FINEST = 1 << 16
"""Largest denominator of a time between two frames: more are what rounding makes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One frame of a window, as the model sees it."""

    frame: int | None
    """Its number in the result; None where what is painted is thrown away."""
    plate: int | None = None
    """The plate frame that is given here, whole."""
    copies: int | None = None
    """The slot that this one repeats, to fill the window up."""

    @property
    def thrown_away(self) -> bool:
        """Whether nothing of it is kept."""
        return self.frame is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintWindow:
    """Frames that are painted at once."""

    index: int
    slots: tuple[Slot, ...]
    """In the order in which they are painted; as many as the lattice allows."""
    before: int | None = None
    """Index of the window that this one goes on from."""
    taken: int = 0
    """Slots at the beginning that `before` has painted, and that are given to this one."""
    fade: int = 0
    """Slots, the last of those taken, over which this window takes over from the one before."""
    backwards: bool = False
    """Whether the slots run against time."""

    @property
    def frames(self) -> tuple[int, ...]:
        """Numbers in the result of the frames that are kept of it, in the order of the slots."""
        return tuple(slot.frame for slot in self.slots if slot.frame is not None)

    def slot(self, frame: int) -> int | None:
        """Where a frame is, by its number in the result."""
        return next((at for at, slot in enumerate(self.slots) if slot.frame == frame), None)

    def share(self, slot: int) -> float:
        """How much of a slot's frame is this window's, beside the one before: 0 to 1."""
        if slot >= self.taken:
            return 1.0
        into = slot - (self.taken - self.fade)
        return 0.0 if into < 0 else (into + 1) / (self.fade + 1)


def fitting(count: int, lattice: Lattice) -> int:
    """The smallest number of frames on the lattice that holds `count`."""
    steps = max(0, math.ceil((count - lattice.offset) / lattice.frames))
    return max(1, lattice.offset + steps * lattice.frames)


def largest(count: int, lattice: Lattice) -> int:
    """The largest number of frames on the lattice that is at most `count`, or the smallest that there is."""
    steps = (count - lattice.offset) // lattice.frames
    found = lattice.offset + steps * lattice.frames
    return found if found >= 1 else fitting(1, lattice)


def windows_over(
    frames: Sequence[int], *, lattice: Lattice, length: int, overlap: int, may_repeat: bool
) -> list[PaintWindow]:
    """Windows of at most `length` over frames of which each is partly known.

    Every window but the first begins with `overlap` frames of the one before, or more: the last one is moved back in
    place of being filled up, if it `may_repeat` what more than that has been painted.
    """
    return _chained([Slot(frame=frame) for frame in frames], lattice, length, overlap, may_repeat)


def windows_beyond(
    given: Sequence[int],
    new: Sequence[int],
    *,
    lattice: Lattice,
    length: int,
    overlap: int,
    may_repeat: bool,
    backwards: bool,
    first: int = 0,
) -> list[PaintWindow]:
    """Windows over `new` frames that go on from `given` plate frames, both in the order in which they are painted.

    `first` is the index of the first window.
    """
    slots = [Slot(frame=None, plate=frame) for frame in given] + [Slot(frame=frame) for frame in new]
    return _chained(slots, lattice, length, overlap, may_repeat, backwards=backwards, first=first)


def window_between(
    plate: tuple[int, int], times: Sequence[tuple[int, float]], *, lattice: Lattice, length: int, index: int
) -> PaintWindow:
    """The window over the gap between two plate frames; `times` are new frames with their times in the plate's numbers.

    Raises `InvalidJobError` where no window of at most `length` frames has a frame at each of these times.
    """
    before, after = plate
    parts = [Fraction((time - before) / (after - before)).limit_denominator(_FINEST) for _, time in times]
    step = math.lcm(*(part.denominator for part in parts))
    steps = math.lcm(step, lattice.frames)
    if lattice.frames > 1 and lattice.offset % lattice.frames != 1:
        steps = next(
            (many for many in range(step, length, step) if (many + 1 - lattice.offset) % lattice.frames == 0), 0
        )
    if not steps or steps + 1 > length:
        names = ", ".join(f"{time:g}" for _, time in times[:4])
        raise InvalidJobError(
            f"the times {names} between frames {before} and {after} lie on no grid of the model's, which makes at most "
            f"{max(0, length - 2)} frames between two.",
            next_step="Ask for fewer frames between, for times that are simple fractions, or use `plate`.",
            field="interpolate",
        )
    slots = [Slot(frame=None) for _ in range(steps + 1)]
    slots[0], slots[-1] = Slot(frame=None, plate=before), Slot(frame=None, plate=after)
    for (number, _), part in zip(times, parts, strict=True):
        slots[int(part * steps)] = Slot(frame=number)
    return PaintWindow(index=index, slots=tuple(slots))


def _chained(
    slots: list[Slot],
    lattice: Lattice,
    length: int,
    overlap: int,
    may_repeat: bool,
    *,
    backwards: bool = False,
    first: int = 0,
) -> list[PaintWindow]:
    most = largest(length, lattice)
    overlap = min(overlap, most - 1)
    made: list[PaintWindow] = []
    done = 0
    while done < len(slots):
        start = max(0, done - overlap) if made else 0
        some = min(most, fitting(len(slots) - start, lattice))
        missing = start + some - len(slots)
        if missing > 0 and may_repeat:
            start = max(0, start - missing)
        own = slots[start : start + some]
        taken = done - start if made else 0
        # A model that goes on from few frames must not come upon them again among those that fill up.
        known = 0 if may_repeat else max(taken, sum(slot.plate is not None for slot in own))
        copies = _reflected(known, len(own), some - len(own))
        filled = [*own, *(Slot(frame=None, copies=copied) for copied in copies)]
        made.append(
            PaintWindow(
                index=first + len(made),
                slots=tuple(filled),
                before=first + len(made) - 1 if made else None,
                taken=taken,
                fade=min(overlap, taken),
                backwards=backwards,
            )
        )
        done = start + len(own)
    return made


def _reflected(first: int, count: int, more: int) -> list[int]:
    """Indices that go on after `count` frames by going back and forth through them, but for those before `first`."""
    last = count - 1
    to_and_fro = itertools.cycle([*range(last - 1, first, -1), *range(first, count)] if last > first else [last])
    return list(itertools.islice(to_and_fro, more))
