"""Makes scene-linear shots of which everything is known: surround, background, tail, in-betweens and camera path.

A window moves over a photograph by a known homography path (pan, zoom, roll, keystone, shake) with sub-pixel steps.
Each frame is rendered alias-free in linear light: a lens (a Gaussian) and the sensor's pixels (their area,
supersampled) pass about a fifth of the contrast at the Nyquist frequency, as a camera with its optical low-pass
filter does; a copy of one frame's pixels at a sub-pixel shift can therefore be right to more than 45 dB, and nothing
that a figure says is due to the generator. Then what a camera adds: motion blur, exposure flicker, vignetting, grain;
and an object in front.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]

LENS_SIGMA = 0.5
"""Of the lens's blur, px of the shot."""
_OVERSAMPLING = 2
"""Samples of the prepared scene per pixel of the shot, across."""
_APERTURE_TAPS = 3
"""Points per pixel, across, that the sensor's area is sampled at."""
_BLUR_TAPS = 9
"""Instants that the shutter's time is sampled at."""
_SHAKE_PERIODS = (29.0, 17.0, 11.0, 7.0)
"""Of the shake's sines, frames."""
_SEEN_GRID = 4
"""Which pixels another frame sees is worked out on every 4th pixel."""
_SEEN_MARGIN = 4.0
"""A pixel counts as seen where it lies so far inside another frame's plate, px: an interpolation's reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A camera move. Everything is continuous in time, so that a shutter can be open."""

    pan: tuple[float, float] = (0.0, 0.0)
    """Px a frame, right and down."""
    zoom: float = 1.0
    """How much larger things have become at the end."""
    roll: float = 0.0
    """Degrees over the whole shot."""
    keystone: float = 0.0
    """Perspective over the whole shot: how much larger the right border has become than the middle."""
    shake: float = 0.0
    """Root mean square of a hand's shake, px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Something in front, with its own motion on the screen."""

    light: Pixels = field(repr=False)
    """``(height, width, 3)``, one sample per pixel of the shot."""
    alpha: Pixels = field(repr=False)
    """``(height, width)``, 0..1."""
    start: tuple[float, float]
    """Where its upper left corner is in the first frame."""
    velocity: tuple[float, float]
    """Px a frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """What a camera does to the light."""

    shutter: float = 0.0
    """Part of the frame's time that it is open; 0.5 is 180 degrees."""
    flicker: float = 0.0
    """Exposure goes up and down by as much, as a factor: 0.05 is ±5 %."""
    vignetting: float = 0.0
    """Stops lost in the corners of the truth."""
    grain: tuple[float, float] = (0.0, 0.0)
    """a and b of the grain's variance a + b L."""


