"""Frames that only Resolve can make: a render job, from settings that are all our own, and its files checked."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overscan_host import Steps, Work, refuse
from overscan_resolve._asking import ask, listed, text
from overscan_resolve._exr_header import read_header
from overscan_resolve._restore import Kept

STALL_SECONDS = 600.0
"""How long a render may stand still before it is given up."""

_POLL_SECONDS = 0.2
_BEGIN_SECONDS = 10.0
_BASES = ("H.264 Master", "H.265 Master", "ProRes 422 HQ", "YouTube - 1080p")
"""Presets that come with Resolve. Settings are applied on top of what is set, so that they have to begin from one."""


@dataclass(frozen=True)
class Rendering:
    """What is to be rendered, of the current timeline."""

    first: int
    """Record frame."""
    last: int
    folder: Path
    """Made for it; nothing else may be in it."""
    name: str
    """Of the files, before their number."""
    numbers_from: int
    """Number of the first file."""
    width: int
    height: int
    alpha: bool = False

    @property
    def count(self) -> int:
        """Frames."""
        return self.last - self.first + 1

    @property
    def pattern(self) -> str:
        """Path of the frames once they are checked."""
        return f"{self.folder.as_posix()}/{self.name}.%04d.exr"


def render_steps(held: Kept, wanted: Rendering, *, stall_seconds: float = STALL_SECONDS) -> Steps:
    """Render, and return the pattern of the frames, which have the numbers that were asked for.

    `held` must keep the render settings. Whatever fails, no file, no render job and no running render is left behind.
    Raises `RefusalError`; `StoppedError` passes through.
    """
    project = held.project
    if ask(project, "IsRenderingInProgress"):
        raise refuse("UNSUPPORTED", "Resolve is rendering, and renders one thing at a time.",
                     "Wait until it has finished, or stop it on the Deliver page.")  # fmt: skip
    wanted.folder.mkdir(parents=True, exist_ok=True)
    job = ""
    try:
        _set_up(project, wanted)
        job = text(project, "AddRenderJob")
        if not job:
            raise _failed("Resolve does not take the render job", wanted)
        if not ask(project, "StartRendering", [job], False):
            raise _failed("Resolve does not start the render", wanted)
        yield from _watch(project, job, wanted, stall_seconds)
        yield Work(lambda: _check(wanted))
        return wanted.pattern
    except BaseException:
        if job and ask(project, "IsRenderingInProgress"):
            ask(project, "StopRendering")
            _wait_for_stop(project)
        shutil.rmtree(str(wanted.folder), ignore_errors=True)
        raise
    finally:
        if job:
            ask(project, "DeleteRenderJob", job)


def _set_up(project: Any, wanted: Rendering) -> None:
    names = [str(one.get("PresetName", "")) if isinstance(one, dict) else str(one)
             for one in listed(project, "GetRenderPresetList")]  # fmt: skip
    for base in _BASES:
        if base in names and ask(project, "LoadRenderPreset", base):
            break
    codec = _codec(project)
    if not ask(project, "SetCurrentRenderFormatAndCodec", codec[0], codec[1]):
        raise _failed(f"Resolve does not take the format {codec[0]} with {codec[1]}", wanted)
    ask(project, "SetCurrentRenderMode", 1)
    settings: dict[str, Any] = {
        "SelectAllFrames": False,
        "MarkIn": wanted.first,
        "MarkOut": wanted.last,
        "TargetDir": str(wanted.folder),
        "CustomName": wanted.name,
        "ExportVideo": True,
        "ExportAudio": False,
        "FormatWidth": wanted.width,
        "FormatHeight": wanted.height,
        "ExportAlpha": wanted.alpha,
    }
    if wanted.alpha:
        settings["AlphaMode"] = 1  # straight: colours are not multiplied by what is to be replaced
    if not ask(project, "SetRenderSettings", settings):
        raise _failed("Resolve does not take the render settings", wanted)


def _codec(project: Any) -> tuple[str, str]:
    """EXR with half samples, lossless; compressed where there is a choice."""
    formats = ask(project, "GetRenderFormats")
    known = {str(name): str(value) for name, value in formats.items()} if isinstance(formats, dict) else {}
    name = next((name for name, value in known.items() if "exr" in (name.lower(), value.lower())), "")
    codecs: dict[str, str] = {}
    for spelling in (known.get(name, "exr"), name):
        found = ask(project, "GetRenderCodecs", spelling) if spelling else None
        if isinstance(found, dict) and found:
            codecs = {str(label): str(value) for label, value in found.items()}
            break
    lossless = {
        value: f"{label} {value}".lower()
        for label, value in codecs.items()
        if "half" in f"{label} {value}".lower() and not re.search(r"dwa|b44|pxr", f"{label} {value}".lower())
    }
    for compression in ("zip", "piz", "rle", ""):
        for value, words in lossless.items():
            if compression in words:
                return known.get(name, "exr"), value
    raise refuse("UNSUPPORTED", "This Resolve does not render EXR files with half samples.",
                 "EXR comes with Resolve Studio; see Deliver > Format.")  # fmt: skip


def _watch(project: Any, job: str, wanted: Rendering, stall_seconds: float) -> Steps:
    """Until the render has ended. Its state is a word in the user's language, so it is judged by what happens."""
    begun = time.monotonic()
    moved, seen, running_seen = begun, (-1.0, -1), False
    while True:
        count = yield Work(lambda: _count_after(_POLL_SECONDS, wanted))
        status = ask(project, "GetRenderJobStatus", job)
        facts = status if isinstance(status, dict) else {}
        now = time.monotonic()
        here = (float(facts.get("CompletionPercentage") or 0), count)
        if here != seen:
            seen, moved = here, now
        if facts.get("Error"):
            raise _failed("Resolve failed to render: {}".format(facts["Error"]), wanted)
        if ask(project, "IsRenderingInProgress"):
            running_seen = True
        elif running_seen or here[0] >= 100 or here[1] >= wanted.count or now - begun > _BEGIN_SECONDS:
            return
        if now - moved > stall_seconds:
            raise _failed(f"The render stands still since {stall_seconds:g} s", wanted)


