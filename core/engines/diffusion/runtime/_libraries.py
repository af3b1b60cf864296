"""The libraries of the extra ``models``, imported so that they stay at home, and what they run on."""

from __future__ import annotations

import importlib
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    # cuBLAS gives the same bits again only with a fixed workspace; it reads this when the device is first used.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}


def torch_library() -> Any:
    """torch, imported; nothing that is imported with it may call out."""
    for name, value in _OFFLINE.items():
        os.environ.setdefault(name, value)
    return importlib.import_module("torch")


@cache
def diffusers_library() -> Any:
    """diffusers, imported, silent and offline."""
    torch_library()
    diffusers = importlib.import_module("diffusers")
    for name in ("diffusers.utils.logging", "transformers.utils.logging"):
        logging = importlib.import_module(name)
        logging.disable_progress_bar()
        logging.set_verbosity_error()
    return diffusers


@cache
def thread_count() -> int:
    """Threads that models run on where they run on the CPU: ``OMP_NUM_THREADS``, or one for each core.

    torch's own number is whatever the last library has set that shares its threads, numba among them.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = set()
    for processor in usable:
        siblings = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
        cores.add(siblings.read_text(encoding="ascii") if siblings.is_file() else str(processor))
    return max(1, len(cores))


def surroundings() -> dict[str, str]:
    """What decides, beside the device, whether the same request gives the same bits: versions and threads."""
    found = {}
    for name in ("torch", "diffusers", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["threads"] = str(thread_count())
    return found
