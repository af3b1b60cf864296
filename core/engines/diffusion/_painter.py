"""Paints one window: gathers what the model sees, calls the family, matches and keeps what comes of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from overscan.core.colour import display_encode
from overscan.core.engines._protocol import Reporter
from overscan.core.engines.diffusion._area import Area
from overscan.core.engines.diffusion._composite import Compositor, seen_codes
from overscan.core.engines.diffusion._family import Family, Floats, Painted, PaintRequest, StepHook
from overscan.core.engines.diffusion._joints import matched
from overscan.core.engines.diffusion._model import Chosen
from overscan.core.engines.diffusion._parameters import SOUND, steps_of
from overscan.core.engines.diffusion._steering import Steering
from overscan.core.engines.diffusion._store import Look, Store
from overscan.core.engines.diffusion._windows import PaintWindow
from overscan.core.geometry import Window
from overscan.core.jobs import Job
from overscan.core.results import Groundwork
from overscan.core.shots import Shot

_PREPARED = 0.1
"""Part of a window's work that gathering what the model sees is."""
_FINISHED = 0.95
_READERS = 2
"""Frames that are read at once; each holds its pictures in memory."""
LEAST_SHARE = 1e-3
"""Of a pixel of the model's that must be painted for all of it to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What the model is shown of one slot, at its scale, not filled up."""

    codes: Floats
    matte: Floats
    given: bool


