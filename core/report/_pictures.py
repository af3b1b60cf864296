"""Small pictures of frames, and of what in them was generated from what."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.colour import ColourConfig, load_config, resolve_space, to_display
from overscan.core.errors import OverscanError
from overscan.core.plates import Part, PartHeader, colour_planes, find_part, read_frame, read_header, sha256_of
from overscan.core.receipts import FrameFacts
from overscan.core.report._facts import JobEntry
from overscan.core.results import EXTRA_CHANNELS, SourceKind

PICTURES_PER_JOB = 3
LONGEST_SIDE = 640
_QUALITY = 88
_BRIGHTEST = 64.0
"""Scene-linear; what is brighter is as white, and must not outshine its neighbours where samples are averaged."""
_TINT = 0.7

COLOURS: Mapping[SourceKind, tuple[int, int, int]] = {
    # From Okabe and Ito's palette, which the colour-blind tell apart; red, green, blue.
    SourceKind.COPIED: (0, 114, 178),
    SourceKind.SYNTHESISED: (230, 159, 0),
    SourceKind.MODEL: (204, 121, 167),
}

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A frame to look at."""

    frame: int
    look: bytes
    """JPEG."""
    overlay: bytes | None
    """JPEG: the frame in grey, what was generated in the colour of where it came from; None where no layers say it."""
    width: int
    height: int
    words: str
    """What has to be said of it: whether its file is the one that the receipt speaks of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPicture:
    """A frame that cannot be shown."""

    frame: int
    words: str


def pictures(job: JobEntry) -> tuple[Picture | NoPicture, ...]:
    """The first frame of a job, the one in the middle and the last, each with its overlay."""
    frames = job.receipt.frames
    wanted = sorted({0, len(frames) // 2, len(frames) - 1}) if frames else ()
    with ThreadPoolExecutor(PICTURES_PER_JOB) as pool:  # reading and hashing let go of Python's lock
        return tuple(pool.map(lambda index: _picture(job, frames[index]), wanted))


def _picture(job: JobEntry, facts: FrameFacts) -> Picture | NoPicture:
    path = job.folder / facts.path
    try:
        same = sha256_of(path) == facts.sha256
        look, overlay = _render(path, job, facts)
    except OverscanError as error:
        return NoPicture(frame=facts.frame, words=f"No picture: {error.record.message}")
    except (OSError, ValueError, cv2.error, MemoryError) as error:
        return NoPicture(frame=facts.frame, words=f"No picture: {error}")
    rows, columns = look.shape[:2]
    return Picture(
        frame=facts.frame,
        look=_encoded(look),
        overlay=None if overlay is None else _encoded(overlay),
        width=columns,
        height=rows,
        words="" if same else "this file is not the one that the receipt speaks of",
    )


def _render(path: Path, job: JobEntry, facts: FrameFacts) -> tuple[Pixels, Pixels | None]:
    plate: Mapping[str, Any] = job.receipt.job.spec.get("plate", {})
    layer, view = str(plate.get("layer", "")), str(plate.get("view", ""))
    headers = read_header(path)
    header = find_part(headers, layer=layer, view=view)
    # A frame may carry many layers that no picture needs.
    needed = [item.index for item in headers if item.index == header.index or _has_extras(item)]
    frame = read_frame(path, number=facts.frame, parts=needed)
    part = next(part for part in frame.parts if part.header.index == header.index)
    names = colour_planes(header, layer=layer, view=view)
    size = _size(header.data_window.shape, header.pixel_aspect)
    planes = [_samples(part.planes[name], header.bits) for name in names]
    small = np.stack([_reduced(plane, size) for plane in planes], axis=-1)
    space = resolve_space(
        _config(),
        name=str(plate.get("color_space", "")),
        attributes=header.attributes,
        path=str(path),
        format_name=frame.format_name,
    )
    look = to_display(_config(), np.broadcast_to(small, (*small.shape[:2], 3)).astype(np.float32), space)
    extras = _extras(frame.parts)
    if extras is None and facts.extras is not None:
        extras = _extras(read_frame(job.folder / facts.extras.path, number=facts.frame).parts)
    if extras is None or extras.header.data_window != header.data_window:
        return look, None
    return look, _overlay(look, extras, size)


def _has_extras(header: PartHeader) -> bool:
    return {channel.name for channel in header.channels}.issuperset(EXTRA_CHANNELS)


def _extras(parts: tuple[Part, ...]) -> Part | None:
    return next((part for part in parts if _has_extras(part.header)), None)


def _overlay(look: Pixels, extras: Part, size: tuple[int, int]) -> Pixels:
    """`look` in grey under the colours; each colour as strong as the share of its samples."""
    generated = np.clip(np.nan_to_num(extras.planes["generated.A"].astype(np.float32)), 0.0, 1.0)
    kind = extras.planes["source.kind"]
    shown: Pixels = np.repeat(look.mean(axis=-1, keepdims=True), 3, axis=-1) * np.float32(0.8)
    for source, colour in COLOURS.items():
        strength = _reduced(np.where(kind == source.value, generated, np.float32(0)), size)[..., None] * _TINT
        shown = shown * (1 - strength) + np.array(colour, np.float32) / 255 * strength
    return shown.astype(np.float32)


def _size(shape: tuple[int, int], aspect: float) -> tuple[int, int]:
    """Width and height of the picture, with square pixels."""
    rows, columns = shape[0], shape[1] * aspect
    scale = min(1.0, LONGEST_SIDE / max(rows, columns))
    return max(1, round(columns * scale)), max(1, round(rows * scale))


def _reduced(plane: Pixels, size: tuple[int, int]) -> Pixels:
    smaller = cv2.resize(np.ascontiguousarray(plane, np.float32), size, interpolation=cv2.INTER_AREA)
    return smaller.reshape(size[1], size[0]).astype(np.float32, copy=False)


def _samples(plane: npt.NDArray[np.generic], bits: int) -> Pixels:
    """Samples as float32, finite and in reason; integers divided by their largest value."""
    samples = plane.astype(np.float32)
    if plane.dtype.kind == "u":
        samples /= np.float32(2**bits - 1)
    return np.clip(np.nan_to_num(samples, nan=0.0), 0.0, _BRIGHTEST)


def _encoded(picture: Pixels) -> bytes:
    codes = (np.clip(picture[..., ::-1], 0, 1) * 255.0 + 0.5).astype(np.uint8)
    done, encoded = cv2.imencode(".jpg", codes, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ValueError("the picture could not be encoded")
    return encoded.tobytes()


@lru_cache(maxsize=1)
def _config() -> ColourConfig:
    return load_config()
