"""What analysis looks at: small, log-shaped, stretched pictures of plate frames. No result pixel comes from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._lattice import Lattice
from overscan.core.engines.plate._pyramid import membrane
from overscan.core.engines.plate.motion._log import read_log
from overscan.core.geometry import Window
from overscan.core.shots import Shot

LONGEST = 960
"""Samples along the longer side of the picture that motion is measured on."""
COARSER = 2
"""Flow is kept at half the proxy's resolution: DIS itself stops refining there."""
THUMBNAIL = 256
"""Samples along the longer side of the picture that motion is tried out on."""
MATTE_MARGIN = 15 / 1920
"""Width of the rim round a matte where motion is not believed, as a part of the plate's width."""

_LEAST_MARGIN = 8
"""Size of a patch of the flow, in proxy samples: nearer to a hole it also measures what the hole was filled with."""

_LEAST_SLOPE = 0.3
"""Mean slope of a picture that is not flat, of 255 per proxy sample."""

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
_Sample = TypeVar("_Sample", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One affine stretch for the whole clip: proxy values `low` to `high` become 0 to 255."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A frame as analysis sees it."""

    grey: npt.NDArray[np.uint8]
    """``(height, width)`` of the analysis lattice; smooth where nothing is known."""
    known: Mask
    """Where the plate is, and no matte."""
    background: Mask
    """Where it is known, nobody said that it moves by itself, and there is something that motion can be told by."""
    thumbnail: Array
    """Log-shaped colours on the thumbnail lattice, ``(height, width, channels)``."""
    thumbnail_known: Mask


def shot_window(shot: Shot) -> Window:
    """The smallest window that holds the data windows of all frames."""
    window = shot.data_window(shot.frames[0])
    for frame in shot.frames[1:]:
        window = window.union(shot.data_window(frame))
    return window


def measure_stretch(shot: Shot, *, samples: int = 12) -> Stretch:
    """The stretch of a shot from up to `samples` frames, evenly spread: 1st to 99.5th percentile of the proxy."""
    count = len(shot.frames)
    chosen = sorted({shot.frames[round(index * (count - 1) / max(1, samples - 1))] for index in range(samples)})
    values = []
    for frame in chosen:
        log = read_log(shot, frame)
        step = max(1, int(np.sqrt(log.shape[0] * log.shape[1] / 65536)))
        values.append(log[::step, ::step].mean(axis=-1).ravel())
    low, high = np.percentile(np.concatenate(values), (1.0, 99.5))
    return Stretch(low=float(low), high=float(max(high, low + 1e-3)))


def make_proxy(shot: Shot, frame: int, *, window: Window, stretch: Stretch, fine: Lattice) -> Proxy:
    """The proxy of `frame` over `window`, the shot's window, on the lattice `fine`."""
    log, have = read_log(shot, frame), shot.data_window(frame)
    matte = shot.read_matte(frame)
    known = np.ones(have.shape, np.bool_) if matte is None else matte <= 0
    if have != window:
        log, known = _placed(log, have, window), _placed(known[..., np.newaxis], have, window)[..., 0]
    coarse = Lattice.over(window, longest=THUMBNAIL)
    small = _shrunk(log, fine)
    small_known = _shrunk_mask(known, fine)
    values = np.clip((small.mean(axis=-1) - stretch.low) / (stretch.high - stretch.low), 0, 1) * 255
    # A hole filled with black would itself be an edge for the flow to hold on to.
    smooth = values.astype(np.float32)
    if not small_known.all():
        smooth = membrane(smooth[..., np.newaxis], small_known)[..., 0]
    believed = small_known
    if matte is not None and not small_known.all():
        rim = max(round(MATTE_MARGIN * fine.width), min(_LEAST_MARGIN, max(1, min(fine.shape) // 8)))
        believed = cv2.erode(small_known.astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0
    grey = np.rint(smooth).astype(np.uint8)
    steers = believed & _textured(grey)
    if shot.movers is not None:
        steers &= ~read_movers(shot, frame, window=window, lattice=fine)
    return Proxy(
        grey=grey,
        known=believed,
        background=steers,
        thumbnail=_shrunk(log, coarse),
        thumbnail_known=_shrunk_mask(known, coarse),
    )


def _textured(grey: npt.NDArray[np.uint8]) -> Mask:
    """Where a picture is not flat: two flat pictures agree on any motion."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125)
    slope = cv2.blur(np.abs(across) + np.abs(down), (_LEAST_MARGIN + 1, _LEAST_MARGIN + 1))
    textured: Mask = slope > _LEAST_SLOPE
    return textured


def read_movers(shot: Shot, frame: int, *, window: Window, lattice: Lattice) -> Mask:
    """What the artist says moves by itself in `frame`, on a `lattice` over `window`, the shot's window."""
    assert shot.movers is not None
    matte = shot.movers.read(frame, window=window)
    return ~_shrunk_mask(matte <= 0, lattice)


def _placed(values: npt.NDArray[_Sample], have: Window, window: Window) -> npt.NDArray[_Sample]:
    canvas = np.zeros((*window.shape, values.shape[-1]), values.dtype)
    canvas[have.slices_in(window)] = values
    return canvas


def _shrunk(values: Array, lattice: Lattice) -> Array:
    resized = cv2.resize(values, (lattice.width, lattice.height), interpolation=cv2.INTER_AREA)
    return resized.reshape(*lattice.shape, values.shape[-1]).astype(np.float32, copy=False)


def _shrunk_mask(known: Mask, lattice: Lattice) -> Mask:
    """True where all samples of a cell are known."""
    if known.all():
        return np.ones(lattice.shape, np.bool_)
    part = cv2.resize(known.astype(np.float32), (lattice.width, lattice.height), interpolation=cv2.INTER_AREA)
    whole: Mask = part > 0.999
    return whole
