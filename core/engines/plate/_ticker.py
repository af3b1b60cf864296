"""Progress of a step that is one walk through time."""

from __future__ import annotations

from overscan.core.engines._protocol import Context, Step


class Ticker:
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
