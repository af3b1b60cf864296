"""Renders frames: finds the sources of what is missing, brings their light, hands over to the composer (S5 to S9)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._clean_plates import CLEAN_TRUST, CleanPlates
from overscan.core.engines.plate._fill import smooth_fill
from overscan.core.engines.plate._find import Finder
from overscan.core.engines.plate._imagine import Imagination
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._lighting import Lighting, Lit
from overscan.core.engines.plate._lights import Lights
from overscan.core.engines.plate._region import Region
from overscan.core.engines.plate._trace import NOWHERE, Target
from overscan.core.engines.plate.light._grain import GrainModel, grain_field, regrain
from overscan.core.engines.plate.light._motion_blur import blurred_along, missing_blur
from overscan.core.engines.plate.light._seam import seam_correction
from overscan.core.engines.plate.light._shutter import camera_speed
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.geometry import Window
from overscan.core.plates import PlateFrame
from overscan.core.results import Composer, FrameCheck, Generated, GroundworkStore, SourceKind
from overscan.core.shots import Shot

_FADE_PER_FRAME = 0.985
"""How much less a pixel is trusted for each frame that its source is away."""
_IMAGINED_TRUST = 0.1
"""How far a pixel is trusted that no frame shows."""
_BLOCK = 16
"""Samples a side of the blocks by which what is filled smoothly is told apart into patches; four of them lie round
each."""
_WRITERS = 2
"""Frames that are written and checked at once; each holds its pictures in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A frame with what its sources give it. Arrays cover `window`."""

    window: Window
    light: Array
    """``(height, width, channels)``; a smooth fill where `missing`."""
    filled: Mask
    """``(height, width)``: what is generated; not empty."""
    missing: Mask
    """``(height, width)``: what of it has no source."""
    seam: Array
    """``(height, width, channels)``: stops that the sources' light was brightened by at last."""


