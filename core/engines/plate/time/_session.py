"""Runs the steps of one job that makes new frames in time, in one worker, keeping what they share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property

import cv2

from overscan.core.engines._protocol import Context, Step
from overscan.core.engines.plate._plan import search_range
from overscan.core.engines.plate._spared import spared
from overscan.core.engines.plate.light._exposure import solve_exposure
from overscan.core.engines.plate.light._grain import GrainModel
from overscan.core.engines.plate.light._grain_of_shot import grain_of_shot
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import Stretch, measure_stretch, shot_window
from overscan.core.engines.plate.time._end import End, near_end
from overscan.core.engines.plate.time._interpolate import Inbetweener
from overscan.core.engines.plate.time._moments import MomentRenderer
from overscan.core.engines.plate.time._plan import ANALYSE, FOLLOW, GRAIN, PREPARE, RENDER
from overscan.core.errors import from_record
from overscan.core.jobs import Continue, Interpolate
from overscan.core.results import Composer, FrameCheck, Generated
from overscan.core.shots import Shot, survey
from overscan.core.temporaries import written_beside

_NAMES = {1: "tail", -1: "head"}
_GRAIN = "grain.npz"


class TimeSession:
    """One job, opened once."""

    def __init__(self, context: Context) -> None:
        """Open the shot; raises what stands in the way where its files have changed since the plan."""
        self._job = context.job
        self._work = context.work_folder
        self._cache = context.cache_folder
        found = survey(context.job)
        if found.shot is None:
            raise from_record(found.problems[0])
        self._shot: Shot = found.shot
        self._frugal = context.frugal
        self._threads = spared(os.cpu_count() or 1, frugal=context.frugal)
        self._ends: dict[int, End] = {}
        # DIS cuts its work by the number of threads, and its result with it: one thread a pair, several pairs at once.
        cv2.setNumThreads(1)

    def serves(self, step: Step, context: Context) -> bool:
        """Whether this session is about the context's job, and the files of the step's frames are what they were."""
        own = (self._job, self._work, self._cache, self._frugal)
        same = own == (context.job, context.work_folder, context.cache_folder, context.frugal)
        near = step.frames
        if step.kind == RENDER:
            near = tuple(own for frame in step.frames for own in self._shot.around(frame))
        return same and all(self._shot.unchanged(frame) for frame in near)

    def run(self, step: Step, context: Context) -> None:
        """Carry out one step."""
        run = {
            PREPARE: self._prepare,
            ANALYSE: self._analyse,
            GRAIN: self._measure_grain,
            FOLLOW: self._follow,
            RENDER: self._render,
        }
        run[step.kind](step, context)

    def _prepare(self, step: Step, context: Context) -> None:
        context.reporter.check_cancelled()
        context.reporter.progress(fraction=0.0, message=step.title)
        facts = asdict(measure_stretch(self._shot)) if self._shot.new_frames else {}
        with written_beside(self._work / "shot.json") as temporary:
            temporary.write_text(json.dumps(facts))

    def _analyse(self, step: Step, context: Context) -> None:
        index = {frame: position for position, frame in enumerate(self._shot.frames)}
        pairs = [index[frame] for frame in step.frames]
        for done in range(0, len(pairs), self._threads):
            context.reporter.check_cancelled()
            context.reporter.progress(fraction=done / len(pairs), message=step.title)
            self._store.prepare(pairs[done : done + self._threads], threads=self._threads)

    def _measure_grain(self, step: Step, context: Context) -> None:
        context.reporter.progress(fraction=0.0, message=step.title)
        tick = context.reporter.check_cancelled
        canvas = shot_window(self._shot)
        maker = FieldMaker(store=self._store, canvas=canvas)
        nothing = solve_exposure(
            {},
            frames=len(self._shot.frames),
            channels=len(self._shot.colours),
            display=self._shot.header(self._shot.frames[0]).display_window,
        )
        grain = grain_of_shot(shot=self._shot, store=self._store, maker=maker, exposure=nothing, tick=tick)
        grain.save(self._work / _GRAIN)

    def _follow(self, step: Step, context: Context) -> None:
        direction = 1 if step.frames[0] == self._shot.frames[-1] and step.id.endswith(_NAMES[1]) else -1
        passed, expected = 0, 6 * min(search_range(self._job), len(self._shot.frames))

        def tick() -> None:
            nonlocal passed
            context.reporter.check_cancelled()
            passed = min(passed + 1, expected)
            context.reporter.progress(fraction=passed / expected, message=step.title)

        for notice in self._end(direction).follow(threads=self._threads, tick=tick):
            context.reporter.warn(notice=notice)

    def _render(self, step: Step, context: Context) -> None:
        done = 0

        def finished(check: FrameCheck, seconds: float) -> None:
            nonlocal done
            done += 1
            context.reporter.frame_finished(frame=check.frame, path=check.path, seconds=seconds)
            context.reporter.progress(fraction=done / len(step.frames), message=step.title)

        self._renderer.render(
            step.frames,
            make=lambda frames: self._made(frames, context.reporter.check_cancelled),
            finished=finished,
            tick=context.reporter.check_cancelled,
        )

    def _made(self, frames: Sequence[int], tick: Callable[[], None]) -> Iterator[Generated]:
        """New frames by their numbers in the result, one at a time, in that order."""
        if isinstance(self._job.task, Interpolate):
            yield from map(self._inbetweener.make, frames)
            return
        first = self._shot.frames[0]
        for direction, some in (
            (-1, [frame for frame in frames if frame < first]),
            (1, [frame for frame in frames if frame > first]),
        ):
            if some:
                yield from self._end(direction).make(some, tick)

    def _end(self, direction: int) -> End:
        if direction not in self._ends:
            task = self._job.task
            assert isinstance(task, Continue)
            shot = near_end(self._shot, direction=direction, reach=search_range(self._job))
            self._ends[direction] = End(
                shot=shot,
                store=MotionStore(shot=shot, stretch=self._stretch, cache_folder=self._cache),
                direction=direction,
                longest=task.tail if direction > 0 else task.head,
                folder=self._work / _NAMES[direction],
            )
        return self._ends[direction]

    @cached_property
    def _stretch(self) -> Stretch:
        facts = json.loads((self._work / "shot.json").read_text())
        return Stretch(low=facts["low"], high=facts["high"])

    @cached_property
    def _store(self) -> MotionStore:
        return MotionStore(shot=self._shot, stretch=self._stretch, cache_folder=self._cache)

    @cached_property
    def _inbetweener(self) -> Inbetweener:
        path = self._work / _GRAIN
        grain = GrainModel.load(path) if path.exists() else GrainModel.none(channels=len(self._shot.colours))
        return Inbetweener(shot=self._shot, stretch=self._stretch, grain=grain)

    @cached_property
    def _renderer(self) -> MomentRenderer:
        from overscan.core.engines.plate._engine import PlateEngine

        card = PlateEngine().card
        attributes = {"overscan:engine": f"{card.name} {card.version}", "overscan:seed": str(self._job.seed)}
        composer = Composer(shot=self._shot, work_folder=self._work, attributes=attributes)
        return MomentRenderer(shot=self._shot, composer=composer)
