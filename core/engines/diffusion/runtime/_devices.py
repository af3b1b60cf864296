"""The devices of this process that models can run on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from overscan.core.engines.diffusion.runtime._libraries import thread_count, torch_library
from overscan.core.memory import memory

_SHARE = 0.45
"""Part of the speed of a plain matrix product that a whole denoising step reaches: norms, copies, attention."""
PLANS_VARIABLE = "OVERSCAN_PLANS_ONLY"
"""Set in a process that plans for others, and never paints."""
_most_free: dict[str, int] = {}
"""What a process that plans has seen free of each memory."""
_FALLBACK = {"cuda": 4e13, "mps": 4e12}
"""Operations a second of a device that is too full to be measured."""
_SIDE = {"cuda": 4096, "mps": 2048, "cpu": 512}
"""Side of the matrices that measure a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device."""

    name: str
    """As torch calls it: ``cuda:0``, ``mps``, ``cpu``."""
    title: str
    """As people call it."""
    total_bytes: int
    free_bytes: int
    """What models can have: what nobody uses, and what warm models of this process use."""
    bfloat16: bool
    """Whether it computes in bfloat16 about as fast as in float16."""
    float16: bool
    host_bytes: int | None = None
    """What the machine's own memory has free for parts that are moved out of a device of its own; None: not known."""

    @property
    def kind(self) -> str:
        """``cuda``, ``mps`` or ``cpu``."""
        return self.name.partition(":")[0]

    @property
    def separate(self) -> bool:
        """Whether it has a memory of its own, from which models can be moved out to the machine's."""
        return self.kind == "cuda"


def devices() -> tuple[Device, ...]:
    """The devices of this process, the best first; ``CUDA_VISIBLE_DEVICES`` is honoured. Imports torch."""
    torch = torch_library()
    found = []
    found_memory = memory()
    machine, unused = found_memory.total, found_memory.free
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            free, total = torch.cuda.mem_get_info(index)
            # What torch holds of it is ours to use again: warm models can go, and its cache is no one else's.
            free += torch.cuda.memory_reserved(index)
            found.append(
                Device(
                    name=f"cuda:{index}",
                    title=str(properties.name),
                    total_bytes=int(total),
                    free_bytes=_for_plans(f"cuda:{index}", int(min(free, total))),
                    bfloat16=properties.major >= 8,
                    float16=True,
                    host_bytes=_for_plans("cpu", min(machine, unused + _held("cpu"))),
                )
            )
    elif getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        total = int(torch.mps.recommended_max_memory())
        found.append(
            Device(
                name="mps",
                title="Apple GPU",
                total_bytes=total,
                free_bytes=_for_plans("mps", max(0, total - int(torch.mps.driver_allocated_memory())) + _held("mps")),
                bfloat16=True,
                float16=True,
            )
        )
    found.append(
        Device(
            name="cpu",
            title=f"CPU, {thread_count()} threads",
            total_bytes=machine,
            free_bytes=_for_plans("cpu", min(machine, unused + _held("cpu"))),
            bfloat16=False,
            float16=False,
        )
    )
    return tuple(found)


def _for_plans(name: str, free: int) -> int:
    """What is `free` of a memory; in a process that plans, the most that it has seen free.

    Workers that render meanwhile hold models and frames there: a job that waits for them will have it all, and where
    others have taken it since, the job says so when it begins.
    """
    if not os.environ.get(PLANS_VARIABLE):
        return free
    _most_free[name] = max(free, _most_free.get(name, 0))
    return _most_free[name]


def operations_per_second(name: str, precision: str) -> float:
    """Floating-point operations that the device does in a second in a model, measured once in a few hundredths.

    A guess where the device has no room to measure it, since another process renders there.
    """
    try:
        return _measured(name, precision)
    except RuntimeError:
        return _FALLBACK.get(name.partition(":")[0], 1e11) * _SHARE


@cache
def _measured(name: str, precision: str) -> float:
    torch = torch_library()
    kind = name.partition(":")[0]
    side = _SIDE.get(kind, 512)
    left = torch.ones((side, side), dtype=getattr(torch, precision), device=name)
    best = float("inf")
    for _ in range(4):  # the first call is warming up
        best = min(best, _seconds(torch, kind, left))
    return float(2.0 * float(side) ** 3 / best * _SHARE)


def _seconds(torch: object, kind: str, left: object) -> float:
    import time

    begun = time.perf_counter()
    product = left @ left  # type: ignore[operator]
    if kind == "cuda":
        torch.cuda.synchronize(product.device)  # type: ignore[attr-defined]
    elif kind == "mps":
        torch.mps.synchronize()  # type: ignore[attr-defined]
    return max(time.perf_counter() - begun, 1e-7)


def _held(kind: str) -> int:
    from overscan.core.engines.diffusion.runtime._warm import held_bytes

    return held_bytes(kind)
