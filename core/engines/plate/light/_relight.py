"""Measures how light differs between the frames of a shot, from thumbnails along the measured motion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from overscan.core.colour import acescct_to_linear
from overscan.core.engines.plate._keys import KEY_EVERY
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate.light._exposure import Exposure, PairSamples, sample_pair, solve_exposure
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._models import project
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.shots import Shot


def measure_exposure(
    *, shot: Shot, store: MotionStore, maker: FieldMaker, path: CameraPath, tick: Callable[[], None]
) -> Exposure:
    """The exposure of a shot: neighbours compared along their motion, and key frames along the camera's path.

    `tick` is called once a pair.
    """
    count = len(shot.frames)
    pairs = [(first, first + 1) for first in range(count - 1)]
    # Without these the errors of many small steps would add up.
    pairs += [(first, first + KEY_EVERY) for first in range(0, count - KEY_EVERY, KEY_EVERY // 2)]

    def compared(pair: tuple[int, int]) -> PairSamples | None:
        first, second = pair
        addresses = (
            _along_motion(store, maker, first) if second == first + 1 else _along_path(store, path, first, second)
        )
        if addresses is None:
            return None
        one, two = store.thumbnail(first), store.thumbnail(second)
        return sample_pair(
            first=acescct_to_linear(one.pixels),
            second=acescct_to_linear(two.pixels),
            known_first=one.known,
            known_second=two.known,
            addresses=addresses,
            lattice=store.thumbnails,
        )

    samples: dict[tuple[int, int], PairSamples] = {}
    for pair in pairs:
        tick()
        if (found := compared(pair)) is not None:
            samples[pair] = found
    channels = store.thumbnail(0).pixels.shape[-1]
    return solve_exposure(samples, frames=count, channels=channels, display=shot.header(shot.frames[0]).display_window)


def _along_motion(store: MotionStore, maker: FieldMaker, first: int) -> Array:
    """Where the next frame shows each sample of a frame's thumbnail: ``(height, width, 2)`` in plate space."""
    field = maker.complete(store.pair(first).forward)
    x, y = store.thumbnails.nodes()
    moved = field.carried(x.ravel(), y.ravel())
    return np.stack([axis.reshape(x.shape) for axis in moved], axis=-1)


def _along_path(store: MotionStore, path: CameraPath, first: int, second: int) -> Array | None:
    model = path.between(first=first, second=second)
    if model is None:
        return None
    x, y = store.thumbnails.nodes()
    fine = store.fine
    nodes = np.stack([(x - fine.x0) / fine.dx, (y - fine.y0) / fine.dy], axis=-1)
    there = project(model, nodes)
    scale, origin = np.array([fine.dx, fine.dy]), np.array([fine.x0, fine.y0])
    addresses: Array = (there * scale + origin).astype(np.float32)
    return addresses
