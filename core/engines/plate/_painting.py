"""What no frame shows, painted in key frames by something else: its pictures are further sources of light.

A painted pixel has no address in the plate, so it needs a picture of its own: the key frame as it was completed. Such a
picture counts as a further source frame, and its positions are those of its key frame, so that everything that follows
what is imagined (`_imagine`) follows what is painted, and fetches its light at full resolution.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from overscan.core.engines._protocol import Notice
from overscan.core.engines.plate._fetch import TAPS, fetch
from overscan.core.engines.plate._fill import smooth_fill
from overscan.core.engines.plate._keys import shot_keys
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate._painter import Painter, Unpainted
from overscan.core.engines.plate._trace import NOWHERE
from overscan.core.engines.plate._wide_keys import keep_windows, kept_windows, wide_windows
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.frames import format_frames
from overscan.core.geometry import Window
from overscan.core.shots import Shot

if TYPE_CHECKING:
    from overscan.core.engines.plate._render import Renderer

_KEPT_BYTES = 256 << 20


class PaintedPictures:
    """The painted pictures of one shot as sources. The number of one is that of its key frame after all others."""

    def __init__(self, *, shot: Shot, folder: Path) -> None:
        """Pictures are kept in `folder`."""
        self._shot = shot
        self._folder = folder
        self._first = len(shot.frames) + len(shot.clean_plates)
        self._kept: OrderedDict[int, tuple[Array, int, int]] = OrderedDict()

    def number(self, key: int) -> int:
        """Source number of what is painted in the frame of index `key`."""
        return self._first + key

    def is_one(self, source: int) -> bool:
        """Whether a source frame is a painted picture."""
        return source >= self._first

    def keep(self, key: int, *, light: Array, window: Window, needed: Mask, lattice: Lattice) -> None:
        """Keep the completed `light` of key frame `key` over `window`, as far as what is `needed` is fetched from it.

        What lies within a cell of the map's `lattice` of something painted counts as painted.
        """
        reach = int(np.ceil(2 * max(lattice.dx, lattice.dy))) + TAPS
        rows, columns = (np.flatnonzero(needed.any(axis=axis)) for axis in (1, 0))
        top, bottom = max(rows[0] - reach, 0), min(rows[-1] + 1 + reach, window.height)
        left, right = max(columns[0] - reach, 0), min(columns[-1] + 1 + reach, window.width)
        picture = light[top:bottom, left:right]
        # One NaN of the plate's would spoil all pixels that it is near.
        picture = smooth_fill(picture, np.ones(picture.shape[:2], np.bool_))
        corner = np.array([window.x + left, window.y + top], np.int64)
        save_arrays(self._path(key), {"light": np.ascontiguousarray(picture), "corner": corner})
        self._kept.pop(self.number(key), None)

    def key(self, source: int) -> int:
        """The key frame, by index, that a source is the picture of."""
        return source - self._first

    def fetch(self, source: int, x: Array, y: Array) -> tuple[Array, Mask]:
        """Light at positions of a painted key frame, and which of it is sound."""
        light, left, top = self._read(source)
        return fetch(light, x - np.float32(left), y - np.float32(top))

    def _read(self, source: int) -> tuple[Array, int, int]:
        if source not in self._kept:
            with np.load(self._path(self.key(source))) as kept:
                x, y = kept["corner"]
                self._kept[source] = (kept["light"], int(x), int(y))
            while len(self._kept) > 1 and sum(light.nbytes for light, _, _ in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(source)
        return self._kept[source]

    def _path(self, key: int) -> Path:
        return self._folder / f"{self._shot.frames[key]}.npz"


class KeyPainting:
    """What is painted in the key frames of one shot."""

    def __init__(
        self,
        *,
        shot: Shot,
        path: CameraPath | None,
        painted: Callable[[int], bool],
        painter: Painter,
        work_folder: Path,
    ) -> None:
        """`painted` says of a frame number whether anything is missing in it; without a `path` nothing moves."""
        self._shot = shot
        self._path = path
        self._painted = painted
        self._painter = painter
        self._file = work_folder / "wide.json"
        self.pictures = PaintedPictures(shot=shot, folder=work_folder / "painted")

    def measure(self, *, tick: Callable[[], None]) -> None:
        """Find out what is painted of each key frame, and keep it; once the camera's path is known."""
        if self._path is None:
            return
        painted = [index for index, frame in enumerate(self._shot.frames) if self._painted(frame)]
        keys = shot_keys(len(self._shot.frames), stretches=self._path.stretches().tolist(), painted=painted)
        windows = wide_windows(shot=self._shot, path=self._path, keys=keys, painted=painted, tick=tick)
        keep_windows(windows, self._file)

    @cached_property
    def windows(self) -> Mapping[int, Window]:
        """What is painted of each key frame, by index, in the plate's pixel space; empty where nothing moves."""
        return {} if self._path is None else kept_windows(self._file)

    def adrift(self) -> Notice | None:
        """What the artist should know of frames that nothing painted can be carried to."""
        if self._path is None:
            return None
        stretches = self._path.stretches()
        lost = [frame for at, frame in enumerate(self._shot.frames) if stretches[at] < 0 and self._painted(frame)]
        if not lost:
            return None
        return Notice(
            code="NOT_PAINTED",
            message=f"Round frames {format_frames(lost)} the camera cannot be followed, so nothing that is painted in "
            "key frames can be carried there: what no frame shows is filled smoothly in them. Give the camera or "
            "tracks, or paint there.",
            frame=lost[0],
        )

    def paint(self, key: int, *, renderer: Renderer, lattice: Lattice, tick: Callable[[], None]) -> int:
        """Paint what is missing in the key frame of index `key`, and keep its picture.

        `lattice` is that of the key frames' maps. Returns the picture's number as a source, or `NOWHERE` where the
        frame has nothing to paint.
        """
        completed = renderer.completed(key, window=self.windows.get(key), tick=tick)
        if completed is None:
            return int(NOWHERE)
        light, missing = completed.light, completed.missing
        if missing.any():
            number = self._shot.frames[key]
            unpainted = Unpainted(frame=number, window=completed.window, light=light, missing=missing)
            light = np.where(missing[..., np.newaxis], self._painter.paint(unpainted, tick=tick), light)
        # What evens out steps of light at the region's edge does so again when the frame is rendered.
        self.pictures.keep(
            key,
            light=(light * np.exp2(-completed.seam)).astype(np.float32),
            window=completed.window,
            needed=completed.filled,
            lattice=lattice,
        )
        return self.pictures.number(key)
