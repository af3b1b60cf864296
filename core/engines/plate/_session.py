"""Runs the steps of one job in one worker, keeping what they share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import cv2

from overscan.core.engines._protocol import Context, Notice, Step
from overscan.core.engines.plate._choose import Chooser
from overscan.core.engines.plate._clean_plates import CleanPlates, register_clean_plates
from overscan.core.engines.plate._engine import COPY, FILL, parameter
from overscan.core.engines.plate._find import Finder
from overscan.core.engines.plate._holdout import Holdout
from overscan.core.engines.plate._imagine import Imagination
from overscan.core.engines.plate._lighting import Lighting
from overscan.core.engines.plate._lights import KEPT_BYTES, Lights
from overscan.core.engines.plate._measured import Measured, measure_shot
from overscan.core.engines.plate._painter import Painter
from overscan.core.engines.plate._painting import KeyPainting
from overscan.core.engines.plate._pictures import Pictures
from overscan.core.engines.plate._plan import ANALYSE, IMAGINE, JOIN, LAY, PREPARE, RENDER, TRY, search_range
from overscan.core.engines.plate._quality import Quality, quality_of
from overscan.core.engines.plate._render import Renderer
from overscan.core.engines.plate._spared import spared
from overscan.core.engines.plate._ticker import Ticker
from overscan.core.engines.plate._to_paint import frames_to_paint
from overscan.core.engines.plate._trials import Reliability, load_trials, save_trials, trial_frames
from overscan.core.engines.plate.light._exposure import Exposure
from overscan.core.engines.plate.light._grain import GrainModel
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._path_notices import path_notices
from overscan.core.engines.plate.motion._proxy import THUMBNAIL, Stretch, measure_stretch, shot_window
from overscan.core.errors import from_record
from overscan.core.frames import format_frames
from overscan.core.geometry import Window
from overscan.core.results import Composer, FrameCheck, GroundworkStore
from overscan.core.shots import Shot, survey
from overscan.core.temporaries import written_beside

_UNRELIABLE = 0.5
"""Mean odds of copying below which the artist is told that the shot does not lend itself to it: a smooth fill wins."""
GROUNDWORK = "groundwork"
"""Folder of the work folder that frames for another engine go to."""
_WALK = 0.5
"""Part of a render step's work that finding sources is."""


