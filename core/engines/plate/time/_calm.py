"""The frame that a continuation goes out from, with less of its own grain.

New frames all copy from it. Its grain would stand still in them, and be seen as dirt on the lens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._measured import Measured
from overscan.core.engines.plate._trace import Found, Target
from overscan.core.engines.plate.light._grain import kept_variance
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.engines.plate.motion._settle import settle
from overscan.core.shots import Shot

_MOST = 8
"""Frames that are averaged at most, where they agree."""
_AGREE = 2.0
"""Deviations of the grain within which two frames show the same: only then may they be averaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """Light of one frame over its data window."""

    light: Array
    """``(height, width, channels)`` float32."""
    kept: Array
    """``(height, width)``: part of the grain's variance that is left in it."""


def calmed(
    *,
    shot: Shot,
    store: MotionStore,
    maker: FieldMaker,
    measured: Measured,
    anchor: int,
    direction: int,
    tick: Callable[[], None],
) -> Calm:
    """Frame `anchor`, by index, averaged with the frames after it in `direction` that show the same within its grain.

    Without grain it is the frame as it is.
    """
    light, window = shot.read_light(shot.frames[anchor]), shot.data_window(shot.frames[anchor])
    model = measured.grain
    if model.empty:
        return Calm(light=light, kept=np.ones(light.shape[:2], np.float32))
    columns, rows = np.meshgrid(
        np.arange(window.x, window.right, dtype=np.float32), np.arange(window.y, window.bottom, dtype=np.float32)
    )
    target = Target(frame=anchor, x=columns.ravel(), y=rows.ravel())
    own = light.reshape(-1, light.shape[-1])
    total, kept, count = own.copy(), np.ones(len(own), np.float32), np.ones(len(own), np.float32)
    allowed = 2 * _AGREE**2 * model.variance(own)
    x, y = target.x, target.y
    for distance in range(1, _MOST):
        before, frame = anchor + direction * (distance - 1), anchor + direction * distance
        if not 0 <= frame < len(shot.frames):
            break
        tick()
        pair = store.pair(min(before, frame))
        field = maker.complete(pair.forward if direction > 0 else pair.backward)
        x, y = field.carried(x, y)
        number = shot.frames[frame]
        if number not in shot.sources:
            continue
        place = settle(
            measured.path, target=target, found=Found(frame=np.full(len(x), frame, np.int32), x=x.copy(), y=y.copy())
        )
        have = shot.data_window(number)
        values, sound = fetch(shot.read_light(number), place.x - np.float32(have.x), place.y - np.float32(have.y))
        values *= np.exp2(
            measured.exposure.gain(
                source=frame, target=anchor, x_source=place.x, y_source=place.y, x=target.x, y=target.y
            )
        )
        with np.errstate(invalid="ignore", over="ignore"):
            agrees = sound & ((values - own) ** 2 <= allowed).all(axis=-1)
        total[agrees] += values[agrees]
        kept[agrees] += kept_variance(place.x[agrees], place.y[agrees], model=model)
        count[agrees] += 1
    mean: Array = (total / count[:, np.newaxis]).astype(np.float32)
    return Calm(light=mean.reshape(light.shape), kept=(kept / count**2).reshape(light.shape[:2]))
