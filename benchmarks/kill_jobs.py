"""The jobs that `kills.py` kills: small, but of every kind that ends differently, and over awkward plates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio

from overscan.v1.frames_pb2 import FrameRange, FrameSet
from overscan.v1.job_pb2 import JobSpec
from overscan.v1.media_pb2 import SequenceRef
from overscan.v1.output_pb2 import ExtrasMode

DISPLAY = (96, 54)
WINDOW = (-3, -5, 103, 63)
"""The plate's data window, x, y, width and height: larger than the display window, and of odd size."""
FRAMES = tuple(range(-2, 10))
"""Across zero: frame numbers may be negative."""
JOBS = ("extend", "inpaint", "passthrough", "continue", "overscan")
_STEP = 4
"""Samples that the camera moves from frame to frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plates:
    """Path patterns of what the jobs read."""

    half: str
    single: str
    matte: str
    no_matte: str


def make_plates(folder: Path) -> Plates:
    """A pan with values far above 1, below 0, NaN and infinite, as half and as float, with a hole that moves."""
    width, height = WINDOW[2:]
    wide = _texture(width + _STEP * len(FRAMES), height)
    for index, frame in enumerate(FRAMES):
        view = wide[:, index * _STEP : index * _STEP + width].copy()
        view[0, :5, 0] = np.nan, np.inf, -np.inf, -1.5, 60000.0
        view[30, 40:44, 2] = -0.25
        hole = np.zeros((height, width, 1), np.float32)
        hole[20:34, 20 + index * 3 : 36 + index * 3] = 1.0
        hole = cv2.GaussianBlur(hole, (5, 5), 0)[..., None]
        _write(folder / f"half.{frame:04d}.exr", view, "half", "RGB")
        _write(folder / f"single.{frame:04d}.exr", view, "float", "RGB")
        _write(folder / f"matte.{frame:04d}.exr", hole, "half", "A")
        _write(folder / f"none.{frame:04d}.exr", np.zeros_like(hole), "half", "A")
    names = {"half": "half", "single": "single", "matte": "matte", "no_matte": "none"}
    return Plates(**{name: str(folder / f"{stem}.%04d.exr") for name, stem in names.items()})


def specs(plates: Plates, folder: Path, *, names: Sequence[str] = JOBS, engine: str = "plate") -> Mapping[str, JobSpec]:
    """The jobs `names`, each with a folder of its own in `folder` to write to; makes the folders."""
    whole, inside = FrameSet(ranges=[FrameRange(first=FRAMES[0], last=FRAMES[-1])]), FRAMES[1:-1:2]
    found: dict[str, JobSpec] = {}

    def add(name: str, plate: str) -> JobSpec:
        spec = found[name] = JobSpec(engine=engine, plate=SequenceRef(path=plate, frames=whole))
        spec.output.path = str(folder / name / "out.%04d.exr")
        return spec

    extend = add("extend", plates.half)
    extend.extend.format.size.width, extend.extend.format.size.height = 151, 54
    extend.controls.parameters["copy"].string_value = "always"
    inpaint = add("inpaint", plates.single)
    inpaint.inpaint.matte.sequence.path = plates.matte
    inpaint.output.extras = ExtrasMode.EXTRAS_MODE_SIDECAR
    passthrough = add("passthrough", plates.half)
    passthrough.inpaint.matte.sequence.path = plates.no_matte
    passthrough.output.extras = ExtrasMode.EXTRAS_MODE_NONE
    longer = add("continue", plates.half)
    getattr(longer, "continue").CopyFrom(type(getattr(longer, "continue"))(head=2, tail=3))
    longer.output.extras = ExtrasMode.EXTRAS_MODE_LAYERS
    overscan = add("overscan", plates.single)
    overscan.extend.overscan.left, overscan.extend.overscan.right, overscan.extend.overscan.top = 7, 11, 5
    overscan.frames.ranges.add(first=inside[0], last=inside[-1], step=2)
    for name in names:
        (folder / name).mkdir(parents=True)
    return {name: found[name] for name in names}


def _texture(width: int, height: int) -> npt.NDArray[np.float32]:
    """Scene-linear light with detail of all sizes."""
    random = np.random.default_rng(8)
    light = np.zeros((height, width, 3), np.float32)
    for size, weight in ((32, 0.7), (9, 0.4), (3, 0.25)):
        coarse = random.normal(0, weight, (-(-height // size) + 1, -(-width // size) + 1, 3)).astype(np.float32)
        light += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.exp(light * 1.5)


def _write(path: Path, pixels: npt.NDArray[np.float32], sample: str, names: Sequence[str]) -> None:
    x, y, width, height = WINDOW
    spec = oiio.ImageSpec(width, height, len(names), sample)
    spec.x, spec.y, spec.full_width, spec.full_height = x, y, *DISPLAY
    spec.channelnames = tuple(names)
    spec.attribute("compression", "zip")
    spec.attribute("colorInteropID", "lin_ap1_scene")
    output = oiio.ImageOutput.create(str(path))
    if not (output.open(str(path), spec) and output.write_image(np.ascontiguousarray(pixels)) and output.close()):
        raise SystemExit(f"{path}: {output.geterror()}")
