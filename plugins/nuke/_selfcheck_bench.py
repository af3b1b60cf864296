"""What the checks of the self-check share: a plate with known samples, traces, verdicts, and Nuke's own renders."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import nuke
from overscan_host.selfcheck import Bench, SkippedError, plain
from overscan_nuke import _selfcheck_exr as exr

__all__ = [
    "FIRST",
    "HEIGHT",
    "LAST",
    "TALL",
    "WIDE",
    "WIDTH",
    "Bench",
    "SkippedError",
    "compare_with_plate",
    "new_read",
    "plain",
    "plate_samples",
    "render",
    "write_plate",
]

FIRST, LAST = 1001, 1004
WIDTH, HEIGHT = 96, 64
WIDE, TALL = 112, 72
"""The plate's format, and the one it is extended to, the plate in its middle."""

_PAN = 4
_AWKWARD = (-1.5, 65504.0, 6e-8, -0.0, 1.0, 12.25)
"""Samples that clamping, a transfer curve or rounding would change."""


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
