"""Brings light from the addresses that were found, matched to the frame it goes into (S5, S6, S8)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from overscan.core.engines.plate._average import Average
from overscan.core.engines.plate._clean_plates import CleanPlates
from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._find import Finder
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._lights import Lights
from overscan.core.engines.plate._painting import PaintedPictures
from overscan.core.engines.plate._region import Indices, Region, Rim
from overscan.core.engines.plate._trace import NOWHERE, Numbers
from overscan.core.engines.plate.light._exposure import Exposure
from overscan.core.engines.plate.light._grain import GrainModel, kept_variance
from overscan.core.geometry import Window
from overscan.core.shots import Shot

_AGREE = 2.0
"""Deviations of the grain within which two frames show the same: only then may they be averaged."""


@dataclass(slots=True, kw_only=True)
class Lit:
    """Light for one region."""

    region: Region
    rim: Rim
    values: Array
    """``(count, channels)`` for the pixels of the region; 0 where there is no source."""
    kept: Array
    """``(count,)``: part of the grain's variance that is left in it."""
    shown: Array
    """``(count, channels)`` for those of the rim; NaN where there is no source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errand:
    """Pixels of a region, or of its rim, that one frame is the source of."""

    lit: Lit
    chosen: Indices
    is_rim: bool


class Lighting:
    """Brings light for the frames of one shot."""

    def __init__(
        self,
        *,
        shot: Shot,
        lights: Lights,
        finder: Finder,
        exposure: Exposure | None,
        grain: GrainModel,
        clean: CleanPlates | None,
        painted: PaintedPictures | None = None,
        most_sources: int,
    ) -> None:
        """Without an `exposure` light is taken as it is; `clean` and what is `painted` are further sources.

        Where the plate has grain, light is averaged over up to `most_sources` neighbouring frames that show the same:
        a copied frame's own grain would stand still in the fill, and be seen as dirt on the lens.
        """
        self._shot = shot
        self._lights = lights
        self._finder = finder
        self._exposure = exposure
        self._grain = grain
        self._clean = clean
        self._painted = painted
        self._most_sources = 1 if grain.empty else most_sources

    def bring(self, regions: Sequence[Region], *, tick: Callable[[], None]) -> list[Lit]:
        """Light for all regions together, so that each source frame is read once and let go.

        Where a source turns out to hold no light (NaN, infinity), the region's pixel loses it.
        """
        lit = [self._dark(region) for region in regions]
        wanted: dict[int, list[_Errand]] = {}
        for one in lit:
            for places, is_rim in ((one.region.sources, False), (one.rim, True)):
                for frame, chosen in _by_frame(places.frame):
                    wanted.setdefault(frame, []).append(_Errand(lit=one, chosen=chosen, is_rim=is_rim))
        order = self._lights.kept_first(wanted)
        for frame, following in itertools.zip_longest(order, order[1:]):
            tick()
            if following is not None and following < len(self._shot.frames):
                self._lights.ask(following)
            for errand in wanted[frame]:
                if errand.is_rim:
                    self._show(errand, frame)
                else:
                    self._paint(errand, frame)
        self._lights.let_go()
        return lit

    def _dark(self, region: Region) -> Lit:
        rim = region.rim(plate_width=self._shot.data_window(self._shot.frames[region.index]).width)
        count, channels = len(region.rows), len(self._shot.colours)
        return Lit(
            region=region,
            rim=rim,
            values=np.zeros((count, channels), np.float32),
            kept=np.zeros(count, np.float32),
            shown=np.full((len(rim.rows), channels), np.nan, np.float32),
        )

    def _show(self, errand: _Errand, frame: int) -> None:
        rim, region = errand.lit.rim, errand.lit.region
        chosen = errand.chosen[errand.lit.rim.is_copy[errand.chosen]]
        here = (rim.columns[chosen] + region.window.x, rim.rows[chosen] + region.window.y)
        values, sound = self._matched(frame, region.index, (rim.x[chosen], rim.y[chosen]), here, rim.gain[chosen])
        errand.lit.shown[chosen[sound]] = values[sound]

    def _paint(self, errand: _Errand, frame: int) -> None:
        lit, chosen, region = errand.lit, errand.chosen, errand.lit.region
        sources = region.sources
        at, gain = (sources.x[chosen], sources.y[chosen]), sources.gain[chosen]
        here = (region.target.x[chosen], region.target.y[chosen])
        first, sound = self._matched(frame, region.index, at, here, gain)
        sources.frame[chosen[~sound]] = NOWHERE
        lit.values[chosen] = first
        if self._grain.empty:
            return
        if self._clean is not None and self._clean.is_one(frame):
            here_x, here_y = self._clean.places(frame, target=region.index, x=at[0], y=at[1])
            own = np.float32(self._clean.grain(frame, target=region.index))
            lit.kept[chosen] = own * kept_variance(here_x, here_y, model=self._grain)
            return
        if self._painted is not None and self._painted.is_one(frame):
            return  # what is painted has no grain
        average = Average.of(
            first, kept=kept_variance(*at, model=self._grain), allowed=2 * _AGREE**2 * self._grain.variance(first)
        )
        for other, (x, y) in self._further(frame, at, away_from=region.index):
            values, seen = self._matched(other, region.index, (x, y), here, gain)
            seen &= sound & self._finder.may_copy(other, x, y)
            average.add(values, kept=kept_variance(x, y, model=self._grain), usable=seen)
        lit.values[chosen] = average.mean
        lit.kept[chosen] = average.mean_kept

    def _further(
        self, frame: int, at: tuple[Array, Array], *, away_from: int
    ) -> Iterator[tuple[int, tuple[Array, Array]]]:
        """The frames behind a source frame, and where they show what it shows."""
        last = len(self._shot.frames) - 1
        direction = 1 if (frame >= away_from and frame < last) or frame == 0 else -1
        for _ in range(self._most_sources - 1):
            if not 0 <= frame + direction <= last:
                return
            at = self._finder.moved(frame, direction, *at)
            frame += direction
            if self._shot.frames[frame] in self._shot.sources:
                yield frame, at

    def _matched(
        self, frame: int, target: int, at: tuple[Array, Array], here: tuple[Indices | Array, ...], gain: Array
    ) -> tuple[Array, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
        """Light of a frame at `at` as it would be seen in frame `target` `here`, and which of it is sound."""
        if self._clean is not None and self._clean.is_one(frame):
            values, sound = self._clean.fetch(frame, target=target, x=at[0], y=at[1])
            return values * np.exp2(gain), sound
        if self._painted is not None and self._painted.is_one(frame):
            values, sound = self._painted.fetch(frame, *at)
            frame = self._painted.key(frame)
        else:
            window = self._window(frame)
            values, sound = fetch(self._lights[frame], at[0] - window.x, at[1] - window.y)
        if self._exposure is not None:
            x, y = (np.asarray(places, np.float32) for places in here)
            gain = gain + self._exposure.gain(source=frame, target=target, x_source=at[0], y_source=at[1], x=x, y=y)
        if gain.any():
            values *= np.exp2(gain)
        return values, sound

    def _window(self, frame: int) -> Window:
        return self._shot.data_window(self._shot.frames[frame])


def _by_frame(frames: Numbers) -> list[tuple[int, Indices]]:
    order = np.argsort(frames, kind="stable")
    numbers, starts = np.unique(frames[order], return_index=True)
    parts = np.split(order, starts[1:])
    return [(int(number), part) for number, part in zip(numbers, parts, strict=True) if number != NOWHERE]
