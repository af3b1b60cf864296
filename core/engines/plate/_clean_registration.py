"""Lays a clean plate over frames of a shot: features (Lowe 2004), one plane, then the samples themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.colour import acescct_to_linear, analysis_proxy
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._noise import noise_variance
from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate._pyramid import membrane
from overscan.core.engines.plate.light._exposure import sample_pair
from overscan.core.engines.plate.motion._align import align
from overscan.core.engines.plate.motion._camera import plate_maps
from overscan.core.engines.plate.motion._models import INLIER, Matrix, best_fit, fit_models, project
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import COARSER, LONGEST, THUMBNAIL, Mask
from overscan.core.shots import CleanPlate, Light, Shot

_FEATURES = 3000
_CONTRAST = 0.02
"""Half of what Lowe takes: a wall has few corners, and matches are counted anyway."""
_RATIO = 0.8
"""A feature's best match must be so much nearer than its second best (Lowe 2004)."""
_LEAST_MATCHES = 12
_SURE = (8.0, 0.3)
"""Matches that must agree with one plane: so many, and this part of all (Brown & Lowe 2007)."""
_FOOTPRINT = 4
"""Samples round an address that fetching may look at."""
_LEAST_BLOCKS = 4
_NEARLY = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A clean plate as it is seen from one frame of the shot."""

    frame: int
    """Index in the shot."""
    model: Matrix
    """3x3: the frame's position in the plate's pixel space to the clean plate's own; the depth of its middle is 1."""
    gain: Array
    """``(channels,)``: stops to add to the clean plate's light to be seen in the frame."""
    reduction: int
    """Samples of the clean plate, in each direction, that one of the frame is the mean of."""
    grain: float
    """Part of the variance of the frame's grain that the clean plate has, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A clean plate, and the frames it could be laid over."""

    lattice: Lattice
    """Over the clean plate's own pixel space."""
    usable: Mask
    """``(height, width)`` of the lattice: where light may be fetched."""
    views: tuple[View, ...]
    """Ascending by frame; empty where no frame shows the same place."""

    def save(self, path: Path) -> None:
        """Keep it in an .npz file, atomically."""
        lattice, views = self.lattice, self.views
        channels = len(views[0].gain) if views else 0
        save_arrays(
            path,
            {
                "lattice": np.array([lattice.x0, lattice.y0, lattice.dx, lattice.dy, lattice.width, lattice.height]),
                "usable": self.usable,
                "frames": np.array([view.frame for view in views], np.int64),
                "models": np.array([view.model for view in views], np.float64).reshape(len(views), 3, 3),
                "gains": np.array([view.gain for view in views], np.float32).reshape(len(views), channels),
                "reductions": np.array([view.reduction for view in views], np.int64),
                "grain": np.array([view.grain for view in views], np.float64),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Laid:
        """What `save` kept; raises what reading a broken file raises."""
        with np.load(path) as kept:
            x0, y0, dx, dy, width, height = (float(value) for value in kept["lattice"])
            fields = (kept[name] for name in ("frames", "models", "gains", "reductions", "grain"))
            return cls(
                lattice=Lattice(x0=x0, y0=y0, dx=dx, dy=dy, width=round(width), height=round(height)),
                usable=kept["usable"],
                views=tuple(
                    View(frame=int(frame), model=model, gain=gain, reduction=int(reduction), grain=float(grain))
                    for frame, model, gain, reduction, grain in zip(*fields, strict=True)
                ),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sight:
    """A picture with its features."""

    grey: npt.NDArray[np.uint8]
    use: Mask
    """Where it shows what stands still."""
    points: Array
    """``(n, 2)``"""
    descriptors: Array
    """``(n, 128)``"""


class Registrar:
    """Registers clean plates to `frames`, by index, of one shot; the features of these are found once."""

    def __init__(self, *, shot: Shot, store: MotionStore, frames: Sequence[int]) -> None:
        self._shot = shot
        self._store = store
        self._frames = tuple(frames)
        self._sights: dict[int, _Sight] = {}
        self._noise: dict[int, float] = {}

    def lay(self, clean: CleanPlate, *, tick: Callable[[], None]) -> Laid:
        """Register one clean plate; `tick` is called once a frame and may raise to stop."""
        light = clean.read_light()
        window = clean.data_window
        lattice, small = Lattice.over(window, longest=LONGEST), Lattice.over(window, longest=THUMBNAIL)
        known = np.asarray(np.isfinite(light).all(axis=-1), np.bool_)
        log = analysis_proxy(np.where(known[..., np.newaxis], light, np.float32(0)))
        pixels, seen = _shrunk(log, known, lattice)
        thumbnail, thumbnail_known = _shrunk(log, known, small)
        rim = 1 + int(np.ceil(_FOOTPRINT / min(lattice.dx, lattice.dy)))
        usable = cv2.erode(seen.astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8), borderValue=0) > 0
        sight = _sight(_grey(pixels, seen), seen)
        noise: dict[int, float] = {}
        views = []
        for frame in self._frames:
            tick()
            model = self._model(frame, sight)
            if model is None:
                continue
            inner, outer = plate_maps(self._store.fine)[1], plate_maps(lattice)[0]
            whole = self._normalised(outer @ model @ inner, frame)
            reduction = _reduction(whole, self._middle(frame))
            if reduction not in noise:
                # Grain is compared as it will be fetched.
                noise[reduction] = _noise(reduced(light, reduction))
            views.append(
                View(
                    frame=frame,
                    model=whole,
                    gain=self._gain(frame, whole, thumbnail, thumbnail_known, small),
                    reduction=reduction,
                    grain=min(1.0, noise[reduction] / max(self._frame_noise(frame), 1e-12)),
                )
            )
        return Laid(lattice=lattice, usable=usable, views=tuple(views))

    def _model(self, frame: int, other: _Sight) -> Matrix | None:
        """Motion from a frame's proxy to the clean plate's; None where they do not show the same place."""
        own = self._sight(frame)
        start, end = _matches(own, other)
        if len(start) < _LEAST_MATCHES:
            return None
        fit = best_fit(fit_models(start, end, shape=own.grey.shape))
        agree = int(np.count_nonzero(fit.distance < INLIER))
        if agree < _SURE[0] + _SURE[1] * len(start):
            return None
        return align(own.grey, other.grey, model=fit.model, kind=fit.kind, use=own.use, there=other.use)

    def _sight(self, frame: int) -> _Sight:
        if frame not in self._sights:
            proxy, movers = self._store.proxy(frame), self._store.movers(frame)
            fine = np.repeat(np.repeat(movers, COARSER, axis=0), COARSER, axis=1)
            height, width = proxy.grey.shape
            self._sights[frame] = _sight(proxy.grey, proxy.background & ~fine[:height, :width])
        return self._sights[frame]

    def _gain(self, frame: int, model: Matrix, pixels: Array, known: Mask, lattice: Lattice) -> Array:
        own, nodes = self._store.thumbnail(frame), self._store.thumbnails
        x, y = nodes.nodes()
        there = project(model, np.stack([x, y], axis=-1))
        # `sample_pair` knows one lattice, the frame's: said in its units, addresses lie in the clean plate's array.
        column, row = (there[..., 0] - lattice.x0) / lattice.dx, (there[..., 1] - lattice.y0) / lattice.dy
        addresses = np.stack([nodes.x0 + column * nodes.dx, nodes.y0 + row * nodes.dy], axis=-1).astype(np.float32)
        samples = sample_pair(
            first=acescct_to_linear(own.pixels),
            second=acescct_to_linear(pixels),
            known_first=own.known,
            known_second=known,
            addresses=addresses,
            lattice=nodes,
        )
        gain = np.zeros(pixels.shape[-1], np.float32)
        for channel in range(len(gain)):
            stops = samples.stops[samples.weight[:, channel] > 0, channel]
            if len(stops) >= _LEAST_BLOCKS:
                gain[channel] = -np.median(stops)
        return gain

    def _frame_noise(self, frame: int) -> float:
        if frame not in self._noise:
            light, matte = (
                self._shot.read_light(self._shot.frames[frame]),
                self._shot.read_matte(self._shot.frames[frame]),
            )
            self._noise[frame] = _noise(light, None if matte is None else matte <= 0)
        return self._noise[frame]

    def _middle(self, frame: int) -> tuple[float, float]:
        window = self._shot.data_window(self._shot.frames[frame])
        return window.x + (window.width - 1) / 2, window.y + (window.height - 1) / 2

    def _normalised(self, model: Matrix, frame: int) -> Matrix:
        x, y = self._middle(frame)
        return np.asarray(model / (model[2, 0] * x + model[2, 1] * y + model[2, 2]))


def reduced(light: Light, reduction: int) -> Light:
    """Means of blocks of `reduction` x `reduction` samples; those that are cut off at the end are left out."""
    if reduction == 1:
        return light
    height, width = (length // reduction for length in light.shape[:2])
    total = np.zeros((height, width, light.shape[-1]), np.float32)
    for row in range(reduction):
        for column in range(reduction):
            total += light[row : height * reduction : reduction, column : width * reduction : reduction]
    total /= np.float32(reduction**2)
    return total


def _reduction(model: Matrix, middle: tuple[float, float]) -> int:
    """How many samples of the clean plate lie, in one direction, under a sample of the frame."""
    x, y = middle
    corners = project(model, np.array([[x, y], [x + 1, y], [x, y + 1]]))
    across, down = corners[1] - corners[0], corners[2] - corners[0]
    # A little aliasing is seen less than a little blur.
    return max(1, int(np.sqrt(abs(across[0] * down[1] - across[1] * down[0])) + _NEARLY))


def _noise(light: Light, known: Mask | None = None) -> float:
    finite = np.asarray(np.isfinite(light).all(axis=-1), np.bool_)
    log = analysis_proxy(np.where(finite[..., np.newaxis], light, np.float32(0)))
    return noise_variance(log, finite if known is None else finite & known)


def _shrunk(log: Array, known: Mask, lattice: Lattice) -> tuple[Array, Mask]:
    size = (lattice.width, lattice.height)
    pixels = np.asarray(cv2.resize(log, size, interpolation=cv2.INTER_AREA), np.float32)
    part = np.asarray(cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA))
    return pixels.reshape(*lattice.shape, log.shape[-1]), part > 0.999


def _grey(pixels: Array, known: Mask) -> npt.NDArray[np.uint8]:
    """The picture stretched by itself: its exposure may be far from the shot's."""
    stretched = _stretched(pixels.mean(axis=-1), known)
    smooth = membrane(stretched[..., np.newaxis], known)[..., 0]
    return np.rint(smooth).astype(np.uint8)


def _stretched(values: Array, known: Mask) -> Array:
    """`values` with the 1st to 99.5th percentile of what is `known` at 0 to 255."""
    low, high = np.percentile(values[known] if known.any() else values, (1.0, 99.5))
    stretched: Array = (np.clip((values - low) / max(high - low, 1e-3), 0, 1) * 255).astype(np.float32)
    return stretched


def _sight(grey: npt.NDArray[np.uint8], use: Mask) -> _Sight:
    # What a frame shows may be a small part of the shot's range.
    clear = np.rint(_stretched(grey.astype(np.float32), use)).astype(np.uint8)
    engine = cv2.SIFT.create(nfeatures=_FEATURES, contrastThreshold=_CONTRAST)
    keypoints, found = engine.detectAndCompute(clear, use.astype(np.uint8) * 255)
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    descriptors = np.zeros((0, 128), np.float32) if found is None else np.asarray(found, np.float32)
    # Their roots tell more (Arandjelović & Zisserman 2012).
    total: Any = np.maximum(descriptors.sum(axis=1, keepdims=True), np.float32(1e-6))
    return _Sight(grey=grey, use=use, points=points, descriptors=np.sqrt(descriptors / total))


def _matches(one: _Sight, other: _Sight) -> tuple[Array, Array]:
    """Places of matching features, ``(n, 2)`` each."""
    if min(len(one.points), len(other.points)) < 2:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(one.descriptors, other.descriptors, k=2)
    kept = [near for near, next_best in pairs if near.distance < _RATIO * next_best.distance]
    return (
        one.points[np.array([match.queryIdx for match in kept], np.intp)],
        other.points[np.array([match.trainIdx for match in kept], np.intp)],
    )
