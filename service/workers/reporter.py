"""How an engine speaks to the service from within a worker."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from overscan.core.engines import Notice
from overscan.core.errors import CancelledError
from overscan.service.workers import messages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from overscan.service.workers.main import Worker

_PROGRESS_SECONDS_MIN = 0.1


class PipeReporter:
    """The engines' `Reporter`, at the worker's end of the pipe."""

    def __init__(self, *, worker: Worker, number: int, step: messages.RunStep | None = None) -> None:
        self._worker = worker
        self._number = number
        self._step = step
        self._next_progress = 0.0
        self._said: set[Notice] = set()

    def progress(self, *, fraction: float, message: str) -> None:
        """Pass progress on, at most ten times a second."""
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + _PROGRESS_SECONDS_MIN
            fraction = float(fraction)
            clean = min(max(fraction, 0.0), 1.0) if fraction == fraction else 0.0
            self._worker.send(self._number, messages.Progress(fraction=clean, message=message))

    def frame_finished(self, *, frame: int, path: Path, seconds: float) -> None:
        """Pass a finished frame on, and now and then a picture of it."""
        self._worker.send(self._number, messages.FrameFinished(frame=frame, path=str(path), seconds=seconds))
        if self._step is not None:
            self._worker.take_down(self._step, frame=frame, path=Path(path))
            self._worker.preview(self._number, self._step, frame=frame, shown=Path(path))

    def warn(self, *, notice: Notice) -> None:
        """Pass a warning on, once."""
        if notice not in self._said:
            self._said.add(notice)
            self._worker.send(self._number, messages.Warned(notice=notice))

    def preview(self, *, frame: int, picture: NDArray[np.float32]) -> None:
        """Pass on a picture of a frame in the making, where one is due: `(h, w, 3)`, display-referred 0 to 1."""
        if self._step is not None:
            self._worker.preview(self._number, self._step, frame=frame, shown=picture)

    def check_cancelled(self) -> None:
        """Raise `CancelledError` where the step should stop."""
        if self._worker.stopped(self._number):
            raise CancelledError("the step was asked to stop.")
