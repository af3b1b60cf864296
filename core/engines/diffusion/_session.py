"""Runs the steps of one job in one worker, keeping what they share."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property

import cv2

from overscan.core.engines._protocol import Context, Step
from overscan.core.engines.diffusion._area import Area
from overscan.core.engines.diffusion._composite import Compositor
from overscan.core.engines.diffusion._family import Family
from overscan.core.engines.diffusion._finisher import Finisher
from overscan.core.engines.diffusion._grain import measured_grain
from overscan.core.engines.diffusion._looking import (
    areas_of_sketches,
    aspect_of,
    light_of_plate,
    whole_frames,
    wide_range,
)
from overscan.core.engines.diffusion._model import Chosen, as_begun, choose_model, chosen_settings, surroundings_of
from overscan.core.engines.diffusion._painter import WindowPainter
from overscan.core.engines.diffusion._parameters import GRAIN, values_of
from overscan.core.engines.diffusion._sequence import windows_of
from overscan.core.engines.diffusion._steering import Steering, is_steered
from overscan.core.engines.diffusion._steps import FINISH, LOOK, PAINT, SOUND, frame_rate_of
from overscan.core.engines.diffusion._store import Look, Store
from overscan.core.engines.diffusion._windows import PaintWindow
from overscan.core.engines.plate import GroundLayer
from overscan.core.engines.plate.light._grain import GrainModel
from overscan.core.errors import MismatchError, from_record
from overscan.core.jobs import ParameterValue
from overscan.core.results import Composer, FrameCheck, Groundwork
from overscan.core.shots import Shot, survey


class DiffusionSession:
    """One job, opened once."""

    def __init__(self, context: Context, *, family: Family, ground: GroundLayer | None) -> None:
        """Open the shot and find the model; raises what stands in the way where either has changed since the plan.

        `ground` lays the groundwork; None for tasks that make whole frames.
        """
        self._context = context
        self._job = context.job
        self._work = context.work_folder
        self._cache = context.cache_folder
        self._frugal = context.frugal
        self._family = family
        self._ground = ground
        self._chosen, problems = choose_model(context.job, family)
        found = survey(context.job)
        problems += found.problems
        if found.shot is None or problems:
            raise from_record(problems[0])
        self._shot: Shot = found.shot
        self._values = values_of(context.job, family.card)
        self._store = Store(context.work_folder)
        # As in the plate engine: results must not depend on the number of threads.
        cv2.setNumThreads(1)

    def serves(self, step: Step, context: Context) -> bool:
        """Whether this session is about the context's job, and the files of the step's frames are what they were."""
        own = (self._job, self._work, self._cache, self._frugal)
        same = own == (context.job, context.work_folder, context.cache_folder, context.frugal)
        near = {own for frame in step.frames for own in self._shot.around(frame)}
        return same and all(self._shot.unchanged(frame) for frame in near)

    def run(self, step: Step, context: Context) -> None:
        """Carry out one step."""
        self._context = context
        run = {LOOK: self._look_at, PAINT: self._paint, FINISH: self._finish, SOUND: self._join_sound}
        run[step.kind](step, context)

    def _look_at(self, step: Step, context: Context) -> None:
        reporter, card = context.reporter, self._family.card
        reporter.check_cancelled()
        reporter.progress(fraction=0.0, message=step.title)
        if self._ground is None:
            areas = whole_frames(self._windows, self._shot, lattice=self._chosen.lattice, values=self._values)
            given = {slot.plate for window in self._windows for slot in window.slots if slot.plate is not None}
            light = light_of_plate(self._shot, frames=given, tick=reporter.check_cancelled)
            if self._values[GRAIN.name] and self._windows:
                grain = measured_grain(self._shot, near=given, cache_folder=self._cache, tick=reporter.check_cancelled)
                if grain is not None:
                    grain.save(self._store.grain)
        else:
            from overscan.core.engines.plate import read_ground_sketch

            areas, light = areas_of_sketches(
                self._windows,
                lambda frame: read_ground_sketch(frame, context),
                lattice=self._chosen.lattice,
                values=self._values,
                aspect=aspect_of(self._shot),
                tick=reporter.check_cancelled,
            )
        wide, notices = wide_range(light, card=card, values=self._values)
        for notice in notices:
            reporter.warn(notice=notice)
        self._store.keep_look(
            Look(
                wide=wide,
                areas=areas,
                parameters=self._settled(areas),
                device="" if self._chosen.device is None else self._chosen.device.name,
                surroundings=surroundings_of(self._chosen),
                aspect=aspect_of(self._shot),
                inputs=self._inputs,
                guides=self._measured_guides(),
            )
        )

    def _settled(self, areas: tuple[tuple[Area, ...], ...]) -> dict[str, ParameterValue]:
        """Values of all parameters with nothing left open, for the largest window that there is."""
        values = dict(self._values)
        sizes = [
            (len(window.slots), area.padded_width, area.padded_height)
            for window, some in zip(self._windows, areas, strict=True)
            for area in some
        ]
        if not sizes:
            return values
        frames, width, height = max(sizes, key=lambda size: size[0] * size[1] * size[2])
        choice = chosen_settings(
            self._chosen,
            family=self._family,
            job=self._job,
            values=values,
            frames=frames,
            width=width,
            height=height,
        )
        if choice is None:
            return values
        if choice.refusal is not None:
            raise from_record(choice.refusal)
        return values | choice.settings.parameters()

    def _measured_guides(self) -> dict[str, object] | None:
        if not is_steered(self._job.controls):
            return None
        from overscan.core.engines.diffusion.guides import measure_guides

        facts = measure_guides(self._shot, tick=self._context.reporter.check_cancelled)
        return dict(facts.to_dict())

    def _paint(self, step: Step, context: Context) -> None:
        number = int(step.id.rpartition("-")[2])
        title = f"{step.title} {number + 1} of {len(self._windows)}"
        self._painter.paint(self._windows[number], context.reporter, title=title)

    def _finish(self, step: Step, context: Context) -> None:
        done = 0

        def finished(check: FrameCheck, seconds: float) -> None:
            nonlocal done
            done += 1
            context.reporter.frame_finished(frame=check.frame, path=check.path, seconds=seconds)
            context.reporter.progress(fraction=done / len(step.frames), message=step.title)

        self._finisher.finish(step.frames, finished=finished, tick=context.reporter.check_cancelled)

    def _join_sound(self, step: Step, context: Context) -> None:
        context.reporter.progress(fraction=0.0, message=step.title)
        from overscan.core.engines.diffusion._sound import finish_sound

        finish_sound(
            shot=self._shot,
            windows=self._windows,
            sound=self._store.sound,
            frame_rate=self._frame_rate,
            work_folder=self._work,
        )

    @cached_property
    def _windows(self) -> tuple[PaintWindow, ...]:
        return windows_of(self._shot, card=self._family.card, lattice=self._chosen.lattice, values=self._values)

    @cached_property
    def _look(self) -> Look:
        look = self._store.look()
        if look.inputs != self._inputs:
            raise MismatchError(
                "the plate's or a matte's files were changed after the shot had been looked at: windows that were "
                "painted do not go with the others any more.",
                next_step="Create the job again.",
                path=self._job.plate.path if self._job.plate is not None else "",
                field="plate",
            )
        return look

    @cached_property
    def _inputs(self) -> str:
        stamps = repr(sorted(self._shot.stamps.items()))
        return hashlib.sha256(stamps.encode()).hexdigest()

    @cached_property
    def _compositor(self) -> Compositor:
        return Compositor(store=self._store, windows=self._windows)

    def _read_ground(self, frame: int) -> Groundwork:
        assert self._ground is not None
        return self._ground.read(frame, self._context)

    @property
    def _frame_rate(self) -> float:
        return frame_rate_of(self._shot)

    @cached_property
    def _steering(self) -> Steering:
        facts = None
        if self._look.guides is not None:
            from overscan.core.engines.diffusion.guides import GuideFacts

            facts = GuideFacts.from_dict(self._look.guides)
        return Steering(shot=self._shot, card=self._family.card, facts=facts, parameters=self._look.parameters)

    @cached_property
    def _painter(self) -> WindowPainter:
        return WindowPainter(
            shot=self._shot,
            job=self._job,
            family=self._family,
            chosen=replace(self._as_begun(), frugal=self._frugal),
            store=self._store,
            compositor=self._compositor,
            look=self._look,
            steering=self._steering,
            frame_rate=self._frame_rate,
            ground=None if self._ground is None else self._read_ground,
        )

    def _as_begun(self) -> Chosen:
        chosen, notices = as_begun(self._chosen, device=self._look.device, surroundings=self._look.surroundings)
        for notice in notices:
            self._context.reporter.warn(notice=notice)
        return chosen

    @cached_property
    def _finisher(self) -> Finisher:
        card = self._family.card
        attributes = {"overscan:engine": f"{card.name} {card.version}", "overscan:seed": str(self._job.seed)}
        if self._chosen.folder is not None:
            attributes["overscan:model"] = self._chosen.folder.name
        return Finisher(
            shot=self._shot,
            composer=Composer(shot=self._shot, work_folder=self._work, attributes=attributes),
            compositor=self._compositor,
            look=self._look,
            grain=self._grain,
            ground=None if self._ground is None else self._read_ground,
        )

    @cached_property
    def _grain(self) -> GrainModel:
        path = self._store.grain
        if self._ground is not None:
            from overscan.core.engines.plate import ground_grain

            path = ground_grain(self._context)
        if not self._values[GRAIN.name] or not path.exists():
            return GrainModel.none(channels=len(self._shot.colours))
        return GrainModel.load(path)