class Session:
    """One job, opened once."""

    def __init__(
        self,
        context: Context,
        *,
        lays_groundwork: bool = False,
        painter: Painter | None = None,
        attributes: Mapping[str, str],
    ) -> None:
        """Open the shot; raises what stands in the way where its files have changed since the plan.

        Where it `lays_groundwork`, frames are kept for another engine to go on from, and no result is written. A
        `painter` paints key frames in place of their being imagined; `attributes` go into every header.
        """
        self._lays_groundwork = lays_groundwork
        self._painter = painter
        self._attributes = attributes
        self._job = context.job
        self._work = context.work_folder
        self._cache = context.cache_folder
        found = survey(context.job)
        if found.shot is None:
            raise from_record(found.problems[0])
        self._shot: Shot = found.shot
        self._frugal = context.frugal
        self._threads = spared(os.cpu_count() or 1, frugal=context.frugal)
        # DIS cuts its work by the number of threads, and its result with it: one thread a pair, several pairs at once.
        cv2.setNumThreads(1)

    def serves(self, step: Step, context: Context) -> bool:
        """Whether this session is about the context's job, and the files of the step's frames are what they were."""
        own = (self._job, self._work, self._cache, self._frugal)
        same = own == (context.job, context.work_folder, context.cache_folder, context.frugal)
        return same and all(self._shot.unchanged(frame) for frame in step.frames)

    def run(self, step: Step, context: Context) -> None:
        """Carry out one step."""
        run = {
            PREPARE: self._prepare,
            ANALYSE: self._analyse,
            JOIN: self._join,
            LAY: self._lay,
            TRY: self._try,
            IMAGINE: self._imagine,
            RENDER: self._render,
        }
        run[step.kind](step, context)

    def _prepare(self, step: Step, context: Context) -> None:
        painted = frames_to_paint(self._shot, step=step, reporter=context.reporter, threads=self._threads)
        facts: dict[str, object] = {"painted": painted}
        if painted:
            # An empty matte must not cost an analysis.
            facts |= asdict(measure_stretch(self._shot))
        with written_beside(self._work / "shot.json") as temporary:
            temporary.write_text(json.dumps(facts))

    def _analyse(self, step: Step, context: Context) -> None:
        if not self._moves:
            return
        pairs = [self._index[frame] for frame in step.frames]
        # Each frame but the first of a handful is looked at once.
        handful = 2 * self._threads
        for done in range(0, len(pairs), handful):
            context.reporter.check_cancelled()
            context.reporter.progress(fraction=done / len(pairs), message=step.title)
            self._store.prepare(pairs[done : done + handful], threads=self._threads)

    def _join(self, step: Step, context: Context) -> None:
        if not self._moves:
            return
        ticker = Ticker(context, step, frames=3 * len(step.frames), share=1.0)
        measured = measure_shot(
            shot=self._shot,
            store=self._store,
            canvas=self._covered,
            grain=self._quality.grain,
            threads=self._threads,
            tick=ticker,
        )
        measured.save(self._work)
        for notice in path_notices(measured.path, self._store, self._shot.frames):
            context.reporter.warn(notice=notice)
        if self._painting is not None:
            self._painting.measure(tick=context.reporter.check_cancelled)

    def _lay(self, step: Step, context: Context) -> None:
        if not self._painted:
            return
        steps = len(step.frames) * len(self._shot.clean_plates)
        notices = register_clean_plates(
            shot=self._shot,
            store=self._store,
            path=self._path,
            cache_folder=self._cache,
            work_folder=self._work,
            tick=Ticker(context, step, frames=steps, share=1.0),
        )
        for notice in notices:
            context.reporter.warn(notice=notice)

    def _try(self, step: Step, context: Context) -> None:
        if not self._moves or self._copy != "auto":
            return
        trials = self._holdout.run(
            [self._index[frame] for frame in step.frames],
            reach=search_range(self._job),
            tick=Ticker(context, step, frames=self._walked(step), share=1.0),
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

    def _imagine(self, step: Step, context: Context) -> None:
        if self._imagination is None:
            return
        if self._painting is not None and (notice := self._painting.adrift()) is not None:
            context.reporter.warn(notice=notice)
        self._imagination.imagine(
            [self._index[frame] for frame in step.frames],
            tick=Ticker(context, step, frames=8 * len(step.frames) + self._walked(step), share=1.0),
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
            tick=Ticker(context, step, frames=self._walked(step), share=_WALK),
        )

    def _walked(self, step: Step) -> int:
        """About how many frames are passed when the step's frames are followed both ways."""
        indices = [self._index[frame] for frame in step.frames]
        span = max(indices) - min(indices) + search_range(self._job)
        return 2 * max(1, min(len(self._shot.frames), span))

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
    def _moves(self) -> bool:
        """Whether motion matters at all."""
        follows = self._copy != "never" or self._fill == "synthesise" or bool(self._shot.clean_plates)
        return bool(self._painted) and follows and len(self._shot.frames) > 1

    @property
    def _copy(self) -> str:
        return str(parameter(self._job, COPY))

    @property
    def _fill(self) -> str:
        return str(parameter(self._job, FILL))

    @cached_property
    def _quality(self) -> Quality:
        return quality_of(self._job)

    @cached_property
    def _store(self) -> MotionStore:
        stretch = Stretch(low=self._facts["low"], high=self._facts["high"])
        return MotionStore(shot=self._shot, stretch=stretch, cache_folder=self._cache, longest=self._quality.analysis)

    @cached_property
    def _covered(self) -> Window:
        """Everything that is plate or to be generated in any frame."""
        return reduce(Window.union, map(self._shot.coverage, self._shot.frames), shot_window(self._shot))

    @cached_property
    def _canvas(self) -> Window:
        """That, and what more is painted of key frames. Known when the camera is."""
        return reduce(Window.union, self._key_windows.values(), self._covered)

    @cached_property
    def _maker(self) -> FieldMaker:
        return FieldMaker(store=self._store, canvas=self._canvas, path=self._path)

    @cached_property
    def _holdout(self) -> Holdout:
        return Holdout(shot=self._shot, store=self._store, maker=self._maker, canvas=self._canvas)

    @cached_property
    def _composer(self) -> Composer | GroundworkStore:
        if self._lays_groundwork:
            return GroundworkStore(shot=self._shot, folder=self._work / GROUNDWORK)
        return Composer(shot=self._shot, work_folder=self._work, attributes=self._attributes)

    @cached_property
    def _finder(self) -> Finder:
        reliability = None
        if self._copy == "auto" and self._moves:
            kept = [self._trial_path(frame) for frame in trial_frames(len(self._shot.frames))]
            trials = [trial for path in kept if path.exists() for trial in load_trials(path)]
            reliability = Reliability(trials=trials, cells=self._holdout.cells)
        return Finder(
            shot=self._shot,
            store=self._store,
            maker=self._maker,
            chooser=Chooser(pictures=self._thumbnails),
            path=self._path,
            reliability=reliability,
            reach=0 if self._copy == "never" else search_range(self._job),
        )

    @cached_property
    def _thumbnails(self) -> Pictures:
        return self._pictures(THUMBNAIL)

    def _pictures(self, longest: int) -> Pictures:
        return Pictures(shot=self._shot, store=self._store, canvas=self._canvas, longest=longest)

    @cached_property
    def _measured(self) -> Measured | None:
        return Measured.load(self._work) if self._moves else None

    @property
    def _path(self) -> CameraPath | None:
        return None if self._measured is None else self._measured.path

    @property
    def _exposure(self) -> Exposure | None:
        return None if self._measured is None else self._measured.exposure

    @property
    def _grain(self) -> GrainModel:
        return GrainModel.none(channels=len(self._shot.colours)) if self._measured is None else self._measured.grain

    @cached_property
    def _imagination(self) -> Imagination | None:
        if self._fill != "synthesise" or not self._painted:
            return None
        return Imagination(
            shot=self._shot,
            finder=self._finder,
            pictures=self._pictures(self._quality.imagined),
            thumbnails=self._thumbnails,
            exposure=self._exposure,
            path=self._path,
            painted=self._painted.__contains__,
            folder=self._work / "imagined",
            seed=self._job.seed,
            rounds=self._quality.rounds,
            clean=self._clean,
            paint=None if self._painter is None else self._paint,
            wide=self._key_windows,
        )

    @cached_property
    def _painting(self) -> KeyPainting | None:
        if self._painter is None:
            return None
        return KeyPainting(
            shot=self._shot,
            path=self._path,
            painted=self._painted.__contains__,
            painter=self._painter,
            work_folder=self._work,
        )

    @property
    def _key_windows(self) -> Mapping[int, Window]:
        return {} if self._painting is None else self._painting.windows

    def _paint(self, key: int, tick: Callable[[], None]) -> int:
        assert self._painting is not None
        lattice = self._pictures(self._quality.imagined).lattice
        return self._painting.paint(key, renderer=self._renderer, lattice=lattice, tick=tick)

    @cached_property
    def _clean(self) -> CleanPlates | None:
        if not self._shot.clean_plates or not self._painted:
            return None
        return CleanPlates(shot=self._shot, path=self._path, exposure=self._exposure, work_folder=self._work)

    @cached_property
    def _lights(self) -> Lights:
        # A frame's neighbours on both sides are looked at by turns, and the next one is read ahead.
        at_once = spared(2 * self._quality.sources + 1, frugal=self._frugal, least=2)
        return Lights(self._shot, at_once=at_once, kept_bytes=spared(KEPT_BYTES, frugal=self._frugal))

    @cached_property
    def _lighting(self) -> Lighting:
        return Lighting(
            shot=self._shot,
            lights=self._lights,
            finder=self._finder,
            exposure=self._exposure,
            grain=self._grain,
            clean=self._clean,
            painted=None if self._painting is None else self._painting.pictures,
            most_sources=self._quality.sources,
        )

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(
            shot=self._shot,
            finder=self._finder if self._painted else None,
            imagination=self._imagination,
            clean=self._clean,
            lights=self._lights,
            lighting=self._lighting if self._painted else None,
            grain=self._grain,
            path=self._path,
            shutter=0.0 if self._measured is None else self._measured.shutter,
            seed=self._job.seed,
            pitch=self._quality.pitch,
            seam_cells=self._quality.seam_cells,
            composer=self._composer,
            painted=self._painted.__contains__,
            leave_empty=self._fill == "none",
        )

    def _trial_path(self, frame: int) -> Path:
        return self._work / "trials" / f"{frame}.npz"