class Renderer:
    """Renders frames of one shot. Every frame's pixels depend on the shot alone, not on which frames come with it."""

    def __init__(
        self,
        *,
        shot: Shot,
        finder: Finder | None,
        imagination: Imagination | None,
        clean: CleanPlates | None,
        lights: Lights,
        lighting: Lighting | None,
        grain: GrainModel,
        path: CameraPath | None,
        shutter: float,
        seed: int,
        pitch: int,
        seam_cells: int,
        composer: Composer | GroundworkStore,
        painted: Callable[[int], bool],
        leave_empty: bool,
    ) -> None:
        """`painted` says of a frame number whether anything is missing in it.

        Where nothing ever is, there is neither a `finder` nor a `lighting`.

        What no frame shows comes from the `clean` plates, else from `imagination`; what neither knows is filled
        smoothly, or stays empty where `leave_empty`. All but that gets the motion blur that it lacks, by the camera's
        `path` and the `shutter`, and `grain`, by `seed`.
        """
        self._shot = shot
        self._finder = finder
        self._imagination = imagination
        self._clean = clean
        self._lights = lights
        self._lighting = lighting
        self._grain = grain
        self._path = path
        self._shutter = shutter
        self._seed = seed
        self._pitch = pitch
        self._seam_cells = seam_cells
        self._composer = composer
        self._painted = painted
        self._leave_empty = leave_empty

    def render(
        self, indices: list[int], *, finished: Callable[[FrameCheck, float], None], tick: Callable[[], None]
    ) -> None:
        """Render frames, by index in the shot; `finished` gets each check and its seconds.

        Frames that an interrupted run of this job finished are not rendered again.
        """
        start = time.monotonic()
        for index in indices:
            if (check := self._composer.kept(self._shot.frames[index])) is not None:
                finished(check, 0.0)
                indices = [other for other in indices if other != index]
        if not indices:
            return
        works = self._lit([index for index in indices if self._painted(self._shot.frames[index])], tick=tick)
        shared = (time.monotonic() - start) / len(indices)
        # Frames are written and checked beside the making of the next: half of that work is waiting for the disk.
        with ThreadPoolExecutor(_WRITERS) as writers:
            pending: deque[tuple[Future[FrameCheck], float]] = deque()

            def report() -> None:
                check, begun = pending.popleft()
                result = check.result()
                finished(result, shared + time.monotonic() - begun)

            try:
                for index in indices:
                    begun = time.monotonic()
                    tick()
                    plate = self._lights.plate(index)
                    own = works.pop(index, None)  # each frame's arrays are let go of when it is written
                    generated = None if own is None else self._generated(own, plate)
                    if len(pending) == _WRITERS:
                        report()
                    pending.append((writers.submit(self._finish, plate, generated), begun))
            finally:  # frames that are on their way count, whatever came of the next
                while pending:
                    report()

    def _finish(self, plate: PlateFrame, generated: Generated | None) -> FrameCheck:
        self._composer.write(plate, generated)
        return self._composer.check(plate, generated)

    def _lit(self, indices: Sequence[int], *, tick: Callable[[], None]) -> dict[int, Lit]:
        regions = [region for index in indices if len((region := Region.of(self._shot, index)).rows)]
        return self._lit_regions(regions, tick=tick)

    def _lit_regions(self, regions: Sequence[Region], *, tick: Callable[[], None]) -> dict[int, Lit]:
        if not regions or self._finder is None or self._lighting is None:
            return {}
        thinned = [region.thinned(self._pitch) for region in regions] if self._pitch > 1 else regions
        self._find(self._finder, thinned, tick=tick)
        if self._pitch > 1:
            for region, some in zip(regions, thinned, strict=True):
                region.follow(some, self._pitch)
        return {lit.region.index: lit for lit in self._lighting.bring(regions, tick=tick)}

    def _find(self, finder: Finder, regions: Sequence[Region], *, tick: Callable[[], None]) -> None:
        """Find a source for each pixel of the regions."""
        for region, sources in zip(regions, finder.find([region.target for region in regions], tick=tick), strict=True):
            found, own = sources.found, region.sources
            own.frame, own.x, own.y = found.frame, found.x, found.y
            own.kind[:] = SourceKind.COPIED
            distance = np.abs(found.frame - region.index)
            region.trust = (sources.trust * _FADE_PER_FRAME**distance).astype(np.float32)
        if self._clean is not None:
            for region in regions:
                _lay_over(self._clean, region)
        if self._imagination is not None:
            self._follow(self._imagination, regions, tick=tick)

    def _follow(self, imagination: Imagination, regions: Sequence[Region], *, tick: Callable[[], None]) -> None:
        unseen = [np.flatnonzero(region.sources.frame == NOWHERE) for region in regions]
        targets = [
            Target(frame=region.index, x=region.target.x[missing], y=region.target.y[missing])
            for region, missing in zip(regions, unseen, strict=True)
        ]
        for region, missing, found in zip(regions, unseen, imagination.follow(targets, tick=tick), strict=True):
            own = region.sources
            own.frame[missing], own.x[missing], own.y[missing] = found.frame, found.x, found.y
            own.gain[missing], own.kind[missing] = found.gain, found.kind
            region.trust[missing] = _IMAGINED_TRUST

    def completed(self, index: int, *, window: Window | None, tick: Callable[[], None]) -> Completed | None:
        """A frame, by index, with the light of all sources in place; None where nothing is missing in it.

        `window` is what it is to cover where that is more than the result wants of it.
        """
        region = Region.of(self._shot, index, window=window)
        lit = self._lit_regions([region], tick=tick).get(index) if len(region.rows) else None
        if lit is None:
            return None
        light, seam = self._sourced(lit, self._lights.plate(index))
        missing = lit.region.sources.frame == NOWHERE
        if missing.any():
            _fill_smoothly(light, lit.region, missing=missing)
        mask = np.zeros(light.shape[:2], np.bool_)
        mask[lit.region.rows[missing], lit.region.columns[missing]] = True
        return Completed(window=lit.region.window, light=light, filled=lit.region.mask, missing=mask, seam=seam)

    def _sourced(self, lit: Lit, plate: PlateFrame) -> tuple[Array, Array]:
        """The frame's light with that of the sources in place, and the stops that this was brightened by."""
        region = lit.region
        part = next(part for part in plate.parts if part.header.index == self._shot.part)
        light = np.zeros((*region.window.shape, len(self._shot.colours)), np.float32)
        light[part.header.data_window.slices_in(region.window)] = self._shot.light(part.planes, bits=part.header.bits)
        where = (region.rows, region.columns)
        light[where] = lit.values
        seam = self._seam(lit, light)
        light[where] *= np.exp2(seam[where])
        return light, seam

    def _generated(self, lit: Lit, plate: PlateFrame) -> Generated:
        region = lit.region
        sources, shape, where = region.sources, region.window.shape, (region.rows, region.columns)
        light, _ = self._sourced(lit, plate)
        has_source = sources.frame != NOWHERE
        if not has_source.all() and not self._leave_empty:
            _fill_smoothly(light, region, missing=~has_source)
        if self._path is not None and self._shutter > 0:
            self._blur(region, light, self._path)
        if not self._grain.empty:
            self._regrain(lit, light, painted=np.ones_like(has_source) if not self._leave_empty else has_source)
        # A position in a clean plate is none in the plate.
        in_plate = sources.frame < len(self._shot.frames)
        numbers = np.array(self._shot.frames, np.float32)[np.where(in_plate & has_source, sources.frame, 0)]

        def picture(values: npt.NDArray[np.floating], empty: float) -> Array:
            result = np.full(shape, empty, np.float32)
            result[where] = np.where(has_source, values, np.float32(empty))
            return result

        kind = np.zeros(shape, np.uint8)
        kind[where] = np.where(has_source, sources.kind, SourceKind.SYNTHESISED)
        return Generated(
            window=region.window,
            light=light,
            alpha=region.alpha,
            confidence=picture(region.trust, 0.0),
            source_x=picture(np.where(in_plate, sources.x, np.float32(np.nan)), np.nan),
            source_y=picture(np.where(in_plate, sources.y, np.float32(np.nan)), np.nan),
            source_frame=picture(np.where(in_plate, numbers, np.float32(np.nan)), np.nan),
            kind=kind,
        )

    def _blur(self, region: Region, light: Array, path: CameraPath) -> None:
        """Draw copied light out where the camera is faster here than it was there."""
        sources = region.sources
        target = camera_speed(path, region.index, region.target.x, region.target.y)
        source = np.full_like(target, np.nan)
        for frame in np.unique(sources.frame[(sources.frame >= 0) & (sources.frame < len(self._shot.frames))]):
            here = sources.frame == frame
            source[here] = camera_speed(path, int(frame), sources.x[here], sources.y[here])
        # Where either speed is not known nothing is drawn out.
        known = np.isfinite(target).all(axis=-1) & np.isfinite(source).all(axis=-1)
        lines = missing_blur(target=target[known], source=source[known], shutter=self._shutter)
        drawn = np.flatnonzero(known)[lines.any(axis=-1)]
        rows, columns = region.rows[drawn], region.columns[drawn]
        light[rows, columns] = blurred_along(light, rows=rows, columns=columns, lines=lines[lines.any(axis=-1)])

    def _regrain(self, lit: Lit, light: Array, *, painted: Mask) -> None:
        region = lit.region
        where = (region.rows[painted], region.columns[painted])
        field = grain_field(
            self._grain,
            seed=self._seed,
            frame=self._shot.frames[region.index],
            window=region.window,
            where=region.mask,
        )
        # What has no source was filled smoothly.
        kept = np.where(region.sources.frame == NOWHERE, np.float32(0), lit.kept)[painted]
        light[where] = regrain(light[where], model=self._grain, kept=kept, field=field[where])

    def _seam(self, lit: Lit, light: Array) -> Array:
        """Stops by which the sources' light misses the frame's at the region's edge, carried inwards."""
        shown = np.full(light.shape, np.nan, np.float32)
        shown[lit.rim.rows, lit.rim.columns] = lit.shown
        plate_width = self._shot.data_window(self._shot.frames[lit.region.index]).width
        return seam_correction(
            light=light,
            shown=shown,
            hole=lit.region.mask,
            width=plate_width,
            screened=self._shot.matte is None,
            cells=self._seam_cells,
        )


