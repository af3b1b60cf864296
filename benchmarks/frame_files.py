"""Frames on disk, with OpenImageIO and OpenCV alone: no figure may rest on Overscan's own reading and writing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio

Pixels = npt.NDArray[np.float32]
Half = npt.NDArray[np.float16]
Codes = npt.NDArray[np.uint8]


def write_exr(path: Path, channels: Half, *, names: Sequence[str] = ("R", "G", "B"), compression: str = "zip") -> None:
    """Write ``(height, width, len(names))`` as half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = channels.shape[:2]
    spec = oiio.ImageSpec(width, height, len(names), oiio.HALF)
    spec.channelnames = tuple(names)
    spec.attribute("compression", compression)
    output = oiio.ImageOutput.create(str(path))
    if output is None:
        raise SystemExit(f"{path}: {oiio.geterror()}")
    if not (output.open(str(path), spec) and output.write_image(np.ascontiguousarray(channels)) and output.close()):
        raise SystemExit(f"{path}: {output.geterror()}")


def write_codes(path: Path, codes: Codes) -> None:
    """Write RGB ``(height, width, 3)`` or grey ``(height, width)`` in 8 bits; the extension names the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), codes[..., ::-1] if codes.ndim == 3 else codes):
        raise SystemExit(f"{path} cannot be written")


def read_codes(path: Path) -> Codes:
    """RGB in 8 bits, ``(height, width, 3)``."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise SystemExit(f"{path} cannot be read")
    return np.asarray(picture, np.uint8)


def read_exr(path: Path) -> Pixels:
    """Red, green and blue of a file's first part, ``(height, width, 3)`` float32."""
    pixels = oiio.ImageBuf(str(path)).get_pixels(oiio.FLOAT)
    return np.ascontiguousarray(np.asarray(pixels, np.float32)[..., :3])


def read_half(path: Path) -> Half:
    """Red, green and blue of a file's first part, bit for bit, ``(height, width, 3)``."""
    source = _opened(path)
    light = source.read_image(0, 0, 0, 3, oiio.HALF)
    source.close()
    return np.asarray(light, np.float16)


def read_kind(path: Path) -> Pixels:
    """The layer source.kind of a sidecar, ``(height, width)``."""
    source = _opened(path)
    at = source.spec().channelnames.index("source.kind")
    kind = np.asarray(source.read_image(0, 0, at, at + 1, oiio.FLOAT), np.float32)[..., 0]
    source.close()
    return kind


def _opened(path: Path) -> oiio.ImageInput:
    source = oiio.ImageInput.open(str(path))
    if source is None:
        raise SystemExit(f"{path}: {oiio.geterror()}")
    return source
