"""Work areas: what part of the picture a model sees of a window, how large, and how pictures get there and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.diffusion._family import Floats, Lattice
from overscan.core.geometry import Window

_MARGIN = 0.25
"""Of the region to paint that is seen round it, on each side."""
_LEAST_MARGIN = 32
"""Samples of that, at least."""
_SLIMMEST = 2.5
"""Longer by shorter side of an area at most, where the picture has room: models know no others."""
_LARGEST_SCALE = 2.0
"""Small plates are not blown up further than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A part of the picture, still over one window."""

    window: Window
    """In the plate's pixel space."""
    width: int
    """Samples of the picture that the model sees of it, filling up left out."""
    height: int
    padded_width: int
    """The same with filling up, on the lattice."""
    padded_height: int

    @property
    def scale(self) -> float:
        """Samples of the model's for each of the plate's, along a side."""
        return math.sqrt(self.width * self.height / (self.window.width * self.window.height))

    def seen(self, picture: npt.NDArray[np.float32], have: Window) -> Floats:
        """The area of a `picture` ``(h, w[, c])`` that covers `have`, at the model's scale, not filled up.

        What lies outside of `have` repeats its edge.
        """
        return resized(cropped(picture, have, self.window), width=self.width, height=self.height)

    def filled_up(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A picture at the model's scale, ``(height, width[, c])``, mirrored at the right and below on the lattice."""
        right, below = self.padded_width - self.width, self.padded_height - self.height
        padding = ((0, below), (0, right)) + ((0, 0),) * (picture.ndim - 2)
        # A mirror shows at most what there is: very small areas are mirrored again and again.
        return np.ascontiguousarray(np.pad(picture, padding, mode="symmetric"))

    def at_plate(self, picture: Floats) -> Floats:
        """A picture of the model's ``(height, width, c)``, filling up cut off, at the plate's scale, over `window`."""
        return resized(picture, width=self.window.width, height=self.window.height)


def cropped(picture: npt.NDArray[np.float32], have: Window, wanted: Window) -> Floats:
    """Part of a picture that covers `have`; its edge is repeated beyond it."""
    if have.contains(wanted):
        return picture[wanted.slices_in(have)]
    rows = np.clip(np.arange(wanted.y, wanted.bottom), have.y, have.bottom - 1) - have.y
    columns = np.clip(np.arange(wanted.x, wanted.right), have.x, have.right - 1) - have.x
    return picture[np.ix_(rows, columns)]


def resized(picture: npt.NDArray[np.float32], *, width: int, height: int) -> Floats:
    """A picture ``(h, w[, c])`` of another size: averaged where it gets smaller, cubic where it gets larger."""
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture, np.float32)
    smaller = width * height < picture.shape[0] * picture.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    found = cv2.resize(np.ascontiguousarray(picture, np.float32), (width, height), interpolation=how)
    return np.ascontiguousarray(np.asarray(found, np.float32).reshape(height, width, *picture.shape[2:]))


def areas_round(
    boxes: Iterable[Window], *, within: Window, lattice: Lattice, pixels: int, aspect: float = 1.0
) -> tuple[Area, ...]:
    """The areas that hold `boxes` with what lies round them, from left to right; boxes that are near share one."""
    grown = [_with_margin(box, within) for box in boxes]
    roomy = [_made_roomy(box, within, pixels / aspect) for box in _merged(grown)]
    return tuple(
        area_of(window, lattice=lattice, pixels=pixels, aspect=aspect)
        for window in sorted(_merged(roomy), key=lambda window: (window.x, window.y))
    )


def area_of(window: Window, *, lattice: Lattice, pixels: int, aspect: float = 1.0) -> Area:
    """The area that shows `window` at about `pixels`, unsqueezed where the plate's pixels have another `aspect`."""
    across = window.width * aspect
    scale = min(_LARGEST_SCALE, math.sqrt(pixels / (across * window.height)))
    padded = _on_lattice(across * scale, lattice.size), _on_lattice(window.height * scale, lattice.size)
    # One scale for both sides, as large as fits; the rest is filled up.
    fits = min(padded[0] / across, padded[1] / window.height)
    width = max(1, min(padded[0], round(across * fits)))
    height = max(1, min(padded[1], round(window.height * fits)))
    return Area(
        window=window,
        width=width,
        height=height,
        padded_width=_up(width, lattice.size),
        padded_height=_up(height, lattice.size),
    )


def boxes_of(mask: npt.NDArray[np.bool_], *, cell: int, canvas: Window) -> list[Window]:
    """Boxes of the parts of a `mask` that hang together, whose cells of `cell` samples begin at the canvas' corner."""
    # Specks and strokes that lie close are one part: less than an area's own margin between them.
    reach = max(1, 2 * _LEAST_MARGIN // cell)
    joined = cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    found = []
    for part in range(1, count):
        rows, columns = np.nonzero((labels == part) & mask)
        box = Window(
            x=canvas.x + int(columns.min()) * cell,
            y=canvas.y + int(rows.min()) * cell,
            width=(int(np.ptp(columns)) + 1) * cell,
            height=(int(np.ptp(rows)) + 1) * cell,
        )
        inside = box.intersection(canvas)
        if inside is not None:
            found.append(inside)
    return found


def _with_margin(box: Window, within: Window) -> Window:
    across, down = (max(_LEAST_MARGIN, math.ceil(_MARGIN * side)) for side in (box.width, box.height))
    grown = box.grown(left=across, right=across, top=down, bottom=down).intersection(within)
    return grown if grown is not None else within


def _made_roomy(box: Window, within: Window, pixels: float) -> Window:
    """The box, made stouter where it is slim, and as large as the model's picture where the plate has as much."""
    width, height = float(box.width), float(box.height)
    width, height = max(width, height / _SLIMMEST), max(height, width / _SLIMMEST)
    if width * height < pixels:
        more = math.sqrt(pixels / (width * height))
        width, height = width * more, height * more
    return _spread(box, min(math.ceil(width), within.width), min(math.ceil(height), within.height), within)


def _spread(box: Window, width: int, height: int, within: Window) -> Window:
    width, height = max(width, box.width), max(height, box.height)
    x = min(max(box.x - (width - box.width) // 2, within.x), within.right - width)
    y = min(max(box.y - (height - box.height) // 2, within.y), within.bottom - height)
    return Window(x=x, y=y, width=width, height=height)


def _merged(boxes: Iterable[Window]) -> list[Window]:
    """Boxes of which none meets another; those that do become one."""
    apart: list[Window] = []
    for box in boxes:
        joined = box
        while meets := [other for other in apart if other.intersection(joined) is not None]:
            apart = [other for other in apart if other not in meets]
            for other in meets:
                joined = joined.union(other)
        apart.append(joined)
    return apart


def _on_lattice(length: float, size: int) -> int:
    return max(size, round(length / size) * size)


def _up(length: int, size: int) -> int:
    return -(-length // size) * size


def area_record(area: Area) -> Mapping[str, int]:
    """An area as plain numbers, for files."""
    own = area.window
    return {
        "x": own.x,
        "y": own.y,
        "w": own.width,
        "h": own.height,
        "width": area.width,
        "height": area.height,
        "padded_width": area.padded_width,
        "padded_height": area.padded_height,
    }


def area_from(record: Mapping[str, int]) -> Area:
    """What `area_record` wrote down."""
    return Area(
        window=Window(x=record["x"], y=record["y"], width=record["w"], height=record["h"]),
        width=record["width"],
        height=record["height"],
        padded_width=record["padded_width"],
        padded_height=record["padded_height"],
    )
