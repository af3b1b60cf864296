"""What a camera path makes of a plate: its nearest frame seen from elsewhere, and where points of it go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.controls import CameraMoveKind
from overscan.core.engines.diffusion._area import Area, cropped
from overscan.core.engines.diffusion._family import Floats, PassKind
from overscan.core.engines.diffusion._steps import frame_rate_of
from overscan.core.engines.diffusion.guides._facts import SKY, opened_passes
from overscan.core.engines.diffusion.guides._images import Steering, as_colours, clean
from overscan.core.engines.diffusion.guides._parallax import addresses
from overscan.core.engines.diffusion.guides._path import (
    GivenPath,
    Path,
    PresetPath,
    homography,
    inner,
    projected,
    travels,
)
from overscan.core.shots import Light, Shot

Encode = Callable[[Light], npt.NDArray[np.float32]]
"""Light ``(h, w, 3)`` to the codes that a model sees."""

_GRID = (9, 16)
"""Points that a camera path moves, down and across a picture; as many again beyond each of its sides."""
_UNKNOWN = 0.5
"""Code of what a camera sees that the plate does not show."""
_KEPT = 4
_EDGE = 1e-3
"""Samples that rounding may place a picture's outermost ones beyond it."""
_TRAVELS = (CameraMoveKind.DOLLY, CameraMoveKind.TRUCK, CameraMoveKind.CRANE, CameraMoveKind.ORBIT)
"""Moves that show more than turns and lenses do; a hand travels too little for it."""


