"""The plate engine as the first part of another engine's work (the hybrid contract).

A learned engine starts from what this one makes, and repaints only what nobody has seen::

    self._ground = GroundLayer()

    def plan(self, job):
        ground = self._ground.plan(job, share=0.3)
        own = Step(id="paint", …, needs=tuple(step.id for step in ground.steps), weight=0.7)
        return replace(ground, steps=(*ground.steps, own))

    def run(self, step, context):
        if self._ground.owns(step):
            self._ground.run(step, context)
            return
        for frame in step.frames:
            ground = self._ground.read(frame, context)
            …
            composer.write(plate, ground.repainted(light, confidence=0.5))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from overscan.core.engines._protocol import Context, Notice, Plan, Reporter, Step
from overscan.core.engines.plate._engine import PlateEngine
from overscan.core.errors import InvalidJobError
from overscan.core.jobs import Job, ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.plate._session import Session
    from overscan.core.results import Groundwork, Sketch

_PREFIX = "ground-"
_TASKS = (Task.EXTEND, Task.INPAINT)
_BYTES_PER_PIXEL = 40
"""Of a frame that is kept; what stays the same over many samples packs to next to nothing."""


class GroundLayer:
    """Plans and runs the plate engine's steps inside another engine's plan, and reads what they lay."""

    def __init__(self, *, parameters: Mapping[str, ParameterValue] | None = None) -> None:
        """`parameters` are the plate engine's, e.g. ``{"quality": "preview"}``; a job's own are the other engine's."""
        self._parameters = dict(parameters or {})
        self._session: Session | None = None

    def plan(self, job: Job, *, share: float) -> Plan:
        """The plate engine's plan of `job`, with steps whose weights add up to `share` of the whole work.

        Set extension and removal only; problems come as in any plan.
        """
        if job.kind not in _TASKS:
            refused = InvalidJobError(
                f"the plate engine lays no groundwork for '{job.kind.value}'.",
                next_step=f"It does for: {', '.join(task.value for task in _TASKS)}.",
                field="task",
            )
            return Plan(problems=(refused.record,))
        plan = PlateEngine().plan(self._job(job))
        if not plan.feasible or plan.data_window is None:
            return plan
        pixels = plan.data_window.width * plan.data_window.height
        kept = plan.estimate.work_bytes + len(plan.frames) * pixels * _BYTES_PER_PIXEL
        return replace(
            plan,
            steps=tuple(_prefixed(step, share) for step in plan.steps),
            estimate=replace(plan.estimate, work_bytes=kept),
        )

    def owns(self, step: Step) -> bool:
        """Whether a step is one that `plan` made."""
        return step.id.startswith(_PREFIX)

    def run(self, step: Step, context: Context) -> None:
        """Carry out a step that this owns, in the other engine's `context`. No result frame comes of it."""
        from overscan.core.engines.plate._session import Session

        own = replace(step, id=step.id.removeprefix(_PREFIX), kind=step.kind.removeprefix(_PREFIX))
        inner = replace(
            context,
            job=self._job(context.job),
            work_folder=_work(context),
            reporter=_Unfinished(context.reporter),
        )
        inner.work_folder.mkdir(parents=True, exist_ok=True)
        if self._session is None or not self._session.serves(own, inner):
            self._session = Session(inner, lays_groundwork=True, attributes={})
        self._session.run(own, inner)

    def read(self, frame: int, context: Context) -> Groundwork:
        """What was laid for a frame of the result, by its number; raises the errors of reading."""
        from overscan.core.engines.plate._session import GROUNDWORK
        from overscan.core.results import read_groundwork

        return read_groundwork(_work(context) / GROUNDWORK, frame=frame)

    def _job(self, job: Job) -> Job:
        return replace(job, engine="plate", model="", parameters=self._parameters)


class _Unfinished:
    """Passes on all that a step says but that frames are finished: they are not, before the other engine is."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def progress(self, *, fraction: float, message: str) -> None:
        self._reporter.progress(fraction=fraction, message=message)

    def frame_finished(self, *, frame: int, path: Path, seconds: float) -> None:
        """Not yet."""

    def warn(self, *, notice: Notice) -> None:
        self._reporter.warn(notice=notice)

    def check_cancelled(self) -> None:
        self._reporter.check_cancelled()


def _prefixed(step: Step, share: float) -> Step:
    return replace(
        step,
        id=_PREFIX + step.id,
        kind=_PREFIX + step.kind,
        needs=tuple(_PREFIX + name for name in step.needs),
        weight=step.weight * share,
    )


def read_ground_sketch(frame: int, context: Context) -> Sketch:
    """What is to be painted in a frame that was laid, in brief; raises OSError where it is not there."""
    from overscan.core.engines.plate._session import GROUNDWORK
    from overscan.core.results import read_sketch

    return read_sketch(_work(context) / GROUNDWORK, frame=frame)


def ground_grain(context: Context) -> Path:
    """File of the grain that was measured for the groundwork; it is there only where anything was missing."""
    return _work(context) / "grain.npz"


def _work(context: Context) -> Path:
    return context.work_folder / "ground"
