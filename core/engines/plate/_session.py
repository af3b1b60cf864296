"""Runs the steps of one job in one worker, keeping what they share."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2

from overscan.core.engines._protocol import Context, Notice, Step
from overscan.core.engines.plate._engine import COPY
from overscan.core.engines.plate._field import FieldMaker
from overscan.core.engines.plate._find import Finder
from overscan.core.engines.plate._holdout import Holdout
from overscan.core.engines.plate._motion import MotionStore
from overscan.core.engines.plate._plan import ANALYSE, PREPARE, RENDER, TRY, search_range
from overscan.core.engines.plate._proxy import Stretch, measure_stretch, shot_window
from overscan.core.engines.plate._render import Renderer
from overscan.core.engines.plate._trials import Reliability, frames_for_trials, load_trials, save_trials
from overscan.core.errors import from_record
from overscan.core.frames import format_frames
from overscan.core.geometry import Window
from overscan.core.results import Composer, FrameCheck
from overscan.core.shots import Shot, survey
from overscan.core.temporaries import written_beside

_UNRELIABLE = 0.5
"""Mean odds of copying below which the artist is told that the shot does not lend itself to it: a smooth fill wins."""


_WALK = 0.5
"""Part of a render step's work that finding sources is."""


class Session:
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
        self._threads = os.cpu_count() or 1
        # DIS cuts its work by the number of threads, and its result with it: one thread a pair, several pairs at once.
        cv2.setNumThreads(1)

    def serves(self, step: Step, context: Context) -> bool:
        """Whether this session is about the context's job, and the files of the step's frames are what they were."""
        same = (self._job, self._work, self._cache) == (context.job, context.work_folder, context.cache_folder)
        return same and all(self._shot.unchanged(frame) for frame in step.frames)

    def run(self, step: Step, context: Context) -> None:
        """Carry out one step."""
        {PREPARE: self._prepare, ANALYSE: self._analyse, TRY: self._try, RENDER: self._render}[step.kind](step, context)

    def _prepare(self, step: Step, context: Context) -> None:
        painted = self._frames_to_paint(step, context)
        facts: dict[str, object] = {"painted": painted}
        if painted:
            # An empty matte must not cost an analysis.
            facts |= asdict(measure_stretch(self._shot))
        with written_beside(self._work / "shot.json") as temporary:
            temporary.write_text(json.dumps(facts))

    def _frames_to_paint(self, step: Step, context: Context) -> list[int]:
        """Numbers of the frames in which anything is to be generated."""
        shot = self._shot
        matte = shot.matte
        if matte is None:
            return [frame for frame in shot.render if shot.coverage(frame) != shot.data_window(frame)]
        painted = []
        with ThreadPoolExecutor(self._threads) as pool:
            for position, (frame, covered) in enumerate(
                zip(shot.render, pool.map(matte.covers, shot.render), strict=True)
            ):
                context.reporter.check_cancelled()
                context.reporter.progress(fraction=position / len(shot.render), message=step.title)
                if covered:
                    painted.append(frame)
        return painted

    def _analyse(self, step: Step, context: Context) -> None:
        if not self._copies:
            return
        pairs = [self._index[frame] for frame in step.frames]
        for done in range(0, len(pairs), self._threads):
            context.reporter.check_cancelled()
            context.reporter.progress(fraction=done / len(pairs), message=step.title)
            self._store.prepare(pairs[done : done + self._threads], threads=self._threads)

    def _try(self, step: Step, context: Context) -> None:
        if not self._copies or self._copy == "always":
            return
        trials = self._holdout.run(
            [self._index[frame] for frame in step.frames],
            reach=search_range(self._job),
            tick=_Ticker(context, step, frames=self._walked(step), share=1.0),
        )
        for trial in trials:
            save_trials([trial], self._trial_path(trial.frame))
        copied = sum(float(trial.copied.sum()) for trial in trials)
        smooth = sum(float(trial.smooth.sum()) for trial in trials)
        unseen = any(trial.tried for trial in trials) and not any(trial.count.any() for trial in trials)
        if unseen or (copied > 0 and smooth / (smooth + copied) < _UNRELIABLE):
            context.reporter.warn(
                notice=Notice(
                    code="MOTION_UNRELIABLE",
                    message=f"Round frames {format_frames(step.frames)} the motion does not tell what lies beyond the "
                    "edge; much of it is filled smoothly. Expect to paint there.",
                    frame=step.frames[0],
                )
            )

    def _render(self, step: Step, context: Context) -> None:
        indices = [self._index[frame] for frame in step.frames]
        done = 0

        def finished(check: FrameCheck, seconds: float) -> None:
            nonlocal done
            done += 1
            context.reporter.frame_finished(frame=check.frame, path=check.path, seconds=seconds)
            context.reporter.progress(fraction=_WALK + (1 - _WALK) * done / len(indices), message=step.title)

        self._renderer.render(
            indices,
            finished=finished,
            tick=_Ticker(context, step, frames=self._walked(step), share=_WALK),
        )
        self._warn_dense(indices, context)

    def _walked(self, step: Step) -> int:
        """About how many frames are passed when the step's frames are followed both ways."""
        indices = [self._index[frame] for frame in step.frames]
        span = max(indices) - min(indices) + search_range(self._job)
        return 2 * max(1, min(len(self._shot.frames), span))

    def _warn_dense(self, indices: list[int], context: Context) -> None:
        if not self._copies:
            return
        pairs = [pair for pair in indices if pair < len(self._shot.frames) - 1]
        dense = [pair for pair in pairs if self._store.pair(pair).forward.kind == "dense"]
        if dense:
            context.reporter.warn(
                notice=Notice(
                    code="NO_PLANE_FITS",
                    message=f"No single plane explains the motion at frames "
                    f"{format_frames(self._shot.frames[pair] for pair in dense)}; the motion field itself was used.",
                    frame=self._shot.frames[dense[0]],
                )
            )

    @cached_property
    def _index(self) -> dict[int, int]:
        return {frame: position for position, frame in enumerate(self._shot.frames)}

    @cached_property
    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self._work / "shot.json").read_text())
        return facts

    @cached_property
    def _painted(self) -> frozenset[int]:
        """Numbers of the frames in which anything is generated."""
        return frozenset(self._facts["painted"])

    @property
    def _copies(self) -> bool:
        """Whether motion matters at all."""
        return bool(self._painted) and self._copy != "never" and len(self._shot.frames) > 1

    @property
    def _copy(self) -> str:
        return str(self._job.parameters.get(COPY.name, COPY.default))

    @cached_property
    def _store(self) -> MotionStore:
        stretch = Stretch(low=self._facts["low"], high=self._facts["high"])
        return MotionStore(shot=self._shot, stretch=stretch, cache_folder=self._cache)

    @cached_property
    def _canvas(self) -> Window:
        """Everything that is plate or to be generated in any frame."""
        canvas = shot_window(self._shot)
        for frame in self._shot.frames:
            canvas = canvas.union(self._shot.coverage(frame))
        return canvas

    @cached_property
    def _maker(self) -> FieldMaker:
        return FieldMaker(store=self._store, canvas=self._canvas)

    @cached_property
    def _holdout(self) -> Holdout:
        return Holdout(shot=self._shot, store=self._store, maker=self._maker, canvas=self._canvas)

    @cached_property
    def _composer(self) -> Composer:
        from overscan.core.engines.plate._engine import PlateEngine

        card = PlateEngine().card
        attributes = {"overscan:engine": f"{card.name} {card.version}", "overscan:seed": str(self._job.seed)}
        return Composer(shot=self._shot, work_folder=self._work, attributes=attributes)

    @cached_property
    def _finder(self) -> Finder | None:
        if not self._copies:
            return None
        reliability = None
        if self._copy == "auto":
            frames = frames_for_trials(self._index.values(), count=len(self._shot.frames))
            kept = [self._trial_path(frame) for frame in frames]
            trials = [trial for path in kept if path.exists() for trial in load_trials(path)]
            reliability = Reliability(trials=trials, cells=self._holdout.cells)
        return Finder(
            shot=self._shot,
            store=self._store,
            maker=self._maker,
            reliability=reliability,
            reach=search_range(self._job),
        )

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(
            shot=self._shot, finder=self._finder, composer=self._composer, painted=self._painted.__contains__
        )

    def _trial_path(self, frame: int) -> Path:
        return self._work / "trials" / f"{frame}.npz"


class _Ticker:
    """Counts the frames that a walk through time has passed, for progress, and lets it be stopped."""

    def __init__(self, context: Context, step: Step, *, frames: int, share: float) -> None:
        """`frames` is about how many there will be; they are `share` of the step's work."""
        self._context = context
        self._step = step
        self._frames = frames
        self._share = share
        self._passed = 0

    def __call__(self) -> None:
        self._context.reporter.check_cancelled()
        self._passed = min(self._passed + 1, self._frames)
        fraction = self._share * self._passed / self._frames
        self._context.reporter.progress(fraction=fraction, message=self._step.title)
