"""The surroundings of a pipeline's call: the same bits every time, and nothing left behind where it ends early."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from overscan.core.engines.diffusion.runtime._libraries import thread_count, torch_library
from overscan.core.engines.diffusion.runtime._warm import forget_models, give_back
from overscan.core.errors import OutOfMemoryError

_SAYS_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


@contextmanager
def enough_memory(doing: str) -> Iterator[None]:
    """Raises `OutOfMemoryError` where what is done inside (`doing`, as the message says it) lacks memory.

    No model is kept warm then: those that wait for other jobs may be what is in the way.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(torch_library(), error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold the tensors
        forget_models()
        raise OutOfMemoryError(
            f"the device ran out of memory while {doing}.",
            next_step="Lower work_pixels or window, set offload to model or sequential, set tiling to on, or close what"
            " else uses the device; then retry the job: finished windows stay.",
            field="parameters.work_pixels",
        ) from None


@contextmanager
def painting(pipeline: Any) -> Iterator[None]:
    """Run a pipeline inside: deterministic, without gradients; usable again however the call ends.

    Raises `OutOfMemoryError` where the device's memory, or the machine's, does not suffice; no model is then kept warm
    any longer.
    """
    torch = torch_library()
    with enough_memory("a window was painted"):
        try:
            with _deterministic(torch), torch.no_grad():
                yield
        except BaseException:
            _let_go(pipeline)
            raise


@contextmanager
def _deterministic(torch: Any) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    threads = torch.get_num_threads()
    benchmark, cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    # Operations without a deterministic form run all the same: none of them is in the models that are claimed here.
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.set_num_threads(thread_count())
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        torch.utils.deterministic.fill_uninitialized_memory = filled
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = benchmark, cudnn
        torch.set_num_threads(threads)


def _let_go(pipeline: Any) -> None:
    """Undo what a call that ended early left: models on the device that should wait elsewhere, frames in caches."""
    for component in pipeline.components.values():
        if hasattr(component, "clear_cache") and hasattr(component, "_feat_map"):
            component.clear_cache()
    pipeline.maybe_free_model_hooks()
    give_back()


def _is_out_of_memory(torch: Any, error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error).lower() for words in _SAYS_NO_MEMORY)