class Scene:
    """A photograph, a move over it, and a camera."""

    def __init__(
        self,
        still: Pixels,
        *,
        size: tuple[int, int],
        frames: int,
        move: Move,
        camera: Camera | None = None,
        layer: Layer | None = None,
        seed: int = 0,
    ) -> None:
        """`still`: ``(height, width, 3)`` scene-linear float32. `size`: width and height of the truth.

        One sample of the still is one pixel at the start of the move. Raises `ValueError` where the move leaves it.
        """
        self.size, self.frames = size, frames
        self._move, self._camera, self._layer, self._seed = move, camera or Camera(), layer, seed
        random = np.random.default_rng((seed, 1))
        self._phases = random.uniform(0, 2 * math.pi, (2, len(_SHAKE_PERIODS)))
        height, width = still.shape[:2]
        # Centre the path: what pan and zoom take at the end, they leave at the beginning.
        self._origin = np.array([width / 2, height / 2]) - np.array(move.pan) * (frames - 1) / 2
        self._scene = _prepared(still, LENS_SIGMA)
        self._layer_planes = None if layer is None else _prepared(np.dstack([layer.light, layer.alpha]), LENS_SIGMA)
        for frame in range(frames):
            corners = self._map(frame, np.array([[0, 0], [size[0], 0], [0, size[1]], [size[0], size[1]]], np.float64))
            if corners.min() < 2 or (corners > [width - 2, height - 2]).any():
                low, high = corners.min(axis=0).round(), corners.max(axis=0).round()
                raise ValueError(f"frame {frame} sees {low} to {high} of a still of {width}x{height}")

    def homography(self, time: float) -> Matrix:
        """From pixel centres of the truth to those of the still, at a time in frames."""
        move, part = self._move, time / max(1, self.frames - 1)
        middle = np.array([self.size[0] - 1, self.size[1] - 1]) / 2
        centre = self._origin - 0.5 + np.array(move.pan) * time + self._shaken(time)
        scale, angle = move.zoom**-part, math.radians(move.roll * part)
        turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        matrix = np.eye(3)
        matrix[:2, :2], matrix[:2, 2] = turn, centre
        matrix = matrix @ np.array([[1, 0, 0], [0, 1, 0], [move.keystone * part / middle[0], 0, 1.0]])
        return np.asarray(matrix @ np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1]]), np.float64)

    def light(self, time: float, *, with_layer: bool = True) -> tuple[Pixels, Pixels]:
        """The light that falls on the sensor around `time`, and how much of it is the layer's, 0..1."""
        shutter = self._camera.shutter
        times = [time + shutter * ((tap + 0.5) / _BLUR_TAPS - 0.5) for tap in range(_BLUR_TAPS)] if shutter else [time]
        light, alpha = np.zeros((*self.size[::-1], 3), np.float32), np.zeros(self.size[::-1], np.float32)
        for at in times:
            own, own_alpha = self._instant(at, with_layer)
            light += own / np.float32(len(times))
            alpha += own_alpha / np.float32(len(times))
        return light, alpha

    def exposed(self, light: Pixels, time: float) -> Pixels:
        """What the camera records of `light`: flicker and vignetting, and grain where `time` is a whole frame."""
        camera = self._camera
        flicker = 1.0 + camera.flicker * _flicker(time, self._seed)
        width, height = self.size
        x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32))
        falloff = np.exp2(-np.float32(camera.vignetting / 2) * (x * x + y * y))[..., None]
        recorded = light * falloff * np.float32(flicker)
        if any(camera.grain):
            a, b = camera.grain
            random = np.random.default_rng((self._seed, 2, round(time * 1024) % 2**32))
            sigma = np.sqrt(a + b * np.maximum(recorded, 0))
            recorded = recorded + sigma * random.standard_normal(recorded.shape, np.float32)
        return np.asarray(recorded, np.float32)

    def seen_elsewhere(self, times: Sequence[float], known: Sequence[Mask]) -> list[Mask]:
        """For each frame, which pixels of the background lie inside what another frame knows.

        `known`: per frame, the pixels of the truth that its plate shows (True) and are not to be replaced.
        """
        width, height = self.size
        columns, rows = np.meshgrid(np.arange(0, width, _SEEN_GRID), np.arange(0, height, _SEEN_GRID))
        grid = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float64)
        inner = [_eroded(mask, _SEEN_MARGIN) for mask in known]
        inverse = [np.asarray(np.linalg.inv(self.homography(time)), np.float64) for time in times]
        seen = []
        for at, time in enumerate(times):
            unknown = ~known[at][::_SEEN_GRID, ::_SEEN_GRID].ravel()
            places, found = self._map(time, grid[unknown]), np.zeros(np.count_nonzero(unknown), np.bool_)
            for other in range(len(times)):
                if other != at:
                    found |= _inside(_project(inverse[other], places), inner[other])
            coarse = np.zeros(unknown.shape, np.uint8)
            coarse[unknown] = found
            full = cv2.resize(coarse.reshape(columns.shape), (width, height), interpolation=cv2.INTER_NEAREST) > 0
            seen.append(full & ~known[at])
        return seen

    def _map(self, time: float, points: Matrix) -> Matrix:
        return _project(self.homography(time), points)

    def _shaken(self, time: float) -> Matrix:
        waves = np.sin(2 * math.pi * time / np.array(_SHAKE_PERIODS) + self._phases)
        # A sine's mean square is a half; the sines have nothing in common, so that theirs add up.
        return np.asarray(self._move.shake * waves.sum(axis=1) / math.sqrt(len(_SHAKE_PERIODS)), np.float64)

    def _instant(self, time: float, with_layer: bool) -> tuple[Pixels, Pixels]:
        light = _rendered(self._scene, self.homography(time), self.size)
        if self._layer is None or self._layer_planes is None or not with_layer:
            return light, np.zeros(light.shape[:2], np.float32)
        x, y = np.array(self._layer.start) + np.array(self._layer.velocity) * time
        front = _rendered(self._layer_planes, np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]]), self.size)
        alpha = np.clip(front[..., 3], 0, 1)
        # The prepared layer is premultiplied.
        return np.asarray(front[..., :3] + light * (1 - alpha[..., None]), np.float32), alpha


