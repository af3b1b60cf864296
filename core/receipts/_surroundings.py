"""What software and what machine a job ran on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from overscan.core.receipts._document import Machine

_LIBRARIES = ("numpy", "OpenImageIO", "opencolorio", "opencv-python-headless", "numba", "av", "c2pa-python")
_MODELS = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
_ASK_SECONDS_MAX = 5.0


@cache
def overscan_version() -> str:
    """Of the installed package."""
    return _version("overscan") or "unknown"


def software(*, model: bool) -> dict[str, str]:
    """Versions of what touches samples, by package; with what runs models where one ran."""
    names = (*_LIBRARIES, *(_MODELS if model else ()))
    found = {name: version for name in names if (version := _version(name))}
    return {"overscan": overscan_version(), "python": platform.python_version(), **found}


@cache
def machine(*, model: bool) -> Machine:
    """This machine; its graphics processor only where a model may have run on it."""
    return Machine(
        kind=f"{platform.system()} {platform.machine()}, {os.cpu_count() or 1} cores",
        cpu=_cpu(),
        gpu=_gpu() if model else "",
        os=platform.platform(),
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpu() -> str:
    asked = shutil.which("nvidia-smi")
    if asked is None:
        return ""
    command = [asked, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS_MAX, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(line.strip() for line in answer.stdout.splitlines() if line.strip())
