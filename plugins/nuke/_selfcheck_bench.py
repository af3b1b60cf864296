"""What the checks of the self-check share: a plate with known samples, traces, verdicts, and Nuke's own renders."""

from __future__ import annotations

import json
import math
import struct
import time
import traceback
from pathlib import Path
from typing import Any, Callable

import nuke
from overscan_nuke import _selfcheck_exr as exr

FIRST, LAST = 1001, 1004
WIDTH, HEIGHT = 96, 64
WIDE, TALL = 112, 72
"""The plate's format, and the one it is extended to, the plate in its middle."""

_PAN = 4
_AWKWARD = (-1.5, 65504.0, 6e-8, -0.0, 1.0, 12.25)
"""Samples that clamping, a transfer curve or rounding would change."""


class SkippedError(Exception):
    """A check cannot be made here; the message says why, and that is no failure."""


class Bench:
    """Where the checks work, and what they found."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results: list[dict[str, Any]] = []
        """One per check: name, verdict (ok, fail or skipped), message, seconds, and perhaps details."""
        self.traces: list[dict[str, Any]] = []
        """What Nuke did, one JSON object each, for the repository's double to be held against."""
        self.kept: dict[str, Any] = {}
        """What one check leaves for later ones."""

    def run(self, name: str, check: Callable[[Bench], str]) -> None:
        """Make a check; it returns what it found, and raises where that is wrong."""
        began = time.monotonic()
        details = ""
        try:
            verdict, message = "ok", check(self)
        except SkippedError as skipped:
            verdict, message = "skipped", str(skipped)
        except Exception as error:
            verdict, message = "fail", f"{type(error).__name__}: {error}"
            details = traceback.format_exc()
        seconds = round(time.monotonic() - began, 3)
        result = {"name": name, "verdict": verdict, "message": message, "seconds": seconds, "details": details}
        self.results.append(result)

    def trace(self, kind: str, name: str, **facts: Any) -> None:
        """Keep a trace."""
        self.traces.append({"type": kind, "name": name, **facts})

    def behaviour(self, name: str, act: Callable[[], Any]) -> Any:
        """Do something of which the double must know how it comes out; keeps and returns the outcome."""
        try:
            value = act()
        except Exception as error:
            outcome = {"raises": type(error).__name__}
        else:
            outcome = {"gives": plain(value)}
        self.trace("behaviour", name, **outcome)
        return outcome

    def need(self, name: str) -> Any:
        """What an earlier check left; where that failed, this one cannot be made."""
        if name not in self.kept:
            raise SkippedError(f"an earlier check left no {name}")
        return self.kept[name]

    def private(self, text: str) -> str:
        """The text without the names of folders and people that a report need not tell."""
        for known, word in ((str(self.folder), "<folder>"), (str(Path.home()), "~")):
            if len(known) > 1:
                text = text.replace(known, word).replace(json.dumps(known)[1:-1], word)
        return text


def plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return type(value).__name__


def plate_samples(frame: int) -> dict[str, list[float]]:
    """The plate's samples, by channel, row by row: a camera that pans over a pattern, with awkward values in it."""
    shift = _PAN * (frame - FIRST)
    channels: dict[str, list[float]] = {}
    for number, name in enumerate("RGB"):
        samples = []
        for y in range(HEIGHT):
            for x in range(WIDTH):
                u, v = x + shift, y
                wave = math.sin(u * 0.31 + number) * math.cos(v * 0.23) + math.sin((u * 3 + v * 5) * 0.11)
                speck = ((u * 73856093) ^ (v * 19349663) ^ (number * 83492791)) % 97 / 97
                samples.append(0.4 + 0.15 * wave + 0.2 * speck)
        channels[name] = samples
    for index, value in enumerate(_AWKWARD):
        for name in "RGB":
            channels[name][(10 + index) * WIDTH + 20 + index] = value
    return channels


def write_plate(folder: Path) -> str:
    """Write the plate's frames; returns their pattern."""
    for frame in range(FIRST, LAST + 1):
        path = folder / f"plate.{frame:04d}.exr"
        exr.write(path, width=WIDTH, height=HEIGHT, channels=plate_samples(frame))
    return (folder / "plate.%04d.exr").as_posix()


def render(node: Any, folder: Path, *, frame: int, channels: str = "rgb") -> exr.Picture:
    """One frame of a node, as Nuke's own Write writes it: 32-bit float, no colour transform."""
    with nuke.root():
        write: Any = nuke.nodes.Write()
    try:
        write.setInput(0, node)
        for knob, value in (
            ("file", (folder / "render.%04d.exr").as_posix()), ("file_type", "exr"), ("datatype", "32 bit float"),
            ("compression", "none"), ("channels", channels), ("raw", True),
        ):  # fmt: skip
            write[knob].setValue(value)
        folder.mkdir(parents=True, exist_ok=True)
        nuke.execute(write, frame, frame, 1)
    finally:
        nuke.delete(write)
    return exr.read(folder / f"render.{frame:04d}.exr")


def compare_with_plate(picture: exr.Picture, *, frame: int, at: tuple[int, int]) -> int:
    """How many samples were compared; raises AssertionError at the first that differs from the plate in any bit.

    `at` is where the plate's upper left sample lies in the picture.
    """
    truth = plate_samples(frame)
    compared = 0
    for name, samples in truth.items():
        for index, value in enumerate(samples):
            (half,) = struct.unpack("<e", struct.pack("<e", value))
            (wanted,) = struct.unpack("<I", struct.pack("<f", half))
            x, y = at[0] + index % WIDTH, at[1] + index // WIDTH
            found = picture.float_bits(name, x, y)
            if found != wanted:
                raise AssertionError(f"frame {frame}, {name} at {x},{y}: bits {found:08x}, the plate has {wanted:08x}")
            compared += 1
    return compared


def new_read(pattern: str) -> Any:
    """A Read of the plate, as an artist has it after dropping the files into the graph."""
    read: Any = nuke.nodes.Read()
    for knob, value in (
        ("file", pattern), ("first", FIRST), ("last", LAST), ("origfirst", FIRST), ("origlast", LAST),
        ("origset", True), ("raw", True),
    ):  # fmt: skip
        read[knob].setValue(value)
    return read
