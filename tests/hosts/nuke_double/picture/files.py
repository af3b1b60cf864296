"""EXR files to pictures and back, the way Nuke's Read and Write name channels and place windows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from .image import Box, Image, PictureError, Plane

_LETTERS = {"r": "red", "g": "green", "b": "blue", "a": "alpha"}
EVERYTHING = {"default metadata and exr/*", "all metadata except input/*", "all metadata"}
# What a header says of the file itself, and a new file says anew.
_STRUCTURE = frozenset({"compression", "PixelAspectRatio", "name", "version", "chunkCount", "type"})
_PREFIXES = ("oiio:", "openexr:", "screenWindow")
_COMPRESSIONS = {
    "none": "none",
    "Zip (1 scanline)": "zips",
    "Zip (16 scanlines)": "zip",
    "PIZ Wavelet (32 scanlines)": "piz",
    "RLE": "rle",
    "B44": "b44",
    "B44A": "b44a",
    "DWAA": "dwaa",
    "DWAB": "dwab",
}


def nuke_name(name: str) -> str:
    """The channel that Nuke makes of a name in a file, as Foundry's ExrChannelNameToNuke does."""
    words = [re.sub(r"[^A-Za-z0-9]", "_", word.lstrip("0123456789")) for word in name.split(".")]
    words = [word for word in words if word] or ["unnamed"]
    layer = "_".join(words[:-1])
    channel = words[-1]
    for short, long in _LETTERS.items():
        if channel in {short, short.upper(), long.capitalize(), long.upper()}:
            channel = long
    if layer == "Ci":
        layer = ""
    if not layer:
        if channel == "Z":
            return "depth.Z"
        layer = "rgba" if channel in _LETTERS.values() else "other"
    return f"{layer}.{channel}"


def file_name(name: str) -> str:
    """The channel of a file for one of Nuke's."""
    layer, _, channel = name.partition(".")
    back = {long: short.upper() for short, long in _LETTERS.items()}
    short = back.get(channel, channel)
    return short if layer == "rgba" or name == "depth.Z" else f"{layer}.{short}"


def read(path: str, node: str, *, edges: str = "plate detect") -> Image:
    """The picture in a file. PictureError where there is none."""
    if not Path(path).is_file():
        raise PictureError(f"{node}: {path}: Read error: No such file or directory")
    source = oiio.ImageInput.open(path)
    if source is None:
        raise PictureError(f"{node}: {path}: Read error: {oiio.geterror()}")
    try:
        specs = []
        while source.seek_subimage(len(specs), 0):
            specs.append(source.spec())
        first = specs[0]
        channels: dict[str, Plane] = {}
        dotted = any("." in name for spec in specs for name in spec.channelnames)
        for part, spec in enumerate(specs):
            if (spec.x, spec.y, spec.width, spec.height) != (first.x, first.y, first.width, first.height):
                raise PictureError(f"{node}: {path}: Multipart data window size must be consistent")
            pixels = source.read_image(part, 0, 0, spec.nchannels, oiio.FLOAT)
            if pixels is None:
                raise PictureError(f"{node}: {path}: Read error: {source.geterror()}")
            title = spec.get_string_attribute("oiio:subimagename")
            prefix = f"{title}." if len(specs) > 1 and title and not dotted else ""
            for place, name in enumerate(spec.channelnames):
                plane = np.ascontiguousarray(pixels[..., place])
                known = nuke_name(prefix + name)
                grey = name in {"Y", "y"} and not prefix
                for target in ("rgba.red", "rgba.green", "rgba.blue") if grey else (known,):
                    channels.setdefault(target, plane)
    finally:
        source.close()
    width, height = first.full_width, first.full_height
    aspect = first.get_float_attribute("PixelAspectRatio", 1.0)
    size = (width, height, 0, 0, width, height, float(aspect))
    image = Image(
        format=size, box=_box(first), channels=channels, metadata=_metadata(first, path), header=_header(first)
    )
    return image.on(_with_edges(image.box, (0, 0, width, height), edges))


def _with_edges(box: Box, frame: Box, edges: str) -> Box:
    """The box that Read gives: a black pixel around the data window where that is not the display window."""
    if edges == "repeat" or (edges == "plate detect" and box == frame):
        return box
    x, y, r, t = box
    if edges == "edge detect":
        return x - (x != frame[0]), y - (y != frame[1]), r + (r != frame[2]), t + (t != frame[3])
    return x - 1, y - 1, r + 1, t + 1


def _box(spec: Any) -> Box:
    left = spec.x - spec.full_x
    top = spec.full_height - (spec.y - spec.full_y)
    return left, top - spec.height, left + spec.width, top


def _metadata(spec: Any, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "input/filename": path,
        "input/width": spec.full_width,
        "input/height": spec.full_height,
        "input/filereader": "exr" if path.endswith(".exr") else Path(path).suffix[1:],
        "input/bitsperchannel": "16-bit half float" if spec.format == oiio.HALF else "32-bit float",
    }
    for attribute in spec.extra_attribs:
        value = attribute.value
        plain = (
            value
            if isinstance(value, (int, float, str))
            else [float(x) for x in value]
            if _numbers(value)
            else str(value)
        )
        found[f"exr/{attribute.name}"] = plain
    return found


def _header(spec: Any) -> dict[str, tuple[Any, Any]]:
    return {
        attribute.name: (attribute.type, attribute.value)
        for attribute in spec.extra_attribs
        if attribute.name not in _STRUCTURE and not attribute.name.startswith(_PREFIXES)
    }


def _numbers(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(item, (int, float)) for item in value)


def write(
    path: str,
    image: Image,
    names: list[str],
    *,
    node: str,
    half: bool,
    compression: str,
    folders: bool,
    level: float,
    metadata: str,
) -> None:
    """Write the picture's box as the data window and its format as the display window, beside, then renamed."""
    target = Path(path)
    if not target.parent.is_dir():
        if not folders:
            raise PictureError(f"{node}: {path}: No such file or directory: can't open")
        target.parent.mkdir(parents=True, exist_ok=True)
    x, y, r, t = image.box
    if r <= x or t <= y:
        x, y, r, t = 0, 0, 1, 1
        image = image.on((x, y, r, t))
    spec = oiio.ImageSpec(r - x, t - y, len(names), oiio.HALF if half else oiio.FLOAT)
    spec.channelnames = [file_name(name) for name in names]
    spec.x, spec.y = x, image.format[1] - t
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, image.format[0], image.format[1]
    spec.attribute("PixelAspectRatio", float(image.format[6]))
    kind = _COMPRESSIONS[compression]
    spec.attribute("compression", f"{kind}:{level:g}" if kind.startswith("dwa") else kind)
    for name, (kind_of_value, value) in image.header.items():
        optional = name in {"smpte:TimeCode", "smpte:KeyCode", "FramesPerSecond", "ExposureTime"}
        if (optional and metadata != "no metadata") or metadata in EVERYTHING:
            spec.attribute(name, kind_of_value, value)
    beside = f"{path}.tmp{os.getpid()}.exr"
    output = oiio.ImageOutput.create(beside)
    pixels = np.stack([image.channel(name) for name in names], axis=-1)
    if not output or not output.open(beside, spec) or not output.write_image(pixels) or not output.close():
        raise PictureError(f"{node}: {path}: {output.geterror() if output else oiio.geterror()}")
    os.replace(beside, path)
