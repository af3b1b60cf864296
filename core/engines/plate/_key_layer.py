"""The plate engine with another engine's painter in its key frames (decision 0019).

Another engine paints stills, and what it paints is carried to all other frames by the motion that this one measures::

    self._layer = KeyLayer()

    def plan(self, job):
        return self._layer.plan(job, card=self.card, title="Painting key frames", cost=40.0, parameters={})

    def run(self, step, context):
        painter = self._painter(context) if self._layer.paints(step) else None
        self._layer.run(step, context, parameters={}, painter=painter, attributes={…})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from overscan.core.engines._protocol import Context, EngineCard, Plan, Step
from overscan.core.errors import OverscanError
from overscan.core.jobs import Job, ParameterValue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from overscan.core.engines.plate._painter import Painter, Unpainted
    from overscan.core.engines.plate._session import Session

_PAINTING = "imagine"
_BYTES_PER_PIXEL = 150
"""Memory of what is painted of a key frame, while it is followed and completed."""
_KEPT_BYTES_PER_PIXEL = 12
"""Of a painted picture on disk."""


class KeyLayer:
    """Plans and runs a whole job of set extension or removal for another engine, results included."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._painter = _Now()

    def plan(
        self, job: Job, *, card: EngineCard, title: str, cost: float, parameters: Mapping[str, ParameterValue]
    ) -> Plan:
        """The plan of `job` for the engine that `card` is of; key frames are painted one a step, one after the other.

        `title` is the painting steps', and `cost` what a key frame takes in rendered frames; `parameters` are the
        plate engine's.
        """
        from overscan.core.engines.plate._plan import KeyWork, plan
        from overscan.core.engines.plate._wide_keys import WIDEST

        try:
            found = plan(_inner(job, parameters), card=card, keys=KeyWork(title=title, cost=cost, keys=1))
        except OverscanError as error:
            return Plan(problems=(error.record,))
        if found.data_window is None:
            return found
        # A camera that pans has key frames painted wider to both sides.
        pixels = found.data_window.width * found.data_window.height
        wider = round(2 * WIDEST * pixels)
        kept = sum(self.paints(step) for step in found.steps) * (pixels + wider) * _KEPT_BYTES_PER_PIXEL
        estimate = replace(
            found.estimate,
            memory_bytes=found.estimate.memory_bytes + wider * _BYTES_PER_PIXEL,
            work_bytes=found.estimate.work_bytes + kept,
        )
        return replace(found, estimate=estimate)

    def paints(self, step: Step) -> bool:
        """Whether a step needs a painter."""
        return step.kind == _PAINTING

    def run(
        self,
        step: Step,
        context: Context,
        *,
        parameters: Mapping[str, ParameterValue],
        painter: Painter | None,
        attributes: Mapping[str, str],
    ) -> None:
        """Carry out a step; `attributes` go into every frame's header. Raises `OverscanError`."""
        from overscan.core.engines.plate._session import Session

        inner = replace(context, job=_inner(context.job, parameters))
        if self._session is None or not self._session.serves(step, inner):
            self._session = Session(inner, painter=self._painter, attributes=attributes)
        self._painter.own = painter
        try:
            self._session.run(step, inner)
        finally:
            self._painter.own = None


class _Now:
    """The painter of the step that is carried out."""

    def __init__(self) -> None:
        self.own: Painter | None = None

    def paint(self, key: Unpainted, *, tick: Callable[[], None]) -> npt.NDArray[np.float32]:
        assert self.own is not None  # only steps that paint call this
        return self.own.paint(key, tick=tick)


def _inner(job: Job, parameters: Mapping[str, ParameterValue]) -> Job:
    return replace(job, engine="plate", model="", parameters=dict(parameters))
