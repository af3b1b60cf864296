"""Tries one thing that may crash or hang, in a process of its own: ``python -m overscan.cli._probes NAME [ARGUMENT]``.

Prints one line on what it found and exits with 0, or fails with a traceback.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def probe_module(name: str) -> str:
    """Import a module; says its version."""
    module = importlib.import_module(name)
    return str(getattr(module, "__version__", "")) or "found"


def probe_exr(_: str) -> str:
    """Write an EXR with awkward values, read it back, and compare the bits."""
    import numpy as np
    import OpenImageIO

    with tempfile.TemporaryDirectory(prefix="overscan-doctor-") as folder:
        path = str(Path(folder) / "probe.exr")
        pixels = np.array([[[-1.5, 0.18, 65504.0], [np.nan, np.inf, -np.inf]]], dtype=np.float16)
        spec = OpenImageIO.ImageSpec(2, 1, 3, "half")
        spec["compression"] = "zip"
        writer = OpenImageIO.ImageOutput.create(path)
        if writer is None or not writer.open(path, spec) or not writer.write_image(pixels) or not writer.close():
            raise RuntimeError(f"an EXR cannot be written: {OpenImageIO.geterror()}")
        reader = OpenImageIO.ImageInput.open(path)
        if reader is None:
            raise RuntimeError(f"an EXR cannot be read: {OpenImageIO.geterror()}")
        back = reader.read_image("half")
        reader.close()
        if np.asarray(back, dtype=np.float16).tobytes() != pixels.tobytes():
            raise RuntimeError("an EXR that was written does not come back as it was")
    return "an EXR was written and read back bit by bit"


def probe_numba(_: str) -> str:
    """Compile a small kernel and run it."""
    import numba

    compile_now: Callable[[Callable[[int], int]], Callable[[int], int]] = numba.njit
    double = compile_now(_double)
    if double(21) != 42:
        raise RuntimeError("a compiled kernel gives a wrong result")
    return "a kernel was compiled and run"


def _double(number: int) -> int:
    return number + number


def probe_engines(_: str) -> str:
    """Load every installed engine."""
    entries = importlib.metadata.entry_points(group="overscan.engines")
    if not entries:
        raise RuntimeError("no engine is installed; install Overscan again")
    return ", ".join(f"{entry.name} {entry.load()().card.version}" for entry in entries)


_PROBES = {"module": probe_module, "exr": probe_exr, "numba": probe_numba, "engines": probe_engines}

if __name__ == "__main__":
    sys.stdout.write(_PROBES[sys.argv[1]](sys.argv[2] if len(sys.argv) > 2 else "") + "\n")
