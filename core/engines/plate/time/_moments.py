"""Writes the frames of a result that has other frames than its plate: the plate's own as they are, new ones as made."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from overscan.core.plates import PlateFrame
from overscan.core.results import Composer, FrameCheck, Generated, empty_frame
from overscan.core.shots import Shot

_WRITERS = 2
"""Frames that are written and checked at once; each holds its pictures in memory."""


class MomentRenderer:
    """Renders frames of one shot by their numbers in the result. What a frame holds depends on the shot alone."""

    def __init__(self, *, shot: Shot, composer: Composer) -> None:
        self._shot = shot
        self._composer = composer

    def render(
        self,
        frames: Sequence[int],
        *,
        make: Callable[[Sequence[int]], Iterator[Generated]],
        finished: Callable[[FrameCheck, float], None],
        tick: Callable[[], None],
    ) -> None:
        """Render `frames`; `finished` gets each check and its seconds. `tick` is called before each frame.

        `make` paints frames that the plate has not, one after the other, each when it is asked for. Frames that an
        interrupted run of this job finished are not rendered again.
        """
        missing = []
        for frame in frames:
            if (kept := self._composer.kept(frame)) is not None:
                finished(kept, 0.0)
            else:
                missing.append(frame)
        made = make([frame for frame in missing if self._shot.moments[frame].plate is None])
        # Frames are written and checked beside the making of the next: half of that work is waiting for the disk.
        with ThreadPoolExecutor(_WRITERS) as writers:
            pending: deque[tuple[Future[FrameCheck], float]] = deque()

            def report() -> None:
                check, begun = pending.popleft()
                finished(check.result(), time.monotonic() - begun)

            try:
                for frame in missing:
                    tick()
                    begun = time.monotonic()
                    own = self._shot.moments[frame].plate
                    plate = empty_frame(self._shot, frame=frame) if own is None else self._shot.read(own)
                    generated = next(made) if own is None else None
                    if len(pending) == _WRITERS:
                        report()
                    pending.append((writers.submit(self._finish, plate, generated, frame), begun))
            finally:  # frames that are on their way count, whatever came of the next
                while pending:
                    report()

    def _finish(self, plate: PlateFrame, generated: Generated | None, frame: int) -> FrameCheck:
        self._composer.write(plate, generated, frame=frame)
        return self._composer.check(plate, generated, frame=frame)
