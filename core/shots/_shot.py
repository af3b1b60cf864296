"""A plate with everything an engine asks about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overscan.core.colour import ColourSpace, LinearTransform
from overscan.core.geometry import Window
from overscan.core.jobs import Job
from overscan.core.plates import PartHeader, Plane, PlateFrame, Sequence, read_frame
from overscan.core.shots._layout import Layout
from overscan.core.shots._matte import Matte
from overscan.core.shots._samples import as_float

Light = npt.NDArray[np.float32]
"""Scene-linear light, ``(height, width, channels)`` with 3 channels, or 1 for a luminance plate; never clamped."""


Stamp = tuple[tuple[str, int, int], ...]
"""Path, size and modification time, in ns, of the files of a frame: its plate's, and its matte's where there is one."""


def stamp(*, plate: Sequence, matte: Matte | None, frame: int) -> Stamp:
    """The stamp of the files of `frame` as they are now; raises OSError."""
    paths = [plate.path(frame)] if matte is None else [plate.path(frame), matte.sequence.path(matte.number(frame))]
    found = [(str(path), path.stat()) for path in paths]
    return tuple((path, status.st_size, status.st_mtime_ns) for path, status in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """An opened and checked shot; `survey` makes one. All windows are in the plate's pixel space."""

    job: Job
    plate: Sequence
    """The frames of the shot; engines may learn from all of them."""
    render: tuple[int, ...]
    """The frames to render, ascending."""
    headers: Mapping[int, tuple[PartHeader, ...]]
    """All parts, by frame of the shot."""
    part: int
    """Index of the part that is painted."""
    colours: tuple[str, ...]
    """Channels that are painted: red, green, blue, or one luminance."""
    alpha: str | None
    """Alpha channel that goes with them."""
    space: ColourSpace
    transform: LinearTransform
    layout: Layout
    matte: Matte | None
    """None where nothing inside the plate is replaced."""
    stamps: Mapping[int, Stamp]
    """What the files of each frame were when they were surveyed."""

    @property
    def frames(self) -> tuple[int, ...]:
        """Frame numbers of the shot, ascending."""
        return self.plate.frames

    def header(self, frame: int) -> PartHeader:
        """Header of the painted part."""
        return self.headers[frame][self.part]

    def data_window(self, frame: int) -> Window:
        """Where the painted part has samples."""
        return self.header(frame).data_window

    def coverage(self, frame: int) -> Window:
        """The result's data window for `frame`."""
        return self.layout.coverage(self.data_window(frame))

    def path(self, frame: int) -> Path:
        """File of a plate frame."""
        return self.plate.path(frame)

    def unchanged(self, frame: int) -> bool:
        """Whether the files of `frame` are still the ones that were surveyed."""
        try:
            return stamp(plate=self.plate, matte=self.matte, frame=frame) == self.stamps[frame]
        except OSError:
            return False

    def read(self, frame: int) -> PlateFrame:
        """A plate frame with all its parts."""
        return read_frame(self.path(frame), number=frame)

    def read_light(self, frame: int) -> Light:
        """Light of a frame's painted channels over its data window."""
        image = read_frame(self.path(frame), number=frame, parts=(self.part,))
        return self.light(image.parts[0].planes, bits=image.parts[0].header.bits)

    def light(self, planes: Mapping[str, Plane], *, bits: int) -> Light:
        """Light of samples of the painted channels."""
        pixels = np.stack([as_float(planes[name], bits=bits) for name in self.colours], axis=-1)
        if self.transform.is_identity:
            return pixels
        if len(self.colours) == 1:
            # A transform wants three channels; equal ones stay equal on the grey axis.
            return self.transform.to_linear(np.repeat(pixels, 3, axis=-1))[..., 1:2]
        return self.transform.to_linear(pixels)

    def samples(self, light: Light) -> Light:
        """Light in the plate's own colour space, float32: the inverse of `light` without the sample type."""
        if self.transform.is_identity:
            return light
        if light.shape[-1] == 1:
            return self.transform.from_linear(np.repeat(light, 3, axis=-1))[..., 1:2]
        return self.transform.from_linear(light)

    def read_matte(self, frame: int) -> npt.NDArray[np.float32] | None:
        """The matte over the frame's data window, ``(height, width)``, 0 to 1; None where the job has none."""
        return None if self.matte is None else self.matte.read(frame, window=self.data_window(frame))
