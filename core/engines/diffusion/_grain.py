"""The grain of a plate, where no groundwork has measured it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from overscan.core.engines.plate.light._exposure import solve_exposure
from overscan.core.engines.plate.light._grain import GrainModel
from overscan.core.engines.plate.light._grain_of_shot import grain_of_shot
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import measure_stretch, shot_window
from overscan.core.shots import Shot

_FRAMES = 24
"""Plate frames that grain is measured in at most."""


def measured_grain(
    shot: Shot, *, near: Iterable[int], cache_folder: Path, tick: Callable[[], None]
) -> GrainModel | None:
    """The grain of the plate round the frames `near`; None where there are not two frames to compare."""
    wanted = set(near)
    places = [at for at, frame in enumerate(shot.frames) if frame in wanted]
    if len(shot.frames) < 2 or not places:
        return None
    start = max(0, min(places[0] - 1, len(shot.frames) - _FRAMES))
    part = replace(shot, plate=replace(shot.plate, frames=shot.frames[start : start + _FRAMES]))
    tick()
    store = MotionStore(shot=part, stretch=measure_stretch(part), cache_folder=cache_folder)
    nothing = solve_exposure(
        {},
        frames=len(part.frames),
        channels=len(part.colours),
        display=part.header(part.frames[0]).display_window,
    )
    maker = FieldMaker(store=store, canvas=shot_window(part))
    return grain_of_shot(shot=part, store=store, maker=maker, exposure=nothing, tick=tick)