def _fill_smoothly(light: Array, region: Region, *, missing: Mask) -> None:
    """Fill in `light` those pixels of the region that are `missing`, each patch of them from what lies round it."""
    rows, columns = region.rows[missing], region.columns[missing]
    known = np.ones(light.shape[:2], np.bool_)
    known[rows, columns] = False
    blocks = np.zeros((-(-region.window.height // _BLOCK), -(-region.window.width // _BLOCK)), np.uint8)
    blocks[rows // _BLOCK, columns // _BLOCK] = 1
    count, patches, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(blocks, np.ones((9, 9), np.uint8)))
    patch = patches[rows // _BLOCK, columns // _BLOCK]
    for number in range(1, count):
        left, top, width, height = (_BLOCK * int(side) for side in boxes[number, :4])
        here, own = (slice(top, top + height), slice(left, left + width)), patch == number
        filled = smooth_fill(light[here], known[here])
        light[rows[own], columns[own]] = filled[rows[own] - top, columns[own] - left]


def _lay_over(clean: CleanPlates, region: Region) -> None:
    """Take what no frame shows from the clean plates."""
    own = region.sources
    missing = np.flatnonzero(own.frame == NOWHERE)
    target = Target(frame=region.index, x=region.target.x[missing], y=region.target.y[missing])
    found = clean.find(target)
    shown = missing[found != NOWHERE]
    own.frame[shown] = found[found != NOWHERE]
    own.x[shown], own.y[shown] = region.target.x[shown], region.target.y[shown]
    region.trust[shown] = CLEAN_TRUST
