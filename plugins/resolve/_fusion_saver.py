"""Pictures and masks of a composition as EXR files: by a Saver that is there only meanwhile."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overscan_host import Steps, refuse
from overscan_resolve._exr_header import read_header
from overscan_resolve._fusion_flow import kept_comp

FIRST_NUMBER = 1001
"""Of rendered frames."""
_FLOAT = 2
"""Of the Saver's Depth: 32 bits, so that nothing is rounded."""
_ZIP = 3


@dataclass(frozen=True)
class Saved:
    """Frames that a Saver wrote."""

    pattern: str
    width: int
    height: int


def save_steps(comp: Any, tool: Any, *, first: int, last: int, folder: Path, name: str) -> Steps:
    """Write what a tool shows between two times, numbered from `FIRST_NUMBER`; returns `Saved`.

    One frame a step, so that the window stays alive. Raises `RefusalError`; the folder is removed then.
    """
    with kept_comp(comp) as temporary:
        saver = _saver(comp, temporary)
        if not saver.ConnectInput("Input", tool):
            raise refuse("UNSUPPORTED", f"The picture of {tool.Name} cannot be saved.", "Choose another tool.")
        return (yield from _written(comp, saver, first, last, folder, name))


def save_mask_steps(
    comp: Any, mask: Any, *, first: int, last: int, folder: Path, name: str, width: int, height: int
) -> Steps:
    """Write a mask as the alpha of frames of a size; returns `Saved`. Raises `RefusalError`."""
    with kept_comp(comp) as temporary:
        comp.Lock()
        white = comp.AddTool("Background", 0, 0)
        comp.Unlock()
        temporary.append(str(white.Name))
        for control, value in (
            ("UseFrameFormatSettings", 0), ("Width", width), ("Height", height), ("TopLeftRed", 1.0),
            ("TopLeftGreen", 1.0), ("TopLeftBlue", 1.0), ("TopLeftAlpha", 1.0),
        ):  # fmt: skip
            white.SetInput(control, value)
        saver = _saver(comp, temporary)
        if not (white.ConnectInput("EffectMask", mask) and saver.ConnectInput("Input", white)):
            raise refuse("UNSUPPORTED", f"{mask.Name} cannot be used as a mask.", "Choose another one.")
        saved = yield from _written(comp, saver, first, last, folder, name)
        if (saved.width, saved.height) != (width, height):
            shutil.rmtree(str(folder), ignore_errors=True)
            raise refuse("INVALID_JOB",
                         f"Fusion made the mask {saved.width}x{saved.height}, and the plate is {width}x{height}.",
                         "Set the mask's own size to that of the plate.")  # fmt: skip
        return saved


def _saver(comp: Any, temporary: list[str]) -> Any:
    comp.Lock()  # or a file dialog opens
    saver = comp.AddTool("Saver", 0, 0)
    comp.Unlock()
    if saver is None:
        raise refuse("UNSUPPORTED", "Fusion adds no Saver to this composition.", "Unlock it, and try again.")
    temporary.append(str(saver.Name))
    return saver


def _written(comp: Any, saver: Any, first: int, last: int, folder: Path, name: str) -> Steps:
    raw = folder / ".saver"
    raw.mkdir(parents=True, exist_ok=True)
    saver.SetInput("Clip", str(raw / f"{name}.0000.exr"))
    saver.SetInput("OutputFormat", "OpenEXRFormat")
    saver.SetInput("OpenEXRFormat.Depth", _FLOAT)
    saver.SetInput("OpenEXRFormat.Compression", _ZIP)
    size = (0, 0)
    try:
        for time in range(first, last + 1):
            done = comp.Render({"Tool": saver, "Start": time, "End": time, "HiQ": True, "Wait": True})
            files = sorted(raw.iterdir())
            if not done or len(files) != 1:
                raise refuse(
                    "STEP_FAILED",
                    f"Fusion did not render {name} at time {time}.",
                    "Look into Fusion's console, which says why; render the tool with a Saver of your own to see it.",
                )
            # A Saver numbers its files by ways of its own: what counts is the order.
            target = folder / f"{name}.{FIRST_NUMBER + time - first:04d}.exr"
            os.replace(str(files[0]), str(target))  # noqa: PTH105
            size = _same_size(target, size)
            yield
    except BaseException:
        shutil.rmtree(str(folder), ignore_errors=True)
        raise
    raw.rmdir()
    return Saved(f"{folder.as_posix()}/{name}.%04d.exr", *size)


def _same_size(path: Path, size: tuple[int, int]) -> tuple[int, int]:
    try:
        header = read_header(path)
    except (OSError, ValueError) as problem:
        raise refuse("STEP_FAILED", f"What Fusion wrote cannot be read: {path} ({problem}).",
                     "Check that the disk is not full, and render again.", path=str(path)) from problem  # fmt: skip
    found = (header.width, header.height)
    if size not in ((0, 0), found):
        raise refuse("INVALID_JOB", f"The picture changes its size on the way: {size[0]}x{size[1]}, then "
                     f"{found[0]}x{found[1]}.", "Crop or letterbox it to one size before.")  # fmt: skip
    return found
