"""What happens between denoising steps: progress, previews, the order to stop, and where denoising begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from overscan.core.engines.diffusion.runtime._libraries import torch_library
from overscan.core.errors import InvalidJobError

if TYPE_CHECKING:
    from overscan.core.engines._protocol import Reporter
    from overscan.core.engines.diffusion._family import StepHook

PREVIEW_SECONDS_MIN = 2.0
"""Between two previews of one step of a job."""

Change = Callable[[Any, int, Any, Mapping[str, Any]], Mapping[str, Any]]
"""Gets the pipeline, the index of the step that is done, its time and the tensors; gives back those to go on with."""
Preview = Callable[[Any, Mapping[str, Any]], npt.NDArray[Any]]
"""Makes a picture ``(h, w, 3)`` of codes from the pipeline and the tensors of a step."""


def noise(seed: int) -> Any:
    """A generator of random numbers on the CPU: every device then begins with the same noise."""
    return torch_library().Generator(device="cpu").manual_seed(seed & 0xFFFF_FFFF_FFFF_FFFF)


def listen(
    hook: StepHook, *, total: int, preview: Preview | None = None, change: Change | None = None
) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    """A ``callback_on_step_end`` for a pipeline of `total` denoising steps.

    `change` comes first, then the hook hears of the step; what it raises ends the pipeline's call within the step.
    """

    def heard(pipeline: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if change is not None:
            tensors = {**tensors, **change(pipeline, index, timestep, tensors)}
        picture = None if preview is None else (lambda: preview(pipeline, tensors))
        hook.step(index=index + 1, total=total, preview=picture)
        return tensors

    return heard


@contextmanager
def late_start(scheduler: Any, *, steps: int, strength: float) -> Iterator[int]:
    """Inside, `scheduler` leaves out the first steps, so that denoising begins from what is there and not from noise.

    `strength` is the part of the `steps` that are taken, above 0 to 1; gives how many that is. A pipeline sets the
    times when it is called, so they are shortened there; noise the latents to the first sigma of that schedule before.
    For schedulers of rectified flow with one evaluation a step, whose latents are ``(1 - sigma) * clean + sigma *
    noise``; raises `InvalidJobError` for others.
    """
    taken = max(1, min(steps, round(steps * strength)))
    if taken < steps:
        _needs_flow(scheduler)
    own = scheduler.set_timesteps

    def set_timesteps(*arguments: Any, **named: Any) -> None:
        own(*arguments, **named)
        if taken < steps:
            left_out = len(scheduler.timesteps) - taken
            scheduler.timesteps = scheduler.timesteps[left_out:]
            scheduler.sigmas = scheduler.sigmas[left_out:]
            scheduler.num_inference_steps = taken
        # Schedulers look up where they are by the time. UniPC rounds times to whole numbers: with a large shift and
        # many steps the first two are the same, it takes the second, and runs over the end.
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)

    scheduler.set_timesteps = set_timesteps
    try:
        yield taken
    finally:
        del scheduler.set_timesteps


def _needs_flow(scheduler: Any) -> None:
    config = scheduler.config
    flow = "FlowMatch" in type(scheduler).__name__ or config.get("use_flow_sigmas", False)
    if not flow or getattr(scheduler, "order", 1) != 1:
        raise InvalidJobError(
            f"strength below 1 needs a scheduler of rectified flow, and the model has {type(scheduler).__name__}.",
            next_step="Leave strength at 1, or put the scheduler's configuration that the model came with back.",
            field="controls.strength",
        )


def step_hook(
    reporter: Reporter,
    *,
    begin: float = 0.0,
    end: float = 1.0,
    message: str,
    frame: int | None = None,
    shown: Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]] | None = None,
) -> StepHook:
    """A hook that speaks to a job's reporter.

    Progress of the job's step goes from `begin` to `end`. Previews are of `frame`, at most one in two seconds: small
    pictures ``(h, w, 3)`` float32 of codes, which `shown` turns into what is to be looked at. A reporter without a
    method ``preview`` gets none.
    """
    return _ReportingHook(reporter=reporter, begin=begin, end=end, message=message, frame=frame, shown=shown)


@dataclass(slots=True, kw_only=True)
class _ReportingHook:
    reporter: Reporter
    begin: float
    end: float
    message: str
    frame: int | None
    shown: Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]] | None
    next_preview: float = field(default_factory=lambda: time.monotonic() + PREVIEW_SECONDS_MIN)

    def step(self, *, index: int, total: int, preview: Callable[[], npt.NDArray[Any]] | None = None) -> None:
        done = index / max(total, 1)
        self.reporter.progress(
            fraction=self.begin + (self.end - self.begin) * done,
            message=f"{self.message}: denoising step {index} of {total}",
        )
        self.reporter.check_cancelled()
        send = getattr(self.reporter, "preview", None)
        if send is None or preview is None or self.frame is None or time.monotonic() < self.next_preview:
            return
        codes = np.ascontiguousarray(preview(), np.float32)
        picture = codes if self.shown is None else self.shown(codes)
        send(frame=self.frame, picture=np.ascontiguousarray(picture, np.float32))
        self.next_preview = time.monotonic() + PREVIEW_SECONDS_MIN
