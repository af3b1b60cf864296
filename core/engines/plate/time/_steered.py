"""The camera beyond the plate's frames: as a given camera or tracked points go on there, else as it moved before."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from overscan.core.engines.plate._lattice import Lattice
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._given_path import path_from_camera, path_from_tracks
from overscan.core.engines.plate.motion._models import Matrix
from overscan.core.engines.plate.time._extrapolate import camera_ahead
from overscan.core.shots import Shot

_PAIRS = 8
"""Pairs before the end that the camera's speed is taken from."""


def camera_beyond(*, shot: Shot, path: CameraPath, direction: int, numbers: Sequence[int]) -> list[Matrix]:
    """Motion from the last frame (the first, where `direction` is -1) to each new one: 3x3, in proxy samples.

    `numbers` are those of the new frames, the nearest first.
    """
    ends = range(len(shot.frames))[::-direction]
    anchor = ends[0]
    steps: list[Matrix] = []
    for frame, previous in itertools.pairwise(ends[: _PAIRS + 1]):
        step = path.between(first=previous, second=frame)
        if step is None:
            break  # further back may be another shot
        steps.insert(0, step)
    given = _given(shot, path.lattice, shot.frames[anchor], numbers)
    before = np.eye(3)
    for place in given:
        steps.append(np.asarray(place @ np.linalg.inv(before)))
        before = place
    steps = steps[-_PAIRS:]
    rest = camera_ahead(steps, [1.0] * len(steps), count=len(numbers) - len(given), shape=path.lattice.shape)
    return [*given, *(np.asarray(place @ before) for place in rest)]


def _given(shot: Shot, lattice: Lattice, anchor: int, numbers: Sequence[int]) -> list[Matrix]:
    """Motion from frame number `anchor` to those of the new frames that the artist's camera or tracks lead to."""
    controls = shot.job.controls
    frames = [anchor, *numbers]
    if controls.camera is not None:
        samples = controls.camera.samples
        first, last = samples[0].frame, samples[-1].frame
        frames = [frame for frame in frames if first <= frame <= last]
        displays = [shot.header(anchor).display_window] * len(frames)
        path = path_from_camera(controls.camera, frames=frames, displays=displays, lattice=lattice)
    elif controls.trajectories:
        path = path_from_tracks(controls.trajectories, frames=frames, lattice=lattice)
    else:
        return []
    found: list[Matrix] = []
    for index in range(1, len(frames)):
        model = path.between(first=0, second=index)
        if model is None:
            break
        found.append(model)
    return found
