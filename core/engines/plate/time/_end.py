"""One end of a shot: what is measured there, kept in files, and the frames that come beyond it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from overscan.core.engines._protocol import Notice
from overscan.core.engines.plate._address_map import AddressMap, load_map, save_map
from overscan.core.engines.plate._engine import FILL, parameter
from overscan.core.engines.plate._measured import Measured, measure_shot
from overscan.core.engines.plate._pictures import Pictures
from overscan.core.engines.plate._quality import quality_of
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._path_notices import path_notices
from overscan.core.engines.plate.time._beyond import find_background, synthesise_rest
from overscan.core.engines.plate.time._calm import Calm, calmed
from overscan.core.engines.plate.time._continue import STILL, Continuation
from overscan.core.engines.plate.time._loop import Loop, find_loop, moves_much
from overscan.core.frames import format_frames
from overscan.core.results import Generated
from overscan.core.shots import Shot

_MAP = "background.npz"


def near_end(shot: Shot, *, direction: int, reach: int) -> Shot:
    """The last `reach` frames of a shot before its last (the first after its first, where `direction` is -1), and that.

    What comes beyond depends on these alone: a long shot costs no more than a short one.
    """
    frames = shot.frames[-reach - 1 :] if direction > 0 else shot.frames[: reach + 1]
    return replace(shot, plate=replace(shot.plate, frames=frames))


class End:
    """One end of a shot of which `near_end` has left what matters."""

    def __init__(self, *, shot: Shot, store: MotionStore, direction: int, longest: int, folder: Path) -> None:
        """`direction` is +1 for the end and -1 for the beginning; `folder` is for what is found out."""
        self._shot = shot
        self._store = store
        self._direction = direction
        self._longest = longest
        self._folder = folder
        self._quality = quality_of(shot.job)
        self._kept_calm: Calm | None = None

    def follow(self, *, threads: int, tick: Callable[[], None]) -> list[Notice]:
        """Measure this end and make the map of its background; what an artist should know of it."""
        shot, job = self._shot, self._shot.job
        self._folder.mkdir(parents=True, exist_ok=True)
        measured = measure_shot(shot=shot, store=self._store, grain=self._quality.grain, threads=threads, tick=tick)
        measured.save(self._folder)
        anchor = self._continuation.anchor
        found = find_background(
            shot=shot,
            store=self._store,
            maker=self._maker,
            measured=self._measured,
            pictures=self._pictures,
            anchor=anchor,
            direction=-self._direction,
            reach=len(shot.frames),
            tick=tick,
        )
        if parameter(job, FILL) == "synthesise":
            synthesise_rest(
                found,
                shot=shot,
                store=self._store,
                pictures=self._pictures,
                measured=self._measured,
                anchor=anchor,
                seed=job.seed,
                rounds=self._quality.rounds,
                tick=tick,
            )
        save_map(found, self._folder / _MAP)
        return list(self._notices())

    def make(self, frames: Sequence[int], tick: Callable[[], None]) -> Iterator[Generated]:
        """New frames at this end, by their numbers in the result."""
        return self._continuation.make(
            frames,
            background=self._background,
            calm=self._calm(tick),
            maker=self._maker,
            leave_empty=parameter(self._shot.job, FILL) == "none",
            tick=tick,
        )

    def _notices(self) -> Iterator[Notice]:
        shot = self._shot
        if len(shot.frames) < 2:
            return
        yield from path_notices(self._measured.path, self._store, shot.frames)
        last = shot.frames[self._continuation.anchor]
        if self._loop is not None:
            shown = format_frames(sorted(shot.frames[frame] for frame in self._loop.frames))
            yield Notice(
                code="MOVERS_LOOPED",
                message=f"What moves by itself at frame {last} goes on as frames {shown}, again and again: frame "
                f"{last} looks like the one before them.",
                frame=last,
            )
        elif self._longest >= STILL and moves_much(self._store, direction=self._direction):
            yield Notice(
                code="MOVERS_HELD",
                message=f"What moves by itself at frame {last} goes on for a few frames and is then held still: no "
                "other frame looks alike enough to go on from. Use no more than the first five new frames, or paint "
                "it.",
                frame=last,
            )

    def _calm(self, tick: Callable[[], None]) -> Calm:
        if self._kept_calm is None:
            self._kept_calm = calmed(
                shot=self._shot,
                store=self._store,
                maker=self._maker,
                measured=self._measured,
                anchor=self._continuation.anchor,
                direction=-self._direction,
                tick=tick,
            )
        return self._kept_calm

    @cached_property
    def _measured(self) -> Measured:
        return Measured.load(self._folder)

    @cached_property
    def _loop(self) -> Loop | None:
        if self._longest <= 1 or len(self._shot.frames) < 2:
            return None
        return find_loop(store=self._store, path=self._measured.path, direction=self._direction)

    @cached_property
    def _continuation(self) -> Continuation:
        return Continuation(
            shot=self._shot,
            store=self._store,
            measured=self._measured,
            loop=self._loop,
            direction=self._direction,
            longest=self._longest,
        )

    @cached_property
    def _maker(self) -> FieldMaker:
        return FieldMaker(store=self._store, canvas=self._continuation.canvas(), path=self._measured.path)

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(
            shot=self._shot, store=self._store, canvas=self._continuation.canvas(), longest=self._quality.imagined
        )

    @cached_property
    def _background(self) -> AddressMap:
        return load_map(self._folder / _MAP, lattice=self._pictures.lattice)
