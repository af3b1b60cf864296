"""Small pictures of frames, for people to look at while a job runs. Made in workers, which have the pixels."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.colour import ColourConfig, load_config, resolve_space, to_display
from overscan.core.jobs import Job
from overscan.core.plates import colour_planes, find_part, read_frame, read_header

MEDIA_TYPE = "image/jpeg"
PREVIEW_BYTES_MAX = 64 * 1024
_LONGEST_SIDE = 320
_PAUSE_SECONDS_MIN = 1.0
_SHARE_MAX = 0.01
"""Part of a worker's time that goes into previews: large frames get them less often."""
_QUALITIES = (85, 70, 50, 30)
_BRIGHTEST = 64.0
"""Scene-linear; what is brighter is as white, and must not outshine its neighbours where samples are averaged."""

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An encoded picture, display-referred, of at most `PREVIEW_BYTES_MAX` bytes."""

    frame: int
    media_type: str
    data: bytes


class Previews:
    """Decides when a picture is due, and makes it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._output = ""
        self._due = 0.0

    def offer(self, *, job: Job, frame: int, path: Path) -> Picture | None:
        """A picture of a frame that has just been written, where one is due; at most about one a second.

        Never raises: a job does not fail for want of a picture.
        """
        return self._made(job, frame, lambda: _shown(job, path))

    def draw(self, *, job: Job, frame: int, picture: Pixels) -> Picture | None:
        """A picture of a frame in the making, `(height, width, 3)` and display-referred 0..1, where one is due.

        Never raises either.
        """
        return self._made(job, frame, lambda: _small(picture))

    def _made(self, job: Job, frame: int, make: Callable[[], Pixels]) -> Picture | None:
        if not self._making.acquire(blocking=False):
            return None
        try:
            begun = time.monotonic()
            if self._output == job.output.path and begun < self._due:
                return None
            self._output = job.output.path
            try:
                data = _encode(make())
            except Exception:
                traceback.print_exc()
                data = None
            end = time.monotonic()
            self._due = end + max(_PAUSE_SECONDS_MIN, (end - begun) / _SHARE_MAX)
            return None if data is None else Picture(frame=frame, media_type=MEDIA_TYPE, data=data)
        finally:
            self._making.release()


@lru_cache(maxsize=1)
def _config() -> ColourConfig:
    return load_config()


def _shown(job: Job, path: Path) -> Pixels:
    """The frame as it looks on a display: ``(height, width, 3)`` float32 0..1, square pixels, small."""
    source = job.plate
    layer, view = ("", "") if source is None else (source.layer, source.view)
    header = find_part(read_header(path), layer=layer, view=view)
    names = colour_planes(header, layer=layer, view=view)
    frame = read_frame(path, number=0, parts=[header.index])
    rows, columns = header.data_window.shape
    scale = _LONGEST_SIDE / max(rows, columns * header.pixel_aspect)
    # Two samples for each of the picture's are enough for a look, and spare the rest of the work.
    step = max(1, int(0.5 / scale))
    samples = np.stack([_samples(frame.parts[0].planes[name][::step, ::step], header.bits) for name in names], axis=-1)
    size = (max(1, round(columns * header.pixel_aspect * scale)), max(1, round(rows * scale)))
    small = cv2.resize(samples, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], len(names))
    space = resolve_space(
        _config(),
        name="" if source is None else source.colour_space,
        attributes=header.attributes,
        path=str(path),
        format_name=frame.format_name,
    )
    rgb: Pixels = np.broadcast_to(small, (*small.shape[:2], 3)).astype(np.float32)
    return to_display(_config(), rgb, space)


def _small(picture: Pixels) -> Pixels:
    """A picture that is display-referred already, no larger than one of a frame."""
    rows, columns = picture.shape[:2]
    scale = min(1.0, _LONGEST_SIDE / max(rows, columns))
    clean = np.clip(np.nan_to_num(picture.astype(np.float32), nan=0.0), 0.0, 1.0)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return cv2.resize(clean, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], 3).astype(np.float32)


def _samples(plane: npt.NDArray[np.generic], bits: int) -> Pixels:
    """Samples as float32, finite and in reason; integers divided by their largest value."""
    samples = plane.astype(np.float32)
    if plane.dtype.kind == "u":
        samples /= np.float32(2**bits - 1)
    return np.clip(np.nan_to_num(samples, nan=0.0), 0.0, _BRIGHTEST)


def _encode(picture: Pixels) -> bytes | None:
    codes = (picture[..., ::-1] * 255.0 + 0.5).astype(np.uint8)
    for quality in _QUALITIES:
        done, encoded = cv2.imencode(".jpg", codes, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done and encoded.size <= PREVIEW_BYTES_MAX:
            return encoded.tobytes()
    return None
