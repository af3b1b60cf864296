"""Shots with a camera whose path is known to a hundredth of a sample, and the engine's motion of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from filming import make_job, rgb, write

from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import measure_stretch
from overscan.core.jobs import Extend, Margins
from overscan.core.shots import Shot, survey

Edit = Callable[[int, np.ndarray], np.ndarray]


def mapped(model: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points ``(…, 2)`` under a 3x3 matrix."""
    homogeneous = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1) @ model.T
    return homogeneous[..., :2] / homogeneous[..., 2:]


def nodes(size: tuple[int, int], *, step: int = 1) -> np.ndarray:
    """Positions of the samples of a picture ``(height, width, 2)``, each `step`-th."""
    width, height = size
    return np.stack(np.meshgrid(np.arange(0, width, step), np.arange(0, height, step)), axis=-1).astype(np.float64)


def view(picture: np.ndarray, camera: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """What is seen where the 3x3 `camera` takes the frame to in the picture; bicubic in double precision."""
    where = mapped(camera, nodes(size))
    whole = np.floor(where).astype(int)
    part = where - whole
    height, width = picture.shape[:2]

    def weights(t: np.ndarray) -> list[np.ndarray]:
        away = [1 + t, t, 1 - t, 2 - t]
        near = [1.5 * a**3 - 2.5 * a**2 + 1 for a in away]
        far = [-0.5 * a**3 + 2.5 * a**2 - 4 * a + 2 for a in away]
        return [far[0], near[1], near[2], far[3]]

    total = np.zeros((size[1], size[0], picture.shape[2]))
    for i, down in enumerate(weights(part[..., 1])):
        for j, across in enumerate(weights(part[..., 0])):
            rows = np.clip(whole[..., 1] + i - 1, 0, height - 1)
            columns = np.clip(whole[..., 0] + j - 1, 0, width - 1)
            total += (down * across)[..., np.newaxis] * picture[rows, columns]
    return total.astype(np.float32)


def camera(*, x: float, y: float, turn: float = 0.0, zoom: float = 1.0, size: tuple[int, int]) -> np.ndarray:
    """A camera whose middle looks at `x`, `y` of the picture, turned by `turn` radians; `zoom` above 1 sees less."""
    cos, sin = np.cos(turn) / zoom, np.sin(turn) / zoom
    centre = np.array([[1, 0, -(size[0] - 1) / 2], [0, 1, -(size[1] - 1) / 2], [0, 0, 1.0]])
    return np.array([[cos, -sin, x], [sin, cos, y], [0, 0, 1.0]]) @ centre


def film(
    folder: Path,
    picture: np.ndarray,
    cameras: Sequence[np.ndarray],
    *,
    size: tuple[int, int],
    grain: float = 0.0,
    edit: Edit | None = None,
    first: int = 1001,
) -> str:
    """Write what each of the cameras sees, grain a part of the light; return the pattern."""
    rng = np.random.default_rng(3)
    for index, look in enumerate(cameras):
        light = view(picture, look, size=size)
        light = light * (1 + grain * rng.standard_normal(light.shape)).astype(np.float32)
        if edit is not None:
            light = edit(index, light)
        write(folder / f"p.{first + index:04d}.exr", rgb(light, np.float32))
    return str(folder / "p.%04d.exr")


def motion_of(pattern: str, folder: Path, **fields: object) -> tuple[Shot, MotionStore]:
    """The shot of a plate, and its motion."""
    found = survey(make_job(Extend(margins=Margins(left=16, right=16)), pattern, str(folder / "o.%04d.exr"), **fields))
    assert found.shot is not None, [problem.message for problem in found.problems]
    (folder / "cache").mkdir(exist_ok=True)
    return found.shot, MotionStore(shot=found.shot, stretch=measure_stretch(found.shot), cache_folder=folder / "cache")
