"""How a camera moves over new frames: by samples that a host exported, or by presets. Pinhole geometry, no pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.controls import Camera, CameraMove, CameraMoveKind, Ease
from overscan.core.geometry import Window
from overscan.core.shots import camera_at

Matrix = npt.NDArray[np.float64]

WIDTH_OVER_FOCAL = 36.0 / 35.0
"""Of a lens that nobody named: 35 mm on a full frame, 54 degrees across."""

_UNSTEADY_DEGREES = 1.2
"""Root mean square of a turn of the unsteadiest hand, across and up; it rolls less."""
_UNSTEADY_ROLL = 0.4
_UNSTEADY_TRAVEL = 0.01
"""The same of its travel, in distances to the subject."""
_UNSTEADY_HERTZ = np.geomspace(0.25, 4.0, 9)
"""What a body sways with: breathing to tremor, as far as a shoulder lets it through."""
_SETTLED = 0.5
"""Seconds in which unsteadiness sets in, so that no picture jumps at the plate's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A camera at one time."""

    turn: Matrix
    """3x3, camera to world: x right, y up, looking along -z."""
    place: Matrix
    """3, in the world."""
    rays: Matrix
    """3x3: position in the plate's pixel space, as (x, y, 1), to direction before the camera, at a distance of 1."""


