"""The shots of the `hdr` suite."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from frame_files import read_exr
from hdr_shot import Camera, Layer, Move, Scene

Pixels = npt.NDArray[np.float32]

SIZE = (640, 360)
"""Of the truth."""
EXTEND, REMOVE, CONTINUE, IN_BETWEEN = "extend", "remove", "continue", "in-between"
_GRAIN = (4e-6, 2e-4)
"""3.5 % of an 18 % grey, 1.4 % of a white."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HdrCase:
    """A shot and what is asked for."""

    name: str
    task: str
    still: str
    frames: int
    """Of the truth."""
    move: Move
    camera: Camera = field(default_factory=Camera)
    margins: tuple[int, int] = (0, 0)
    """`EXTEND`: what the plate lacks left and right, top and bottom, px."""
    handles: tuple[int, int] = (0, 0)
    """`CONTINUE`: the first and last frames that the plate lacks."""
    gap: int = 0
    """`IN_BETWEEN`: frames that the plate lacks after each of its own."""
    in_front: str = ""
    """A layer: ``object`` that crosses the frame, ``posts`` that pass faster than the background."""
    size: tuple[int, int] = SIZE
    seed: int = 1

    def quicker(self) -> HdrCase:
        """Half the size, and no longer than 10 frames."""
        frames = 9 if self.gap else 10
        handles = (min(2, self.handles[0]), min(3, self.handles[1]))
        halved = ((self.size[0] // 2, self.size[1] // 2), (self.margins[0] // 2, self.margins[1] // 2))
        return replace(self, frames=frames, size=halved[0], margins=halved[1], handles=handles)

    def scene(self, stills: Path) -> Scene:
        """The shot, over its still in `stills`."""
        layer = None
        if self.in_front == "object":
            layer = _object(read_exr(stills / "Carrots.exr"), size=self.size, frames=self.frames)
        elif self.in_front == "posts":
            layer = _posts(read_exr(stills / "Carrots.exr"), size=self.size, frames=self.frames, move=self.move)
        return Scene(
            read_exr(stills / f"{self.still}.exr"),
            size=self.size,
            frames=self.frames,
            move=self.move,
            camera=self.camera,
            layer=layer,
            seed=self.seed,
        )


_PAN = Move(pan=(4.87, 0.31))
_HAND = Move(pan=(2.3, -0.6), zoom=1.12, roll=3.0, keystone=0.03, shake=1.5)

CASES: tuple[HdrCase, ...] = (
    HdrCase(name="pan", task=EXTEND, still="MtTamWest", frames=100, move=_PAN, margins=(64, 0)),
    HdrCase(
        name="light sources", task=EXTEND, still="StillLife", frames=72, move=Move(pan=(-5.21, 0.4)), margins=(64, 0)
    ),
    HdrCase(name="handheld", task=EXTEND, still="Tree", frames=72, move=_HAND, margins=(40, 24)),
    HdrCase(
        name="flicker", task=EXTEND, still="MtTamWest", frames=48, move=_PAN, margins=(64, 0),
        camera=Camera(flicker=0.05, vignetting=0.3),
    ),
    HdrCase(
        name="grain", task=EXTEND, still="MtTamWest", frames=48, move=_PAN, margins=(64, 0),
        camera=Camera(grain=_GRAIN),
    ),
    HdrCase(
        name="motion blur", task=EXTEND, still="MtTamWest", frames=48, move=Move(pan=(9.3, 0.2)), margins=(64, 0),
        camera=Camera(shutter=0.5),
    ),
    HdrCase(
        name="parallax", task=EXTEND, still="MtTamWest", frames=48, move=_PAN, margins=(64, 0), in_front="posts"
    ),
    HdrCase(name="removal", task=REMOVE, still="StillLife", frames=48, move=Move(pan=(3.7, 0.3)), in_front="object"),
    HdrCase(
        name="removal, all at once", task=REMOVE, still="Tree", frames=48, move=_HAND, in_front="object",
        camera=Camera(flicker=0.05, vignetting=0.3, grain=_GRAIN, shutter=0.5),
    ),
    HdrCase(
        name="continuation", task=CONTINUE, still="MtTamWest", frames=80, move=replace(_PAN, zoom=1.08), handles=(8, 24)
    ),
    HdrCase(name="in-between", task=IN_BETWEEN, still="Tree", frames=25, move=_HAND, gap=1),
    HdrCase(name="in-between, 3 of 4", task=IN_BETWEEN, still="Tree", frames=25, move=_HAND, gap=3),
)  # fmt: skip


def _object(picture: Pixels, *, size: tuple[int, int], frames: int) -> Layer:
    """A soft-edged blob, a fifth of the frame high, that crosses two thirds of the frame."""
    side = size[1] // 3
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    angle = np.arctan2(y, x)
    radius = 0.62 + 0.1 * np.sin(3 * angle + 0.5) + 0.06 * np.sin(5 * angle)
    alpha = np.clip((radius - np.hypot(x, y)) * side / 4 + 0.5, 0, 1).astype(np.float32)
    light = cv2.resize(picture[: 2 * side, : 2 * side], (side, side), interpolation=cv2.INTER_AREA)
    run = size[0] * 2 / 3
    return Layer(
        light=np.asarray(light, np.float32),
        alpha=alpha,
        start=(size[0] / 6 - side / 2, size[1] * 0.35),
        velocity=(run / max(1, frames - 1), 0.4),
    )


def _posts(picture: Pixels, *, size: tuple[int, int], frames: int, move: Move) -> Layer:
    """Posts as high as the frame, that pass 1.8 times as fast as the background."""
    velocity = (-1.8 * move.pan[0], -1.8 * move.pan[1])
    width = size[0] + round(abs(velocity[0]) * frames) + 8
    height = size[1] + round(2 * abs(velocity[1]) * frames) + 8
    tiled = np.tile(picture, (-(-height // picture.shape[0]), -(-width // picture.shape[1]), 1))[:height, :width]
    columns = np.arange(width, dtype=np.float32)
    spacing, thick = size[0] / 2.5, size[0] / 24
    away = np.abs((columns + spacing / 2) % spacing - spacing / 2)
    alpha = np.tile(np.clip(thick / 2 - away + 0.5, 0, 1).astype(np.float32), (height, 1))
    start = (0.0 if velocity[0] < 0 else float(size[0] - width), -abs(velocity[1]) * frames - 4)
    return Layer(light=np.asarray(tiled * np.float32(0.6), np.float32), alpha=alpha, start=start, velocity=velocity)
