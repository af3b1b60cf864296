"""Makes result frames of what was painted: at the plate's scale, with its grain, composed, written and checked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from overscan.core.engines.diffusion._composite import Compositor, Mask
from overscan.core.engines.diffusion._family import Floats
from overscan.core.engines.diffusion._store import Look
from overscan.core.engines.plate.light._grain import GrainModel, grain_field, regrain
from overscan.core.geometry import Window
from overscan.core.plates import PlateFrame
from overscan.core.results import Composer, FrameCheck, Generated, Groundwork, SourceKind, empty_frame
from overscan.core.shots import Shot

_WRITERS = 2
"""Frames that are written and checked at once; each holds its pictures in memory."""
_CONFIDENCE = 0.5
"""Of what a model has painted: nothing says how sure it is."""


class Finisher:
    """The frames of one job. What a frame holds depends on its windows alone, not on the step that finishes it."""

    def __init__(
        self,
        *,
        shot: Shot,
        composer: Composer,
        compositor: Compositor,
        look: Look,
        grain: GrainModel,
        ground: Callable[[int], Groundwork] | None,
    ) -> None:
        self._shot = shot
        self._composer = composer
        self._compositor = compositor
        self._look = look
        self._grain = grain
        self._ground = ground

    def finish(
        self, frames: Sequence[int], *, finished: Callable[[FrameCheck, float], None], tick: Callable[[], None]
    ) -> None:
        """Finish frames, by their numbers in the result; `finished` gets each check and its seconds.

        Frames that an interrupted run of this job finished are not made again. `tick` is called before each frame.
        """
        with ThreadPoolExecutor(_WRITERS) as writers:
            pending: deque[tuple[Future[FrameCheck], float]] = deque()

            def report() -> None:
                check, begun = pending.popleft()
                finished(check.result(), time.monotonic() - begun)

            try:
                for frame in frames:
                    tick()
                    if (kept := self._composer.kept(frame)) is not None:
                        finished(kept, 0.0)
                        continue
                    begun = time.monotonic()
                    plate, generated = self._made(frame)
                    if len(pending) == _WRITERS:
                        report()
                    pending.append((writers.submit(self._write, plate, generated, frame), begun))
            finally:  # frames that are on their way count, whatever came of the next
                while pending:
                    report()

    def _write(self, plate: PlateFrame, generated: Generated | None, frame: int) -> FrameCheck:
        self._composer.write(plate, generated, frame=frame)
        return self._composer.check(plate, generated, frame=frame)

    def _made(self, frame: int) -> tuple[PlateFrame, Generated | None]:
        own = self._shot.moments[frame].plate
        if self._ground is not None:
            assert own is not None
            return self._shot.read(own), self._repainted(frame, self._ground(frame))
        if own is not None:
            return self._shot.read(own), None
        return empty_frame(self._shot, frame=frame), self._whole(frame)

    def _repainted(self, frame: int, ground: Groundwork) -> Generated:
        own = ground.generated
        share = self._compositor.share(frame, ground, look=self._look, values=self._look.parameters)
        if not share.any():
            return own
        theirs = share > 0
        light = self._compositor.painted(frame, own.light, own.window, look=self._look, ground=ground, where=theirs)
        light = self._grainy(frame, light, own.window, where=theirs)
        return replace(ground, never_seen=share).repainted(light, confidence=_CONFIDENCE)

    def _whole(self, frame: int) -> Generated:
        cover = self._shot.coverage(self._shot.moments[frame].like)
        light = np.zeros((*cover.shape, len(self._shot.colours)), np.float32)
        light = self._compositor.painted(frame, light, cover, look=self._look, ground=None)
        nowhere = np.full(cover.shape, np.nan, np.float32)
        return Generated(
            window=cover,
            light=self._grainy(frame, light, cover, where=np.ones(cover.shape, np.bool_)),
            alpha=np.ones(cover.shape, np.float32),
            confidence=np.full(cover.shape, _CONFIDENCE, np.float32),
            source_x=nowhere,
            source_y=nowhere,
            source_frame=nowhere,
            kind=np.full(cover.shape, SourceKind.MODEL, np.uint8),
        )

    def _grainy(self, frame: int, light: Floats, window: Window, *, where: Mask) -> Floats:
        """`light` with the plate's grain `where` a model painted: models paint next to none."""
        if self._grain.empty:
            return light
        field = grain_field(self._grain, seed=self._shot.job.seed, frame=frame, window=window, where=where)
        light[where] = regrain(light[where], model=self._grain, kept=0.0, field=field[where])
        return light