class WindowPainter:
    """The windows of one job."""

    def __init__(
        self,
        *,
        shot: Shot,
        job: Job,
        family: Family,
        chosen: Chosen,
        store: Store,
        compositor: Compositor,
        look: Look,
        steering: Steering,
        frame_rate: float,
        ground: Callable[[int], Groundwork] | None,
    ) -> None:
        """`ground` reads the groundwork of a frame; None where whole frames are painted."""
        self._shot = shot
        self._job = job
        self._family = family
        self._chosen = chosen
        self._store = store
        self._compositor = compositor
        self._look = look
        self._steering = steering
        self._frame_rate = frame_rate
        self._ground = ground

    def paint(self, window: PaintWindow, reporter: Reporter, *, title: str) -> None:
        """Paint all areas of a window; those that are there already stay."""
        areas = self._look.areas[window.index]
        for number, area in enumerate(areas):
            begin, end = number / len(areas), (number + 1) / len(areas)
            if self._store.has_window(window.index, number):
                continue
            reporter.check_cancelled()
            reporter.progress(fraction=begin, message=f"{title}: gathering frames")
            self._paint_area(window, number, area, reporter, title=title, begin=begin, end=end)

    def _paint_area(
        self,
        window: PaintWindow,
        number: int,
        area: Area,
        reporter: Reporter,
        *,
        title: str,
        begin: float,
        end: float,
    ) -> None:
        request = self._request(window, number, area, reporter.check_cancelled)
        span = end - begin
        hook = self._hook(reporter, window, begin=begin + _PREPARED * span, end=begin + _FINISHED * span, message=title)
        backwards = window.backwards and self._family.card.backwards
        guides = self._steering.guides(window, area, self._look.wide, turned=backwards)
        handed = replace(_turned(request) if backwards else request, guides=guides)
        painted = self._family.paint(self._pipeline(), handed, hook)
        check_painted(painted, handed)
        video = np.array(painted.video[::-1] if backwards else painted.video, np.float32, order="C")
        reporter.check_cancelled()
        known = next((at for at, given in enumerate(request.given) if not given), 0)
        video = matched(
            np.nan_to_num(video, nan=0.0, posinf=1.0, neginf=0.0),
            shown=request.video,
            matte=request.matte,
            given=known,
            tick=reporter.check_cancelled,
        )
        if painted.sound is not None and number == 0:
            from overscan.core.engines.diffusion._sound import keep_sound

            keep_sound(self._store.sound(window.index), painted.sound)
        self._store.keep_window(window.index, number, np.ascontiguousarray(video[:, : area.height, : area.width]))

    def _pipeline(self) -> Any:
        if self._chosen.folder is None or self._chosen.device is None:
            return None
        parameters = self._chosen.placed(self._look.parameters)
        return self._family.load(self._chosen.folder, self._chosen.device, parameters=parameters)

    def _request(self, window: PaintWindow, number: int, area: Area, tick: Callable[[], None]) -> PaintRequest:
        """What the model is to paint, but for guides, in the order of the slots."""
        card, controls = self._family.card, self._job.controls
        count = len(window.slots)
        shape = (count, area.padded_height, area.padded_width)
        video, matte = np.empty((*shape, 3), np.float32), np.empty(shape, np.float32)
        given = [False] * count
        for at, shown in self._slots(window, area, tick):
            video[at], matte[at] = area.filled_up(shown.codes), area.filled_up(shown.matte)
            given[at] = shown.given
        between = _nearest_given(given)
        for at, slot in enumerate(window.slots):
            if slot.copies is not None:
                video[at], matte[at], given[at] = video[slot.copies], matte[slot.copies], given[slot.copies]
            elif self._ground is None and not given[at]:
                # Nothing is there: what the model starts from is what was shown last.
                video[at] = video[between[at]]
        return PaintRequest(
            video=video,
            matte=matte,
            given=tuple(given),
            task=self._job.kind,
            prompt=controls.prompt,
            negative_prompt=(
                card.defaults.negative_prompt if controls.negative_prompt is None else controls.negative_prompt
            ),
            steps=steps_of(self._job, card),
            guidance=card.defaults.guidance if controls.guidance is None else controls.guidance,
            strength=1.0 if controls.strength is None else controls.strength,
            seed=_seed(self._job.seed, window.index, number),
            frame_rate=self._frame_rate,
            keyframes=self._steering.keyframes(window, area, self._look.wide),
            references=self._steering.references(self._look.wide),
            sound=card.sound and bool(self._look.parameters.get(SOUND.name)) and number == 0,
            parameters=dict(self._look.parameters),
        )

    def _slots(self, window: PaintWindow, area: Area, tick: Callable[[], None]) -> Iterator[tuple[int, _Shown]]:
        """What is shown of each slot that has something of its own to show, in order."""
        # Reading is half waiting: the next frames are read beside the one that is looked at.
        with ThreadPoolExecutor(_READERS) as readers:
            pending: deque[tuple[int, Future[_Shown]]] = deque()
            for at, slot in enumerate(window.slots):
                tick()
                if slot.copies is not None:
                    continue
                if len(pending) == _READERS:
                    place, reading = pending.popleft()
                    yield place, reading.result()
                pending.append((at, readers.submit(self._shown, window, at, area)))
            for place, reading in pending:
                tick()
                yield place, reading.result()

    def _shown(self, window: PaintWindow, at: int, area: Area) -> _Shown:
        slot = window.slots[at]
        if slot.plate is not None:
            return self._whole(area, self._shot.read_light(slot.plate), self._shot.data_window(slot.plate))
        if slot.frame is None:
            return self._empty(area)
        if at < window.taken and window.before is not None:
            return self._taken(slot.frame, area, before=window.before)
        if self._ground is None:
            return self._empty(area)
        return self._grounded(self._ground(slot.frame), slot.frame, area)

    def _whole(self, area: Area, light: Floats, have: Window) -> _Shown:
        codes = seen_codes(area, self._look.wide, light, have)
        return _Shown(codes=codes, matte=np.zeros((area.height, area.width), np.float32), given=True)

    def _empty(self, area: Area) -> _Shown:
        shape = (area.height, area.width)
        return _Shown(codes=np.full((*shape, 3), 0.5, np.float32), matte=np.ones(shape, np.float32), given=False)

    def _taken(self, frame: int, area: Area, *, before: int) -> _Shown:
        """A frame as the window before has left it."""
        look = self._look
        nothing = np.zeros((area.height, area.width), np.float32)
        painted = self._compositor.as_painted(frame, area, look=look, up_to=before)
        if self._ground is None:
            if painted is not None:
                return _Shown(codes=np.clip(painted, 0, 1), matte=nothing, given=True)
            light = np.zeros((*area.window.shape, len(self._shot.colours)), np.float32)
            made = self._compositor.painted(frame, light, area.window, look=look, ground=None, up_to=before)
            return self._whole(area, made, area.window)
        ground = self._ground(frame)
        own = ground.generated
        share = self._compositor.share(frame, ground, look=look, values=look.parameters)
        if painted is not None:
            part = area.seen(share, own.window)[..., np.newaxis]
            codes = seen_codes(area, look.wide, own.light, own.window) * (1 - part) + painted * part
            return _Shown(codes=np.clip(codes, 0, 1), matte=nothing, given=True)
        made = self._compositor.painted(
            frame, own.light, own.window, look=look, ground=ground, where=share > 0, up_to=before
        )
        light, theirs = own.light.copy(), share > 0
        part = share[theirs][:, np.newaxis]
        light[theirs] = light[theirs] * (1 - part) + made[theirs] * part
        return self._whole(area, light, own.window)

    def _grounded(self, ground: Groundwork, frame: int, area: Area) -> _Shown:
        own = ground.generated
        share = self._compositor.share(frame, ground, look=self._look, values=self._look.parameters)
        light, have = own.light, own.window
        if self._family.card.sees_plate:
            light, have = self._shot.read_light(frame), self._shot.data_window(frame)
        codes = seen_codes(area, self._look.wide, light, have)
        to_paint = area.seen((share > 0).astype(np.float32), own.window) > LEAST_SHARE
        # What lies next to the border is painted too, so that the model's own edge is not the result's.
        wider = cv2.dilate(to_paint.astype(np.uint8), np.ones((3, 3), np.uint8))
        return _Shown(codes=codes, matte=wider.astype(np.float32), given=False)

    def _hook(self, reporter: Reporter, window: PaintWindow, *, begin: float, end: float, message: str) -> StepHook:
        from overscan.core.engines.diffusion.runtime import step_hook

        wide = self._look.wide
        return step_hook(
            reporter,
            begin=begin,
            end=end,
            message=message,
            frame=window.frames[-1] if window.frames else None,
            shown=lambda codes: display_encode(wide.decode(codes)),
        )


def _nearest_given(given: list[bool]) -> list[int]:
    """For each slot the given one nearest to it, the earlier of two; itself where none is."""
    there = [at for at, known in enumerate(given) if known]
    return [min(there, key=lambda other: abs(other - at), default=at) for at in range(len(given))]


def _turned(request: PaintRequest) -> PaintRequest:
    """A request whose frames run the other way."""
    last = len(request.given) - 1
    return replace(
        request,
        video=np.ascontiguousarray(request.video[::-1]),
        matte=np.ascontiguousarray(request.matte[::-1]),
        given=request.given[::-1],
        keyframes=tuple(replace(still, index=last - still.index) for still in request.keyframes[::-1]),
    )


def check_painted(painted: Painted, request: PaintRequest) -> None:
    """A family that hands back another size has a bug; better said here than seen as a shifted picture."""
    if painted.video.shape != request.video.shape:
        raise RuntimeError(
            f"the family painted {painted.video.shape}, where {request.video.shape} was asked for: this is a bug"
        )


def _seed(seed: int, window: int, area: int) -> int:
    """A seed for each window and area: the same noise in all would show as a pattern that repeats."""
    return (seed + 0x9E3779B97F4A7C15 * (window * 64 + area)) & 0x7FFF_FFFF_FFFF_FFFF
