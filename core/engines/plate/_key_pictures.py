"""Pictures of key frames with what is imagined in them so far, and of the same a little earlier and later."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from overscan.core.engines.plate._address_map import AddressMap
from overscan.core.engines.plate._dynamic import carried
from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._pictures import STOPS, Pictures, SmallPicture
from overscan.core.engines.plate._running import Runner
from overscan.core.engines.plate._trace import NOWHERE
from overscan.core.engines.plate.light._exposure import Exposure
from overscan.core.engines.plate.motion._camera import CameraPath

_LAGS = (-2, 2)
"""Frames before and after that patches in space and time reach into."""


class KeyPictures:
    """Pictures of the key frames of one shot."""

    def __init__(
        self,
        *,
        pictures: Pictures,
        exposure: Exposure | None,
        path: CameraPath | None,
        runner: Runner | None,
        frames: int,
    ) -> None:
        """Without a `path` and a `runner` nothing moves."""
        self._pictures = pictures
        self._exposure = exposure
        self._path = path
        self._runner = runner
        self._frames = frames

    def completed(self, key: int, made: AddressMap, *, at: int, tick: Callable[[], None]) -> SmallPicture:
        """What the camera of frame `key` would see in frame `at`, with everything in it that has an address."""
        own = self._seen(key, at)
        pixels, known = own.pixels.copy(), own.known.copy()
        lattice = made.lattice
        where = np.nonzero(made.frame != NOWHERE)
        frame, source_x, source_y = made.frame[where], made.x[where], made.y[where]
        if self._runner is not None:
            frame, source_x, source_y = self._runner.at(at, frame, source_x, source_y, made.runs.at(where))
        nodes_x, nodes_y = (nodes[where] for nodes in lattice.nodes())
        gain, values = made.gain[where], np.zeros((len(frame), pixels.shape[-1]), np.float32)
        for number in np.unique(frame):
            tick()
            here = frame == number
            x = np.clip((source_x[here] - lattice.x0) / lattice.dx, 0, lattice.width - 1).astype(np.float32)
            y = np.clip((source_y[here] - lattice.y0) / lattice.dy, 0, lattice.height - 1).astype(np.float32)
            values[here], _ = fetch(self._pictures.picture(int(number)).pixels, x, y)
            if self._exposure is not None:
                gain[here] += self._exposure.gain(
                    source=int(number),
                    target=key,
                    x_source=source_x[here],
                    y_source=source_y[here],
                    x=nodes_x[here],
                    y=nodes_y[here],
                )
        pixels[where] = values + gain / np.float32(STOPS)
        known[where] = True
        return SmallPicture(pixels=pixels, known=known)

    def in_time(self, key: int, *, made: AddressMap | None, tick: Callable[[], None]) -> Array:
        """Greys of what the camera of frame `key` would see some frames before and after: ``(height, width, 2)``.

        With `made`, with everything in it that has an address.
        """
        greys = []
        for lag in _LAGS:
            tick()
            at = min(max(key + lag, 0), self._frames - 1)
            seen = self._seen(key, at) if made is None else self.completed(key, made, at=at, tick=tick)
            greys.append(seen.pixels.mean(axis=-1))
        return np.stack(greys, axis=-1)

    def _seen(self, key: int, at: int) -> SmallPicture:
        """Frame `at` as the camera of frame `key` would see it; the key's own picture where it does not show that."""
        own = self._pictures.picture(key)
        model = self._path.in_plate(first=key, second=at) if self._path is not None and at != key else None
        if model is None:
            return own
        there, lattice = self._pictures.picture(at), self._pictures.lattice
        nodes = lattice.nodes()
        x, y = carried(model, *nodes)
        column = ((x - lattice.x0) / lattice.dx).astype(np.float32)
        row = ((y - lattice.y0) / lattice.dy).astype(np.float32)
        values = np.asarray(cv2.remap(there.pixels, column, row, cv2.INTER_CUBIC), np.float32).reshape(own.pixels.shape)
        shown = np.asarray(cv2.remap(there.known.astype(np.float32), column, row, cv2.INTER_LINEAR)) > 0.999
        if self._exposure is not None:
            places = (part.ravel() for part in (x, y, *nodes))
            gain = self._exposure.gain(
                source=at, target=key, **dict(zip(("x_source", "y_source", "x", "y"), places, strict=True))
            )
            values += gain.reshape(values.shape) / np.float32(STOPS)
        return SmallPicture(pixels=np.where((shown & own.known)[..., np.newaxis], values, own.pixels), known=own.known)
