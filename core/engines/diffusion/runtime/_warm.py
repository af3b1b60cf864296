"""Keeps loaded models for the next job of this process, within a budget; the longest unused goes first."""

from __future__ import annotations

import gc
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from overscan.core.engines.diffusion.runtime._libraries import torch_library

BUDGET_VARIABLE = "OVERSCAN_MODEL_MEMORY"
"""Bytes that warm models of a process may hold together; the one in use always may. Empty: half the device's."""


@dataclass(slots=True, kw_only=True)
class WarmModel:
    """A loaded pipeline."""

    pipeline: Any
    name: str
    device: str
    bytes: int


_lock = threading.RLock()
_models: OrderedDict[Hashable, WarmModel] = OrderedDict()


def warm(
    key: Hashable, *, name: str, device: str, expected_bytes: int, total_bytes: int, load: Callable[[], Any]
) -> Any:
    """The pipeline kept under `key`, or what `load` makes, kept from now on.

    Before loading, others go until `expected_bytes` fit in the budget beside what stays.
    """
    with _lock:
        found = _models.get(key)
        if found is not None:
            _models.move_to_end(key)
            return found.pipeline
        _make_room(expected_bytes, budget=_budget(total_bytes))
        pipeline = load()
        _models[key] = WarmModel(pipeline=pipeline, name=name, device=device, bytes=weights_bytes(pipeline))
        return pipeline


def forget_models() -> None:
    """Drop all warm models, and give their memory back once their users let go of them."""
    with _lock:
        _models.clear()
    give_back()


def warm_models() -> tuple[tuple[str, str, int], ...]:
    """Name, device and bytes of what is warm, the longest unused first."""
    with _lock:
        return tuple((model.name, model.device, model.bytes) for model in _models.values())


def held_bytes(kind: str) -> int:
    """Bytes that warm models hold on devices of a kind (``cpu``, ``mps`` …)."""
    return sum(size for _, device, size in warm_models() if device.partition(":")[0] == kind)


def weights_bytes(pipeline: Any) -> int:
    """Bytes of all weights of a pipeline."""
    torch = torch_library()
    return sum(
        tensor.numel() * tensor.element_size()
        for component in pipeline.components.values()
        if isinstance(component, torch.nn.Module)
        for tensor in (*component.parameters(), *component.buffers())
    )


def give_back() -> None:
    """Return freed memory to the device."""
    torch = torch_library()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _make_room(wanted: int, *, budget: int) -> None:
    while _models and sum(model.bytes for model in _models.values()) + wanted > budget:
        _models.popitem(last=False)
    # Always: a pipeline that was dropped while it was in use is a knot of references that only the collector undoes.
    give_back()


def _budget(total_bytes: int) -> int:
    text = os.environ.get(BUDGET_VARIABLE, "")
    return int(text) if text.isdecimal() else total_bytes // 2
