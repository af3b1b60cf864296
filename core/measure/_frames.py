"""Frames of plate, result and truth as pictures that can be laid over each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.geometry import Window
from overscan.core.plates import PlateFrame, colour_planes, find_part, read_frame

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One frame's colour, and its Overscan extras where it has them."""

    path: Path
    format_name: str
    attributes: Mapping[str, Any]
    window: Window
    """The data window, counted from the upper left corner of the display window."""
    rgb: Pixels = field(repr=False)
    """``(height, width, 3)``, in the file's colour space; integers divided by their largest value."""
    extras: Mapping[str, Pixels] = field(repr=False)
    """``generated.A``, ``source.kind``: each ``(height, width)``; empty where the file has none."""

    def cropped(self, window: Window) -> Picture:
        """The part inside `window`, which the picture must contain."""
        rows, columns = window.slices_in(self.window)
        return Picture(
            path=self.path,
            format_name=self.format_name,
            attributes=self.attributes,
            window=window,
            rgb=self.rgb[rows, columns],
            extras={name: plane[rows, columns] for name, plane in self.extras.items()},
        )


def read_picture(path: Path, *, number: int) -> Picture:
    """Read one frame: the colour of its first part that has some, and the extras wherever they are."""
    frame = read_frame(path, number=number)
    chosen = find_part([part.header for part in frame.parts])
    part = next(part for part in frame.parts if part.header.index == chosen.index)
    names = colour_planes(chosen)
    planes = [part.planes[name] for name in names]
    rgb = np.stack([plane.astype(np.float32) for plane in (planes if len(planes) == 3 else planes * 3)], axis=-1)
    if planes[0].dtype.kind == "u":
        rgb /= np.float32(2**part.header.bits - 1)
    data, display = part.header.data_window, part.header.display_window
    return Picture(
        path=path,
        format_name=frame.format_name,
        attributes=part.header.attributes,
        window=data.moved(-display.x, -display.y),
        rgb=rgb,
        extras=_extras(frame, data),
    )


def _extras(frame: PlateFrame, data: Window) -> dict[str, Pixels]:
    found: dict[str, Pixels] = {}
    for part in frame.parts:
        if part.header.data_window != data:
            continue
        for name in ("generated.A", "source.kind"):
            if name in part.planes:
                found[name] = np.asarray(part.planes[name], dtype=np.float32)
    return found


def frame_rate(picture: Picture) -> Fraction | None:
    """Frames per second by the file's header (OpenEXR: framesPerSecond), None where it does not say."""
    value = picture.attributes.get("FramesPerSecond")
    if isinstance(value, (tuple, list)) and len(value) == 2 and int(value[0]) > 0 and int(value[1]) > 0:
        return Fraction(int(value[0]), int(value[1]))
    return None