class Camera:
    """The camera of a job: the given one, or its preset moves."""

    def __init__(self, *, shot: Shot) -> None:
        self._shot = shot
        self._distance = lru_cache(_KEPT)(self._read_distance)
        self._light = lru_cache(1)(self._read_light)
        self._distances_of = lru_cache(1)(self._read_distances)

    def seen(self, frame: int, *, area: Area, encode: Encode) -> Floats:
        """The plate frame nearest to `frame`, as codes, as the camera sees it from where it is at `frame`.

        ``(area.height, area.width, 3)``, grey where the plate shows nothing. With a depth pass everything is where that
        says; else all lies on a wall that faces the camera.
        """
        moment = self._shot.moments[frame]
        before, after = self._path.view(float(moment.like)), self._path.view(moment.time)
        have, window = self._shot.data_window(moment.like), area.window
        shrink = max(1, int(window.width / area.width))
        light = self._light(moment.like, shrink)
        of_light = _scaled(shrink, shrink, have.x, have.y)
        of_area = _scaled(window.width / area.width, window.height / area.height, window.x, window.y)
        size = (area.width, area.height)
        if self._depth is not None and travels([before, after]):
            places = addresses(
                self._distances_of(moment.like, shrink, light.shape[:2]),
                before=before,
                after=after,
                of_sources=of_light,
                of_targets=of_area,
                size=size,
            )
        else:
            there = homography(before, after, distance=self._distance(moment.like))
            places = _through(np.linalg.inv(of_light) @ np.linalg.inv(there) @ of_area, size, light.shape[:2])
        known = np.isfinite(places).all(axis=-1, keepdims=True)
        x, y = np.moveaxis(np.where(known, places, np.float32(0)), -1, 0)
        seen = cv2.remap(light, x.copy(), y.copy(), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        codes = encode(as_colours(np.asarray(seen, np.float32).reshape(area.height, area.width, -1)))
        return np.where(known, codes, np.float32(_UNKNOWN))

    @property
    def is_certain(self) -> bool:
        """Whether what `seen` shows is what will be seen, and not a wall in place of a scene."""
        moments = self._shot.moments.values()
        if self._shot.job.controls.camera is None:
            return not any(move.kind in _TRAVELS for move in self._shot.job.controls.camera_moves)
        return self._depth is not None or not travels([self._path.view(moment.time) for moment in moments])

    def _read_light(self, frame: int, shrink: int) -> Light:
        """Light of a plate frame, averaged down by a whole number first, so that nothing flickers."""
        have, light = self._shot.data_window(frame), clean(self._shot.read_light(frame))
        if shrink == 1:
            return light
        width, height = math.ceil(have.width / shrink), math.ceil(have.height / shrink)
        even = have.grown(left=0, right=width * shrink - have.width, top=0, bottom=height * shrink - have.height)
        small = cv2.resize(cropped(light, have, even), (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32).reshape(height, width, -1)

    def tracks(self, frames: Sequence[int]) -> list[npt.NDArray[np.float64]]:
        """Paths ``(len(frames), 2)`` of points of a grid on the plate and round it, in the plate's pixel space.

        The points are those of the plate frame nearest to the last of `frames`. NaN behind the camera.
        """
        display = self._shot.header(self._shot.frames[0]).display_window
        down, across = np.meshgrid(
            np.concatenate([inner(_GRID[0], display.height) + part * display.height for part in (-1, 0, 1)]),
            np.concatenate([inner(_GRID[1], display.width) + part * display.width for part in (-1, 0, 1)]),
        )
        grid = np.c_[across.ravel() + display.x, down.ravel() + display.y]
        anchor = self._shot.moments[frames[-1]].like
        start, distances = self._path.view(float(anchor)), self._distances(grid, anchor)
        views = [self._path.view(self._shot.moments[frame].time) for frame in frames]
        return list(np.stack([projected(grid, start, view, distances=distances) for view in views], axis=1))

    @cached_property
    def _path(self) -> Path:
        shot, controls = self._shot, self._shot.job.controls
        header = shot.header(shot.frames[0])
        if controls.camera is not None:
            return GivenPath(camera=controls.camera, display=header.display_window)
        times = [moment.time for moment in shot.moments.values()]
        return PresetPath(
            moves=controls.camera_moves,
            display=header.display_window,
            pixel_aspect=header.pixel_aspect,
            start=min(times),
            first=float(shot.frames[0]),
            last=float(shot.frames[-1]),
            end=max(times),
            frame_rate=frame_rate_of(shot),
            seed=shot.job.seed,
        )

    @cached_property
    def _depth(self) -> Steering | None:
        """The depth pass in the camera's units; preset moves have units of their own."""
        if self._shot.job.controls.camera is None:
            return None
        return next((steering for kind, steering in opened_passes(self._shot) if kind is PassKind.DEPTH), None)

    def _read_distance(self, frame: int) -> float:
        """How far away things are, of a plate frame, on the whole: infinite where nothing says it."""
        if self._depth is None:
            return 1.0 if self._shot.job.controls.camera is None else math.inf
        values, _ = self._depth.read(self._depth.number(frame))
        known = values[_is_distance(values)]
        return float(np.median(known)) if len(known) else math.inf

    def _read_distances(self, frame: int, shrink: int, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
        """How far away the samples of `_read_light` are, ``(h, w)``: nearest, for a mean of two things is neither."""
        have = self._shot.data_window(frame)
        across, down = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
        points = np.c_[across.ravel(), down.ravel()] * shrink + (shrink - 1) / 2 + (have.x, have.y)
        return self._distances(points, frame).reshape(shape)

    def _distances(self, points: npt.NDArray[np.float64], frame: int) -> npt.NDArray[np.float64]:
        """How far away points ``(n, 2)`` of a plate frame are, in the plate's pixel space; beyond it as at its edge."""
        if self._depth is None:
            return np.full(len(points), self._distance(frame))
        values, have = self._depth.read(self._depth.number(frame))
        format, display = self._shot.layout.display_window, self._depth.display_window
        places = (points + self._shot.layout.offset + 0.5 - (format.x, format.y)) * (display.width / format.width)
        columns, rows = np.floor(np.add(places, (display.x - have.x, display.y - have.y))).astype(int).T
        found = values[rows.clip(0, have.height - 1), columns.clip(0, have.width - 1), 0].astype(np.float64)
        return np.where(_is_distance(found), found, np.inf)


def _is_distance(values: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(values) & (values > 0) & (values < SKY))


def needs_distance(shot: Shot) -> bool:
    """Whether the given camera moves through space, which can be followed only where a depth pass says how far."""
    camera = shot.job.controls.camera
    if camera is None or any(picture.role == "depth_pass" for picture, _ in shot.pictures):
        return False
    path = GivenPath(camera=camera, display=shot.header(shot.frames[0]).display_window)
    return travels([path.view(float(sample.frame)) for sample in camera.samples])


def _scaled(across: float, down: float, x: float, y: float) -> npt.NDArray[np.float64]:
    """3x3: from samples of a small picture to the space where it begins at x, y with samples this large."""
    return np.array([[across, 0, x + across / 2 - 0.5], [0, down, y + down / 2 - 0.5], [0, 0, 1.0]])


def _through(
    mapping: npt.NDArray[np.float64], size: tuple[int, int], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Where each sample of a picture of `size` is in one of `shape`, by a 3x3; NaN beyond it and behind the camera."""
    across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    homogeneous = np.stack([across, down, np.ones_like(across)], axis=-1) @ mapping.T
    with np.errstate(divide="ignore", invalid="ignore"):
        places = homogeneous[..., :2] / homogeneous[..., 2:]
        inside = (places >= -_EDGE).all(axis=-1) & (homogeneous[..., 2] > 0)
        inside &= (places <= np.array(shape[::-1]) - 1 + _EDGE).all(axis=-1)
    return np.where(inside[..., np.newaxis], places, np.nan).astype(np.float32)
