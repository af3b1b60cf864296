"""What another engine is asked when it paints key frames: see `KeyLayer`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from overscan.core.geometry import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpainted:
    """A key frame that something is missing in. Arrays cover `window`."""

    frame: int
    """Its number in the plate."""
    window: Window
    """What the frame covers, in the plate's pixel space."""
    light: npt.NDArray[np.float32] = field(repr=False)
    """``(height, width, channels)`` scene-linear: the plate, under the matte what other frames show of it and what key
    frames before have, and a smooth guess where `missing`. May hold NaN and infinities where the plate does."""
    missing: npt.NDArray[np.bool_] = field(repr=False)
    """``(height, width)``: what is to be painted; not empty."""


class Painter(Protocol):
    """Paints what is missing in key frames."""

    def paint(self, key: Unpainted, *, tick: Callable[[], None]) -> npt.NDArray[np.float32]:
        """The light of a key frame, completed: as `Unpainted.light`, read where something is missing, finite there.

        The same key gives the same bits. `tick` is called at least once a second and may raise to stop.
        """