class Path(Protocol):
    """Where the camera is, over time."""

    def view(self, time: float) -> View:
        """The camera at a time, in the plate's frame numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPath:
    """The path of a camera that was exported."""

    camera: Camera
    display: Window
    """Of the plate."""

    def view(self, time: float) -> View:
        """The camera at a time that its samples reach."""
        sample = camera_at(self.camera, frame=time)
        matrix = np.reshape(np.asarray(sample.matrix), (4, 4))
        across, down = (
            sample.focal_length_mm / aperture
            for aperture in (sample.horizontal_aperture_mm, sample.vertical_aperture_mm)
        )
        return View(
            turn=matrix[:3, :3],
            place=matrix[:3, 3],
            rays=_rays(self.display, across=across * self.display.width, down=down * self.display.height),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetPath:
    """Moves that lead up to the plate's first frame and on from its last; the plate itself stands still.

    The distance to the subject is 1.
    """

    moves: tuple[CameraMove, ...]
    display: Window
    """Of the plate."""
    pixel_aspect: float
    start: float
    """First time of the result."""
    first: float
    """First time of the plate."""
    last: float
    end: float
    frame_rate: float
    """Frames a second, for handheld."""
    seed: int

    def view(self, time: float) -> View:
        """The camera at a time."""
        done, seconds = self._progress(time)
        amounts = {move.kind: move.amount * _eased(done, move.ease) for move in self.moves}
        turns = {kind: math.radians(amounts.get(kind, 0.0)) for kind in _TURNS}
        sway = self._sway(seconds)
        orbit = _about(turns[CameraMoveKind.ORBIT], axis=1)
        turn = (
            orbit
            @ _about(sway[0] - turns[CameraMoveKind.PAN], axis=1)
            @ _about(sway[1] + turns[CameraMoveKind.TILT], axis=0)
            @ _about(sway[2] - turns[CameraMoveKind.ROLL], axis=2)
        )
        travel = np.array(
            [
                amounts.get(CameraMoveKind.TRUCK, 0.0) + sway[3],
                amounts.get(CameraMoveKind.CRANE, 0.0) + sway[4],
                -amounts.get(CameraMoveKind.DOLLY, 0.0),
            ]
        )
        subject = np.array([0.0, 0.0, -1.0])
        zoom = next((move for move in self.moves if move.kind is CameraMoveKind.ZOOM), None)
        focal = 1.0 if zoom is None else zoom.amount ** _eased(done, zoom.ease)
        across = focal * self.display.width / WIDTH_OVER_FOCAL
        return View(
            turn=turn,
            place=subject + orbit @ (travel - subject),
            rays=_rays(self.display, across=across, down=across * self.pixel_aspect),
        )

    def _progress(self, time: float) -> tuple[float, float]:
        """Part of the move that is done, -1 to 0 before the plate and 0 to 1 after it, and seconds from the plate."""
        if time > self.last:
            return (time - self.last) / (self.end - self.last), (time - self.last) / self.frame_rate
        if time < self.first:
            return (time - self.first) / (self.first - self.start), (time - self.first) / self.frame_rate
        return 0.0, 0.0

    def _sway(self, seconds: float) -> Matrix:
        """Turns across, up and in the picture, in radians, and travel across and up, of an unsteady hand."""
        amount = sum(move.amount for move in self.moves if move.kind is CameraMoveKind.HANDHELD) / 100
        if not amount:
            return np.zeros(5)
        random = np.random.Generator(np.random.PCG64(self.seed))
        phases = random.uniform(0, 2 * np.pi, (5, len(_UNSTEADY_HERTZ)))
        weights = 1 / np.sqrt(_UNSTEADY_HERTZ)
        weights *= math.sqrt(2) / np.linalg.norm(weights)
        sizes = np.array([1, 1, _UNSTEADY_ROLL, 0, 0]) * math.radians(_UNSTEADY_DEGREES)
        sizes[3:] = _UNSTEADY_TRAVEL
        waves = np.sin(2 * np.pi * _UNSTEADY_HERTZ * seconds + phases) @ weights
        found: Matrix = amount * sizes * waves * _smooth(min(1.0, abs(seconds) / _SETTLED))
        return found


_TURNS = (CameraMoveKind.PAN, CameraMoveKind.TILT, CameraMoveKind.ROLL, CameraMoveKind.ORBIT)


def homography(before: View, after: View, *, distance: float) -> Matrix:
    """3x3: where points of a wall that faces `before` go in `after`; where its `distance` is infinite, only by turns.

    From and to positions in the plate's pixel space (Hartley & Zisserman 2004, 13.1).
    """
    seen = after.turn.T @ before.turn @ before.rays
    if math.isfinite(distance):
        seen = seen + np.outer(after.turn.T @ (before.place - after.place) / distance, [0.0, 0.0, 1.0])
    return np.linalg.inv(after.rays) @ seen


def projected(points: Matrix, before: View, after: View, *, distances: Matrix) -> Matrix:
    """Where points ``(n, 2)`` at `distances` ``(n,)`` along the line of sight of `before` are in `after`.

    NaN where they are behind the camera.
    """
    directions = np.c_[points, np.ones(len(points))] @ before.rays.T
    with np.errstate(divide="ignore"):
        travel = np.where(np.isfinite(distances), 1 / distances, 0.0)[:, np.newaxis] * (before.place - after.place)
    seen = (directions @ before.turn.T + travel) @ after.turn
    found = seen @ np.linalg.inv(after.rays).T
    found = np.where(seen[:, 2:] < -1e-6, found, np.nan)
    places: Matrix = found[:, :2] / found[:, 2:]
    return places


def travels(views: Sequence[View]) -> bool:
    """Whether the camera moves through space, and does not only turn."""
    places = np.stack([view.place for view in views])
    return bool(np.abs(places - places[0]).max() > 1e-9 * max(1.0, np.abs(places).max()))


def inner(count: int, size: float) -> Matrix:
    """`count` positions in the middles of equal parts of `size` samples, whole numbers on sample centres."""
    return (np.arange(count) + 0.5) * size / count - 0.5


def _rays(display: Window, *, across: float, down: float) -> Matrix:
    x, y = display.x + (display.width - 1) / 2, display.y + (display.height - 1) / 2
    return np.array([[1 / across, 0, -x / across], [0, -1 / down, y / down], [0, 0, -1.0]])


def _about(angle: float, *, axis: int) -> Matrix:
    turn = np.zeros(3)
    turn[axis] = angle
    return np.asarray(cv2.Rodrigues(turn)[0], np.float64)


def _eased(done: float, ease: Ease) -> float:
    """Progress 0 to 1 by an ease; below 0 it is the same move on its way to the plate."""
    if done < 0:
        return _eased(1 + done, ease) - 1
    if ease is Ease.IN_OUT:
        return _smooth(done)
    if ease is Ease.IN:
        return done * done
    if ease is Ease.OUT:
        return done * (2 - done)
    return done


def _smooth(value: float) -> float:
    return value * value * (3 - 2 * value)
