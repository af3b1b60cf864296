"""Measures a shot's grain on a few of its frames, each against its neighbour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate.light._exposure import Exposure
from overscan.core.engines.plate.light._grain import GrainModel
from overscan.core.engines.plate.light._grain_measure import GrainPicture, measure_grain
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.geometry import Window
from overscan.core.shots import Light, Shot

_FRAMES = 4
_CROP = 512
"""Size of the part of a frame that is looked at, in samples."""


def grain_of_shot(
    *, shot: Shot, store: MotionStore, maker: FieldMaker, exposure: Exposure, tick: Callable[[], None]
) -> GrainModel:
    """The grain of a shot of at least two frames; empty where it has none. `tick` is called once a frame."""
    count = len(shot.frames)
    chosen = sorted({round(at * (count - 2) / max(1, _FRAMES - 1)) for at in range(_FRAMES)})
    pictures = []
    for turn, first in enumerate(chosen):
        tick()
        window = _crop(shot, first, turn)
        if window is not None:
            pictures.append(_picture(shot, store, maker, exposure, first, window))
    if not pictures:
        return GrainModel.none(channels=len(shot.colours))
    return measure_grain(pictures)


def _crop(shot: Shot, first: int, turn: int) -> Window | None:
    """Another quarter of the picture every turn: all kinds of light should be looked at."""
    window = shot.data_window(shot.frames[first])
    width, height = min(_CROP, window.width), min(_CROP, window.height)
    across, down = ((0.25, 0.5), (0.75, 0.5), (0.5, 0.25), (0.5, 0.75))[turn % 4]
    x = window.x + round(across * (window.width - width))
    y = window.y + round(down * (window.height - height))
    return Window(x=x, y=y, width=width, height=height)


def _picture(
    shot: Shot, store: MotionStore, maker: FieldMaker, exposure: Exposure, first: int, window: Window
) -> GrainPicture:
    light, known = _light(shot, first), _known(shot, first)
    other, other_known = _light(shot, first + 1), _known(shot, first + 1)
    have, have_there = shot.data_window(shot.frames[first]), shot.data_window(shot.frames[first + 1])
    inside = window.slices_in(have)
    field = maker.complete(store.pair(first).forward)
    columns, rows = np.meshgrid(
        np.arange(window.x, window.right, dtype=np.float32), np.arange(window.y, window.bottom, dtype=np.float32)
    )
    x, y = columns.ravel(), rows.ravel()
    there_x, there_y = field.carried(x, y)
    shown = np.where(other_known[..., np.newaxis], other, np.float32(np.nan))
    values, sound = fetch(shown, there_x - have_there.x, there_y - have_there.y)
    values *= np.exp2(exposure.gain(source=first + 1, target=first, x_source=there_x, y_source=there_y, x=x, y=y))
    values[~sound] = np.nan
    shape = (window.height, window.width)
    neighbour: Array = values.reshape(*shape, -1)
    return GrainPicture(
        light=light[inside],
        known=known[inside],
        neighbour=neighbour,
        x=there_x.reshape(shape),
        y=there_y.reshape(shape),
    )


def _light(shot: Shot, index: int) -> Light:
    return shot.read_light(shot.frames[index])


def _known(shot: Shot, index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    matte = shot.read_matte(shot.frames[index])
    return np.ones(shot.data_window(shot.frames[index]).shape, np.bool_) if matte is None else matte <= 0
