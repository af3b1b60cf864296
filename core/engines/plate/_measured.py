"""What is measured of a shot as a whole before anything of it is painted: camera path, exposure, grain, shutter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate.light._exposure import Exposure
from overscan.core.engines.plate.light._grain import GrainModel
from overscan.core.engines.plate.light._grain_of_shot import grain_of_shot
from overscan.core.engines.plate.light._relight import measure_exposure
from overscan.core.engines.plate.light._shutter import shutter_of_shot
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._join import join
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._proxy import shot_window
from overscan.core.geometry import Window
from overscan.core.shots import Shot


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of one shot. Frames by index."""

    path: CameraPath
    exposure: Exposure
    grain: GrainModel
    """Empty where the plate has none, or none is asked for."""
    shutter: float = 0.0
    """Part of a frame's time that the shutter was open; 0 where the shot does not tell."""

    def save(self, folder: Path) -> None:
        """Keep it in files in `folder`, each atomically."""
        self.path.save(folder / "camera.npz")
        self.exposure.save(folder / "exposure.npz")
        self.grain.save(folder / "grain.npz")
        save_arrays(folder / "shutter.npz", {"shutter": np.array(self.shutter)})

    @classmethod
    def load(cls, folder: Path) -> Measured:
        """Read what `save` kept."""
        with np.load(folder / "shutter.npz") as kept:
            shutter = float(kept["shutter"])
        return cls(
            shutter=shutter,
            path=CameraPath.load(folder / "camera.npz"),
            exposure=Exposure.load(folder / "exposure.npz"),
            grain=GrainModel.load(folder / "grain.npz"),
        )


def measure_shot(
    *,
    shot: Shot,
    store: MotionStore,
    grain: bool,
    threads: int,
    tick: Callable[[], None],
    canvas: Window | None = None,
) -> Measured:
    """Measure a shot of any length; grain and shutter only if `grain`. `tick` is called often and may raise to stop.

    `canvas` is what motion is completed over, the shot's window where None. The result does not depend on `threads`.
    """
    channels = len(shot.colours)
    if len(shot.frames) < 2:
        return _of_one_frame(shot, store)
    path = join(shot, store, threads=threads, tick=tick)
    maker = FieldMaker(store=store, canvas=canvas or shot_window(shot), path=path)
    exposure = measure_exposure(shot=shot, store=store, maker=maker, path=path, tick=tick)
    model = GrainModel.none(channels=channels)
    if grain:
        model = grain_of_shot(shot=shot, store=store, maker=maker, exposure=exposure, tick=tick)
    shutter = shutter_of_shot(shot=shot, path=path, exposure=exposure, tick=tick) if grain else 0.0
    return Measured(path=path, exposure=exposure, grain=model, shutter=shutter)


def _of_one_frame(shot: Shot, store: MotionStore) -> Measured:
    channels = len(shot.colours)
    return Measured(
        path=CameraPath(
            lattice=store.fine,
            matrices=np.eye(3)[np.newaxis],
            segments=np.zeros(1, np.int32),
            kinds=("still",),
        ),
        exposure=Exposure(
            gains=np.zeros((1, channels), np.float32),
            falloff=(0.0, 0.0),
            display=shot.header(shot.frames[0]).display_window,
        ),
        grain=GrainModel.none(channels=channels),
    )