def _count_after(seconds: float, wanted: Rendering) -> int:
    time.sleep(seconds)
    return len(_files(wanted))


def _wait_for_stop(project: Any) -> None:
    end = time.monotonic() + _BEGIN_SECONDS
    while ask(project, "IsRenderingInProgress") and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)


def _files(wanted: Rendering) -> dict[int, Path]:
    """Rendered files by the number that Resolve gave them: which it begins with depends on its version and settings."""
    expression = re.compile(re.escape(wanted.name) + r"[._-]?(\d+)\.exr", re.IGNORECASE)
    found = ((expression.fullmatch(path.name), path) for path in wanted.folder.iterdir())
    return {int(match[1]): path for match, path in found if match}


def _check(wanted: Rendering) -> None:
    """All frames, one after another, of the right size; then give them their numbers."""
    files = _files(wanted)
    numbers = sorted(files)
    if len(numbers) != wanted.count or (numbers and numbers[-1] - numbers[0] + 1 != wanted.count):
        raise _failed(
            f"Resolve rendered {len(numbers)} of {wanted.count} frames" if numbers else "Resolve rendered nothing",
            wanted,
        )
    for number in numbers:
        try:
            header = read_header(files[number])
        except (ValueError, OSError) as problem:
            raise _failed(f"{files[number].name} cannot be used: {problem}", wanted) from problem
        if (header.width, header.height) != (wanted.width, wanted.height):
            raise _failed(
                f"{files[number].name} is {header.width}x{header.height}, not {wanted.width}x{wanted.height}", wanted
            )
        if wanted.alpha and "A" not in header.channels:
            raise _failed(f"{files[number].name} has no alpha", wanted)
    aside = {number: path.with_name(f"overscan-{number}.part") for number, path in files.items()}
    for number, path in files.items():  # in two goes, for a new name may be the old one of another frame
        path.rename(aside[number])
    for number, path in aside.items():
        path.rename(wanted.folder / f"{wanted.name}.{number - numbers[0] + wanted.numbers_from:04d}.exr")


def _failed(what: str, wanted: Rendering) -> Exception:
    return refuse(
        "STEP_FAILED",
        f"{what} (record frames {wanted.first} to {wanted.last}, into {wanted.folder}).",
        "Look at Deliver in Resolve whether these frames render there: offline media and a full disk are the usual "
        "causes. Then try again.",
        path=str(wanted.folder),
    )
