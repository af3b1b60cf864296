"""Camera paths that the artist gives: a camera or tracked points of a match-move, in place of our registration."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from overscan.core.controls import Camera, CameraSample, PointTrajectory
from overscan.core.engines.plate._lattice import Lattice
from overscan.core.engines.plate.motion._camera import CameraPath, plate_maps
from overscan.core.engines.plate.motion._models import (
    INLIER,
    KINDS,
    PARAMETERS,
    Frame,
    Matrix,
    is_believable,
    project,
)
from overscan.core.geometry import Window
from overscan.core.shots import camera_at

_KIND_FOR_POINTS = ("still", "translation", "similarity", "affine", "homography")
"""Kind of motion that so many points tell, from none; more than four tell no more."""


def path_from_camera(
    camera: Camera, *, frames: Sequence[int], displays: Sequence[Window], lattice: Lattice
) -> CameraPath:
    """The path through `frames` filmed by `camera`, as far as its turns and its lens make it.

    That is the motion of what is far away (the homography of infinity, Hartley & Zisserman 2004, 13.4). How far away
    anything is the camera does not say, so that its travel through space moves nothing here. The film back fills the
    plate's display window, given for each frame in `displays`.
    """
    to_plate, _ = plate_maps(lattice)
    looks = []
    for frame, display in zip(frames, displays, strict=True):
        sample = camera_at(camera, frame=frame)
        turn = np.reshape(sample.matrix, (4, 4))[:3, :3]
        looks.append(turn @ _rays(sample, display) @ to_plate)
    to_first = np.linalg.inv(looks[0])
    matrices = np.stack([to_first @ look for look in looks])
    matrices /= np.cbrt(np.linalg.det(matrices))[:, np.newaxis, np.newaxis]
    still = np.abs(matrices - np.eye(3)).max() < 1e-12
    return CameraPath(
        lattice=lattice,
        matrices=np.repeat(np.eye(3)[np.newaxis], len(looks), axis=0) if still else matrices,
        segments=np.zeros(len(looks), np.int32),
        kinds=("still" if still else "homography",),
        given="camera",
    )


def _rays(sample: CameraSample, display: Window) -> Matrix:
    """3x3: position in the plate's pixel space to direction in the camera's space, where it looks along -z."""
    across = sample.focal_length_mm / sample.horizontal_aperture_mm * display.width
    down = sample.focal_length_mm / sample.vertical_aperture_mm * display.height
    x, y = display.x + (display.width - 1) / 2, display.y + (display.height - 1) / 2
    return np.array([[1 / across, 0, -x / across], [0, -1 / down, y / down], [0, 0, -1.0]])


def path_from_tracks(trajectories: Sequence[PointTrajectory], *, frames: Sequence[int], lattice: Lattice) -> CameraPath:
    """The path that tracked points of the background tell of a shot of these `frames`.

    One point tells a translation, two a similarity, three an affine motion, four and more a homography, of which those
    that do not agree are left out. Points that are occluded are not used. New points join by those that were there
    before; where none goes on, another segment begins, and a frame without any is a segment of its own.
    """
    _, to_proxy = plate_maps(lattice)
    seen: dict[int, dict[int, Matrix]] = {frame: {} for frame in frames}
    for number, trajectory in enumerate(trajectories):
        for point in trajectory.points:
            if point.frame in seen and not point.occluded:
                seen[point.frame][number] = project(to_proxy, np.array([point.x, point.y]))
    matrices, segments, kinds = [], [], []
    places: dict[int, Matrix] = {}
    for frame in frames:
        own = seen[frame]
        common = [number for number in own if number in places]
        if not common:
            places, matrix = {}, np.eye(3)
            kinds.append("still")
        else:
            start = np.stack([own[number] for number in common])
            end = np.stack([places[number] for number in common])
            kind, matrix = _fitted(start, end, shape=lattice.shape)
            kinds[-1] = max(kinds[-1], kind, key=KINDS.index)
        for number, position in own.items():
            places.setdefault(number, project(matrix, position))
        matrices.append(matrix)
        segments.append(len(kinds) - 1)
    return CameraPath(
        lattice=lattice,
        matrices=np.stack(matrices),
        segments=np.array(segments, np.int32),
        kinds=tuple(kinds),
        given="tracks",
    )


def _fitted(start: Matrix, end: Matrix, *, shape: tuple[int, int]) -> tuple[str, Matrix]:
    """The motion that takes points `start` ``(n, 2)`` to `end`, of the kind that so many tell, and that kind."""
    kind = _KIND_FOR_POINTS[min(len(start), 4)]
    if kind == "homography":
        method = cv2.USAC_MAGSAC if len(start) > 4 else 0
        found, _ = cv2.findHomography(start.astype(np.float64), end.astype(np.float64), method, INLIER)
        model = None if found is None else np.asarray(found, np.float64)
        if model is not None and np.isfinite(model).all() and is_believable(model, shape):
            return kind, model
        kind = "affine"
    # The shortest of all answers, where points coincide or lie on one line.
    moves = Frame.of(shape).derivatives(start, PARAMETERS[kind]).reshape(-1, PARAMETERS[kind])
    amounts = np.linalg.lstsq(moves, (end - start).ravel(), rcond=1e-6)[0]
    return kind, Frame.of(shape).element(np.asarray(amounts, np.float64))