def _prepared(picture: Pixels, sigma: float) -> Pixels:
    """Upsampled and seen through the lens, so that interpolating it is harmless; a fourth channel is alpha.

    Linear interpolation and a Gaussian make nothing darker than the darkest and nothing brighter than the brightest.
    """
    if picture.shape[2] == 4:
        picture = np.dstack([picture[..., :3] * picture[..., 3:], picture[..., 3]])
        # Beyond its own rectangle a layer is transparent, and fades there over the lens's blur.
        picture = np.asarray(cv2.copyMakeBorder(picture, 4, 4, 4, 4, cv2.BORDER_CONSTANT), np.float32)
    large = cv2.resize(picture, None, fx=_OVERSAMPLING, fy=_OVERSAMPLING, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(large, (0, 0), sigma * _OVERSAMPLING), np.float32)


def _rendered(prepared: Pixels, homography: Matrix, size: tuple[int, int]) -> Pixels:
    """The sensor's pixels: the mean of the prepared picture over the area of each."""
    border = 4 if prepared.shape[2] == 4 else 0
    total = np.zeros((size[1], size[0], prepared.shape[2]), np.float32)
    offsets = (np.arange(_APERTURE_TAPS) + 0.5) / _APERTURE_TAPS - 0.5
    columns, rows = np.meshgrid(np.arange(size[0], dtype=np.float64), np.arange(size[1], dtype=np.float64))
    for down in offsets:
        for right in offsets:
            x, y = columns + right, rows + down
            depth = homography[2, 0] * x + homography[2, 1] * y + homography[2, 2]
            u = (homography[0, 0] * x + homography[0, 1] * y + homography[0, 2]) / depth + border
            v = (homography[1, 0] * x + homography[1, 1] * y + homography[1, 2]) / depth + border
            # Sample centres of the larger picture lie between those of the original.
            u, v = (_OVERSAMPLING * (axis + 0.5) - 0.5 for axis in (u, v))
            total += cv2.remap(
                prepared, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
    return np.asarray(total / np.float32(_APERTURE_TAPS**2), np.float32)


def _flicker(time: float, seed: int) -> float:
    """-1 to 1, another value each frame."""
    return float(np.random.default_rng((seed, 3, round(time * 1024) % 2**32)).uniform(-1, 1))


def _project(matrix: Matrix, points: Matrix) -> Matrix:
    raised = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(raised[:, :2] / raised[:, 2:], np.float64)


def _eroded(mask: Mask, reach: float) -> Mask:
    side = 2 * math.ceil(reach) + 1
    small = cv2.erode(
        mask.astype(np.uint8), np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.asarray(small, np.bool_)


def _inside(points: Matrix, mask: Mask) -> Mask:
    x, y = np.round(points).astype(np.int64).T
    within = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    found = np.zeros(within.shape, np.bool_)
    found[within] = mask[y[within], x[within]]
    return found
