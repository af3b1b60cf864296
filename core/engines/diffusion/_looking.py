"""The step before painting: how bright the shot is, what parts of it are painted, and how the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from overscan.core.colour import EXPOSURE_LIMIT, Curve, WideRange, fitting_exposure
from overscan.core.engines._protocol import Notice
from overscan.core.engines.diffusion._area import Area, area_of, areas_round, boxes_of
from overscan.core.engines.diffusion._family import FamilyCard, Lattice
from overscan.core.engines.diffusion._parameters import CURVE, EXPOSURE, pixels_of
from overscan.core.engines.diffusion._share import cells_to_paint
from overscan.core.engines.diffusion._windows import PaintWindow
from overscan.core.errors import ErrorRecord, InvalidJobError
from overscan.core.geometry import Window
from overscan.core.jobs import ParameterValue
from overscan.core.results import CELL, LightCounts, Sketch
from overscan.core.shots import Shot

_SPARED = 1e-4
"""Part of all pixels that may be brighter than what exposure makes room for: glints, not lamps."""
_MOST_LOOKED_AT = 48
"""Plate frames that are looked at where none is read anyway."""


def wide_range(
    light: LightCounts, *, card: FamilyCard, values: Mapping[str, ParameterValue]
) -> tuple[WideRange, list[Notice]]:
    """The code for a shot that holds this light, and what an artist should know of it."""
    curve = curve_of(card, values)
    asked = values[EXPOSURE.name]
    exposure = (
        fitting_exposure(curve=curve, brightest=light.brightest(but=_SPARED)) if asked == "auto" else float(asked)
    )
    wide = WideRange(curve=curve, exposure=exposure)
    outside = light.outside(lowest=wide.lowest, highest=wide.highest)
    if not outside:
        return wide, []
    return wide, [
        Notice(
            code="LIGHT_LIMITED",
            message=f"{100 * outside:.3g} % of the pixels hold light outside of {wide.lowest:.3g} to "
            f"{wide.highest:.4g}, which is what the model sees through the curve '{curve.value}' at an exposure of "
            f"{exposure:+g} stops: it sees these pixels at that limit. The plate itself is not limited.",
        )
    ]


def curve_of(card: FamilyCard, values: Mapping[str, ParameterValue]) -> Curve:
    """The curve of a job: the model's own, or the one asked for."""
    if card.curve is not None:
        return card.curve
    asked = str(values[CURVE.name])
    return Curve.ACESCCT if asked == "auto" else Curve(asked)


def wrong_values(card: FamilyCard, values: Mapping[str, ParameterValue]) -> list[ErrorRecord]:
    """What of curve and exposure cannot be had."""
    problems = []
    asked = str(values[CURVE.name])
    if card.curve is not None and asked not in ("auto", card.curve.value):
        problems.append(
            InvalidJobError(
                f"the models of '{card.name}' know the curve '{card.curve.value}' only.",
                next_step="Leave curve at auto.",
                field="parameters.curve",
                actual=asked,
            ).record
        )
    exposure = values[EXPOSURE.name]
    try:
        fits = exposure == "auto" or abs(float(exposure)) <= EXPOSURE_LIMIT
    except ValueError:
        fits = False
    if not fits:
        problems.append(
            InvalidJobError(
                f"exposure is '{exposure}'.",
                next_step=f"Give auto, or stops from {-EXPOSURE_LIMIT:g} to {EXPOSURE_LIMIT:g}.",
                field="parameters.exposure",
                expected="auto or a number",
                actual=str(exposure),
            ).record
        )
    return problems


def light_of_plate(shot: Shot, *, frames: Iterable[int], tick: Callable[[], None]) -> LightCounts:
    """How bright some plate frames are, at most a few dozen of them."""
    numbers = sorted(set(frames))
    stride = -(-len(numbers) // _MOST_LOOKED_AT)
    total = LightCounts()
    for number in numbers[::stride]:
        tick()
        total = total + LightCounts.of(shot.read_light(number))
    return total


def areas_of_sketches(
    windows: Sequence[PaintWindow],
    sketches: Callable[[int], Sketch],
    *,
    lattice: Lattice,
    values: Mapping[str, ParameterValue],
    aspect: float = 1.0,
    tick: Callable[[], None],
) -> tuple[tuple[tuple[Area, ...], ...], LightCounts]:
    """The areas of each window, and how bright the shot is; `sketches` gives that of a frame of the result.

    `aspect` is that of the plate's pixels; `tick` is called once a window.
    """
    found = []
    light: dict[int, LightCounts] = {}
    pixels = pixels_of(values, lattice)
    for window in windows:
        tick()
        some = {frame: sketches(frame) for frame in window.frames}
        light |= {frame: sketch.light for frame, sketch in some.items()}
        canvas = _canvas(sketch.window for sketch in some.values())
        mask = _union(canvas, some.values(), values)
        boxes = boxes_of(mask, cell=CELL, canvas=canvas)
        found.append(areas_round(boxes, within=canvas, lattice=lattice, pixels=pixels, aspect=aspect) if boxes else ())
    total = LightCounts()
    for frame in sorted(light):
        total = total + light[frame]
    return tuple(found), total


def aspect_of(shot: Shot) -> float:
    """Width of the plate's pixels by their height; 1 where the file says nothing that can be."""
    source = shot.job.plate
    said = source.pixel_aspect if source is not None and source.pixel_aspect else None
    aspect = said or shot.header(shot.frames[0]).pixel_aspect
    return float(aspect) if 0.1 < aspect < 10 else 1.0


def whole_frames(
    windows: Sequence[PaintWindow], shot: Shot, *, lattice: Lattice, values: Mapping[str, ParameterValue]
) -> tuple[tuple[Area, ...], ...]:
    """One area a window: all of its frames."""
    found = []
    for window in windows:
        covers = [shot.coverage(shot.moments[frame].like) for frame in window.frames]
        area = area_of(_canvas(covers), lattice=lattice, pixels=pixels_of(values, lattice), aspect=aspect_of(shot))
        found.append((area,))
    return tuple(found)


def _canvas(windows: Iterable[Window]) -> Window:
    first, *others = windows
    for other in others:
        first = first.union(other)
    return first


def _union(canvas: Window, sketches: Iterable[Sketch], values: Mapping[str, ParameterValue]) -> npt.NDArray[np.bool_]:
    """Cells of the canvas in which anything is painted in any frame."""
    mask = np.zeros((-(-canvas.height // CELL), -(-canvas.width // CELL)), np.bool_)
    for sketch in sketches:
        cells = cells_to_paint(sketch, values)
        # Frames whose data windows begin elsewhere have their cells elsewhere: each falls on up to four.
        rows, columns = np.nonzero(cells)
        top, left = sketch.window.y - canvas.y, sketch.window.x - canvas.x
        for down in (0, CELL - 1):
            for across in (0, CELL - 1):
                mask[
                    np.minimum((rows * CELL + top + down) // CELL, mask.shape[0] - 1),
                    np.minimum((columns * CELL + left + across) // CELL, mask.shape[1] - 1),
                ] = True
    return mask
