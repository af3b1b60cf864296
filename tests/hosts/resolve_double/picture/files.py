"""Reading and writing frames."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio

Picture = npt.NDArray[np.float32]
_EXR = {
    "RGBFloat": ("float", "none"),
    "RGBFloatZIP": ("float", "zip"),
    "RGBHalf": ("half", "none"),
    "RGBHalfZIP": ("half", "zip"),
    "RGBHalfPIZ": ("half", "piz"),
    "RGBHalfDWAA": ("half", "dwaa"),
}
_OTHERS = {"RGB16": "uint16", "RGB16LZW": "uint16", "RGB8": "uint8", "RGB10": "uint10", "RGB12": "uint12"}


def read(path: str) -> Picture:
    """A file as RGBA inside its display window; alpha 1 where it has none."""
    reader = oiio.ImageInput.open(path)
    if reader is None:
        raise ValueError(f"{path}: {oiio.geterror()}")
    spec = reader.spec()
    pixels = np.asarray(reader.read_image(0, 0, 0, spec.nchannels, "float"), np.float32)
    reader.close()
    names = list(spec.channelnames)
    result = np.zeros((spec.full_height, spec.full_width, 4), np.float32)
    result[..., 3] = 0 if "A" in names else 1
    top, left = spec.y - spec.full_y, spec.x - spec.full_x
    rows = slice(max(top, 0), min(top + spec.height, spec.full_height))
    columns = slice(max(left, 0), min(left + spec.width, spec.full_width))
    held = pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    for place, name in enumerate("RGBA"):
        if name in names:
            result[rows, columns, place] = held[..., names.index(name)]
    if "R" not in names and len(names) in {1, 2}:  # a matte: grey
        result[rows, columns, :3] = held[..., :1]
    return result


def write(path: str, pixels: Picture, order: dict[str, Any], *, timecode: str | None, rate: list[int]) -> None:
    """A file of the job; written beside and renamed, so that no reader sees half of one."""
    channels = 4 if order.get("alpha") else 3
    if channels == 4 and not order.get("straight"):
        pixels = pixels.copy()
        pixels[..., :3] *= pixels[..., 3:]
    suffix = os.path.splitext(path)[1]
    sample, compression = _EXR.get(order["codec"], (_OTHERS.get(order["codec"], "uint16"), ""))
    if suffix != ".exr":
        sample = "uint16" if sample in {"uint10", "uint12", "half", "float"} else sample
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], channels, sample)
    if compression:
        spec["compression"] = compression
    spec.attribute("FramesPerSecond", oiio.TypeDesc("rational"), (rate[0], rate[1]))
    if timecode:
        _timecode(spec, timecode)
    beside = f"{path[: -len(suffix)]}.part{suffix}"
    writer = oiio.ImageOutput.create(beside)
    if writer is None or not writer.open(beside, spec):
        raise ValueError(f"{path}: {oiio.geterror()}")
    writer.write_image(np.ascontiguousarray(pixels[..., :channels]))
    writer.close()
    os.replace(beside, path)


def _timecode(spec: Any, text: str) -> None:
    hours, minutes, seconds, frames = (int(part) for part in text.replace(";", ":").split(":"))

    def both(value: int) -> int:
        return (value // 10 << 4) | value % 10

    word = both(hours) << 24 | both(minutes) << 16 | both(seconds) << 8 | both(min(frames, 39))
    word |= 0x40 if ";" in text else 0
    spec.attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), (word, 0))
