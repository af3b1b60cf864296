"""In-betweens: frames at times inside the gap between two plate frames."""

from __future__ import annotations

import cv2
import numpy as np

from overscan.core.colour import analysis_proxy
from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._fill import smooth_fill
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate.light._grain import GrainModel, grain_field, kept_variance, regrain
from overscan.core.engines.plate.motion._proxy import LONGEST, THUMBNAIL, Mask, Proxy, Stretch, make_proxy, shot_window
from overscan.core.engines.plate.time._gap import Gap, View, measure_gap, view
from overscan.core.engines.plate.time._gap_light import change_of_light
from overscan.core.geometry import Window
from overscan.core.results import Generated, SourceKind
from overscan.core.shots import Shot

_SINGLE = 0.02
"""Share below which a frame is left out, so that a pixel has a single source."""
_DISAGREE, _OPPOSE = 0.05, 0.10
"""Difference of two sources, in log-shaped light (about 0.057 a stop), from which on they are not mixed by time alone,
and from which on only one is taken: a thing seen twice is worse than one in the wrong place."""
_NEIGHBOURHOOD = 5 / 1920
"""Size of the neighbourhood that agrees on whether to mix, as a part of the plate's width."""
_UNSURE = 0.1
"""Mismatch at which confidence has fallen to a third."""
_PER_FRAME = 0.97
"""How much less an in-between is trusted for each frame that is missing round it beyond the usual."""


class Inbetweener:
    """Makes in-betweens of one shot. Keeps the gap it was last in."""

    def __init__(self, *, shot: Shot, stretch: Stretch, grain: GrainModel) -> None:
        """Mixing frames takes some of their `grain` away, which is made up for."""
        self._shot = shot
        self._stretch = stretch
        self._grain = grain
        self._window = shot_window(shot)
        self._lattice = Lattice.over(self._window, longest=LONGEST)
        self._proxies: dict[int, Proxy] = {}
        self._gaps: dict[tuple[int, int], tuple[Gap, Array]] = {}

    def make(self, frame: int) -> Generated:
        """The frame with that number in the result, which the plate has not."""
        shot = self._shot
        first, second = shot.around(frame)
        moment = shot.moments[frame]
        time = (moment.time - first) / (second - first)
        gap, change = self._gap(first, second)
        window = shot.coverage(moment.like)
        return self._mixed(frame, view(gap, time=time), first, second, window, (time * change, (time - 1) * change))

    def _gap(self, first: int, second: int) -> tuple[Gap, Array]:
        """Motion across a gap, and the stops by which the light changes."""
        if (first, second) not in self._gaps:
            self._proxies = {number: self._proxy(number) for number in (first, second)}
            one, other = self._proxies.values()
            gap = measure_gap(one, other)
            change = change_of_light(
                one,
                other,
                gap,
                fine=self._lattice,
                thumbnails=Lattice.over(self._window, longest=THUMBNAIL),
                display=self._shot.header(first).display_window,
            )
            self._gaps = {(first, second): (gap, change)}
        return self._gaps[first, second]

    def _proxy(self, number: int) -> Proxy:
        kept = self._proxies.get(number)
        return kept or make_proxy(self._shot, number, window=self._window, stretch=self._stretch, fine=self._lattice)

    def _mixed(
        self, frame: int, seen: View, first: int, second: int, window: Window, gains: tuple[Array, Array]
    ) -> Generated:
        shape = window.shape
        x1, y1, light1, sound1 = self._fetched(seen.to_first, first, window, gains[0])
        x2, y2, light2, sound2 = self._fetched(seen.to_second, second, window, gains[1])
        share = self._whole(seen.share, window)
        share[~sound2], share[~sound1] = 0.0, 1.0
        both = sound1 & sound2
        size = max(3, round(_NEIGHBOURHOOD * self._window.width)) | 1
        apart = np.abs(analysis_proxy(light1) - analysis_proxy(light2)).mean(axis=-1)
        apart = cv2.blur(np.where(both, apart, np.float32(0)), (size, size))
        gate = np.clip((apart - _DISAGREE) / (_OPPOSE - _DISAGREE), 0, 1)
        nearer = (cv2.blur(share, (size, size)) > 0.5).astype(np.float32)
        share = np.where(both, share * (1 - gate) + nearer * gate, share)
        share[share < _SINGLE], share[share > 1 - _SINGLE] = 0.0, 1.0
        nothing = ~(sound1 | sound2)
        part = share[..., np.newaxis]
        with np.errstate(over="ignore", invalid="ignore"):
            mixed = light1 * (1 - part) + light2 * part
        # 0 times an infinity must not spread
        light = smooth_fill(np.where(part == 0, light1, np.where(part == 1, light2, mixed)), ~nothing)
        if not self._grain.empty:
            kept = [
                kept_variance(x.ravel(), y.ravel(), model=self._grain).reshape(shape) for x, y in ((x1, y1), (x2, y2))
            ]
            left = np.where(nothing, np.float32(0), (1 - share) ** 2 * kept[0] + share**2 * kept[1])
            field = grain_field(self._grain, seed=self._shot.job.seed, frame=frame, window=window)
            light = regrain(light, model=self._grain, kept=left, field=field)
        only1, only2 = (share == 0) & ~nothing, (share == 1) & ~nothing

        def source(of_first: Array | int, of_second: Array | int) -> Array:
            return np.where(only1, of_first, np.where(only2, of_second, np.float32(np.nan))).astype(np.float32)

        confidence = np.exp(-self._whole(seen.mismatch, window) / np.float32(_UNSURE)) * (1 - gate / 2)
        confidence *= np.float32(_PER_FRAME ** (second - first - 1))
        kind = np.where(only1 | only2, SourceKind.COPIED, SourceKind.SYNTHESISED).astype(np.uint8)
        return Generated(
            window=window,
            light=light,
            alpha=np.ones(shape, np.float32),
            confidence=np.where(nothing, np.float32(0), confidence).astype(np.float32),
            source_x=source(x1, x2),
            source_y=source(y1, y2),
            source_frame=source(first, second),
            kind=kind,
        )

    def _fetched(self, vectors: Array, number: int, window: Window, gain: Array) -> tuple[Array, Array, Array, Mask]:
        """Places in a plate frame that `vectors` lead to from `window`, the light there, and where it is sound."""
        steps = self._whole(vectors * np.array([self._lattice.dx, self._lattice.dy], np.float32), window)
        columns, rows = np.meshgrid(
            np.arange(window.x, window.right, dtype=np.float32), np.arange(window.y, window.bottom, dtype=np.float32)
        )
        x, y = columns + steps[..., 0], rows + steps[..., 1]
        have = self._shot.data_window(number)
        values, sound = fetch(
            self._shot.read_light(number), (x - np.float32(have.x)).ravel(), (y - np.float32(have.y)).ravel()
        )
        if gain.any():
            with np.errstate(over="ignore"):
                values *= np.exp2(gain)
        return x, y, values.reshape(*window.shape, -1), sound.reshape(window.shape)

    def _whole(self, values: Array, window: Window) -> Array:
        """Values of the lattice for every sample of `window`."""
        size = (self._window.width, self._window.height)
        whole = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)
        return np.ascontiguousarray(whole[window.slices_in(self._window)])
