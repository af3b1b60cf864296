"""Renders frames: fetches the light of every source, fills the rest, hands over to the composer (S5)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._fill import smooth_fill
from overscan.core.engines.plate._find import Finder, Sources
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._trace import NOWHERE, Found, Target
from overscan.core.geometry import Window
from overscan.core.plates import PlateFrame
from overscan.core.results import Composer, FrameCheck, Generated, SourceKind
from overscan.core.shots import Shot

_FADE_PER_FRAME = 0.985
"""How much less a pixel is trusted for each frame that its source is away."""


_WRITERS = 2
"""Frames that are written and checked at once; each holds its pictures in memory."""


@dataclass(slots=True, kw_only=True)
class _Work:
    """One frame being rendered."""

    index: int
    window: Window
    alpha: Array
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    target: Target
    sources: Sources
    values: Array


class Renderer:
    """Renders frames of one shot. Every frame's pixels depend on the shot alone, not on which frames come with it."""

    def __init__(
        self, *, shot: Shot, finder: Finder | None, composer: Composer, painted: Callable[[int], bool]
    ) -> None:
        """Without a `finder` everything is filled smoothly; `painted` says of a frame number whether anything is."""
        self._shot = shot
        self._finder = finder
        self._composer = composer
        self._painted = painted

    def render(
        self, indices: list[int], *, finished: Callable[[FrameCheck, float], None], tick: Callable[[], None]
    ) -> None:
        """Render frames, by index in the shot; `finished` gets each check and its seconds.

        Frames that an interrupted run of this job finished are not rendered again.
        """
        start = time.monotonic()
        for index in indices:
            if (check := self._composer.kept(self._shot.frames[index])) is not None:
                finished(check, 0.0)
                indices = [other for other in indices if other != index]
        if not indices:
            return
        wanted = (self._work(index) for index in indices if self._painted(self._shot.frames[index]))
        works = {work.index: work for work in wanted if len(work.rows)}
        if works and self._finder is not None:
            found = self._finder.find([work.target for work in works.values()], tick=tick)
            for work, sources in zip(works.values(), found, strict=True):
                work.sources = sources
            self._fetch(list(works.values()), tick=tick)
        shared = (time.monotonic() - start) / len(indices)
        # Frames are written and checked beside the making of the next: half of that work is waiting for the disk.
        with ThreadPoolExecutor(_WRITERS) as writers:
            pending: deque[tuple[Future[FrameCheck], float]] = deque()

            def report() -> None:
                check, begun = pending.popleft()
                result = check.result()
                finished(result, shared + time.monotonic() - begun)

            try:
                for index in indices:
                    begun = time.monotonic()
                    tick()
                    plate = self._shot.read(self._shot.frames[index])
                    own = works.pop(index, None)  # each frame's arrays are let go of when it is written
                    generated = None if own is None else self._generated(own, plate)
                    if len(pending) == _WRITERS:
                        report()
                    pending.append((writers.submit(self._finish, plate, generated), begun))
            finally:  # frames that are on their way count, whatever came of the next
                while pending:
                    report()

    def _finish(self, plate: PlateFrame, generated: Generated | None) -> FrameCheck:
        self._composer.write(plate, generated)
        return self._composer.check(plate, generated)

    def _work(self, index: int) -> _Work:
        frame = self._shot.frames[index]
        have, window = self._shot.data_window(frame), self._shot.coverage(frame)
        alpha = np.ones(window.shape, np.float32)
        matte = self._shot.read_matte(frame)
        alpha[have.slices_in(window)] = 0.0 if matte is None else matte
        rows, columns = np.nonzero(alpha > 0)
        count = len(rows)
        x, y = (columns + window.x).astype(np.float32), (rows + window.y).astype(np.float32)
        nothing = Found(frame=np.full(count, NOWHERE), x=x, y=y)
        return _Work(
            index=index,
            window=window,
            alpha=alpha,
            rows=rows,
            columns=columns,
            target=Target(frame=index, x=x, y=y),
            sources=Sources(found=nothing, trust=np.zeros(count, np.float32)),
            values=np.zeros((count, len(self._shot.colours)), np.float32),
        )

    def _fetch(self, works: list[_Work], *, tick: Callable[[], None]) -> None:
        """Fetch light for all frames together, so that each source is read once and let go."""
        wanted: dict[int, list[tuple[_Work, npt.NDArray[np.intp]]]] = {}
        for work in works:
            order = np.argsort(work.sources.found.frame, kind="stable")
            numbers, starts = np.unique(work.sources.found.frame[order], return_index=True)
            for number, chosen in zip(numbers, np.split(order, starts[1:]), strict=True):
                if number != NOWHERE:
                    wanted.setdefault(int(number), []).append((work, chosen))
        for number in sorted(wanted):
            tick()
            frame = self._shot.frames[number]
            light, window = self._shot.read_light(frame), self._shot.data_window(frame)
            for work, chosen in wanted[number]:
                values, sound = fetch(
                    light, work.sources.found.x[chosen] - window.x, work.sources.found.y[chosen] - window.y
                )
                work.values[chosen] = values
                work.sources.found.frame[chosen[~sound]] = NOWHERE

    def _generated(self, work: _Work, plate: PlateFrame) -> Generated:
        found = work.sources.found
        shape, where = work.window.shape, (work.rows, work.columns)
        part = next(part for part in plate.parts if part.header.index == self._shot.part)
        light = np.zeros((*shape, len(self._shot.colours)), np.float32)
        light[part.header.data_window.slices_in(work.window)] = self._shot.light(part.planes, bits=part.header.bits)
        copied = found.frame != NOWHERE
        light[where] = work.values
        known = work.alpha <= 0
        known[where] = copied
        distance = np.abs(found.frame - work.index)
        numbers = np.array(self._shot.frames, np.float32)

        def picture(values: npt.NDArray[np.floating], empty: float) -> Array:
            result = np.full(shape, empty, np.float32)
            result[where] = np.where(copied, values, np.float32(empty))
            return result

        kind = np.zeros(shape, np.uint8)
        kind[where] = np.where(copied, SourceKind.COPIED, SourceKind.SYNTHESISED)
        return Generated(
            window=work.window,
            light=smooth_fill(light, known),
            alpha=work.alpha,
            confidence=picture(work.sources.trust * _FADE_PER_FRAME**distance, 0.0),
            source_x=picture(found.x, np.nan),
            source_y=picture(found.y, np.nan),
            source_frame=picture(numbers[np.maximum(found.frame, 0)], np.nan),
            kind=kind,
        )
