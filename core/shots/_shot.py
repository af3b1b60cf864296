"""A plate with everything an engine asks about it."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overscan.core.colour import ColourSpace, LinearTransform
from overscan.core.controls import Picture
from overscan.core.geometry import Window
from overscan.core.jobs import Job
from overscan.core.plates import PartHeader, Plane, PlateFrame, Sequence, read_frame
from overscan.core.shots._clean_plate import CleanPlate
from overscan.core.shots._layout import Layout
from overscan.core.shots._matte import Matte
from overscan.core.shots._samples import Light, as_light
from overscan.core.shots._timeline import Moment, adds_frames

Stamp = tuple[tuple[str, int, int], ...]
"""Path, size and modification time, in ns, of the files that a frame is made from: its plate's, those of its mattes and
passes, and all clean plates', keyframes' and references'."""


def stamp(paths: Iterable[Path]) -> Stamp:
    """The stamp of files as they are now; raises OSError."""
    found = [(str(path), path.stat()) for path in paths]
    return tuple((path, status.st_size, status.st_mtime_ns) for path, status in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """An opened and checked shot; `survey` makes one. All windows are in the plate's pixel space."""

    job: Job
    plate: Sequence
    """The frames of the shot; engines may learn from all of them."""
    render: tuple[int, ...]
    """The frames to render, ascending, by their numbers in the result."""
    moments: Mapping[int, Moment]
    """What each frame of the result is, by its number there."""
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
    movers: Matte | None = None
    """1 where something moves by itself and must not steer the background's motion; None where nobody said."""
    never_copy: Matte | None = None
    """1 where a frame must never be copied from; None where it may be everywhere."""
    sources: frozenset[int]
    """Frame numbers of the shot that may be copied from, at least one. A frame's own pixels are always its own."""
    clean_plates: tuple[CleanPlate, ...] = ()
    """Further images that may be copied from, in the order that the job names them."""
    pictures: tuple[tuple[Picture, Sequence], ...] = ()
    """What steers a model: keyframes, references, passes and sequences to take motion from, with their files."""
    stamps: Mapping[int, Stamp]
    """What the files of each frame were when they were surveyed."""

    @property
    def frames(self) -> tuple[int, ...]:
        """Frame numbers of the shot, ascending."""
        return self.plate.frames

    @property
    def adds_frames(self) -> bool:
        """Whether the task makes frames that the plate has not; if not, frames have the same numbers in both."""
        return adds_frames(self.job.task)

    @property
    def new_frames(self) -> tuple[int, ...]:
        """The frames to render that the plate has not, by their numbers in the result."""
        return tuple(frame for frame in self.render if self.moments[frame].plate is None)

    def header(self, frame: int) -> PartHeader:
        """Header of the painted part of a plate frame."""
        return self.headers[frame][self.part]

    def data_window(self, frame: int) -> Window:
        """Where the painted part has samples."""
        return self.header(frame).data_window

    def coverage(self, frame: int) -> Window:
        """The result's data window for a plate frame, or for a new one that is like it."""
        return self.layout.coverage(self.data_window(frame))

    def path(self, frame: int) -> Path:
        """File of a plate frame."""
        return self.plate.path(frame)

    def unchanged(self, frame: int) -> bool:
        """Whether the files of `frame` are still the ones that were surveyed."""
        try:
            return stamp(Path(path) for path, _, _ in self.stamps[frame]) == self.stamps[frame]
        except OSError:
            return False

    def around(self, frame: int) -> tuple[int, ...]:
        """The plate frame that a frame of the result is, or the last before it, or the two that it lies between."""
        moment = self.moments[frame]
        after = bisect.bisect(self.frames, moment.time)
        return (moment.plate,) if moment.plate is not None else self.frames[max(0, after - 1) : after + 1]

    def made_from(self, frame: int) -> Stamp:
        """The stamps of the plate frames `around` a result frame."""
        return tuple(entry for near in self.around(frame) for entry in self.stamps[near])

    def read(self, frame: int) -> PlateFrame:
        """A plate frame with all its parts."""
        return read_frame(self.path(frame), number=frame)

    def read_light(self, frame: int) -> Light:
        """Light of a frame's painted channels over its data window."""
        image = read_frame(self.path(frame), number=frame, parts=(self.part,))
        return self.light(image.parts[0].planes, bits=image.parts[0].header.bits)

    def light(self, planes: Mapping[str, Plane], *, bits: int) -> Light:
        """Light of samples of the painted channels."""
        return as_light(planes, colours=self.colours, bits=bits, transform=self.transform)

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

    def inputs(self) -> frozenset[Path]:
        """Every file that the job reads, which no result may ever replace."""
        found = {self.plate.path(frame) for frame in self.frames}
        for matte in (self.matte, self.movers, self.never_copy):
            if matte is not None:
                found.update(matte.sequence.path(number) for number in matte.sequence.frames)
        for _, images in self.pictures:
            found.update(images.path(number) for number in images.frames)
        return frozenset(found | {clean.path for clean in self.clean_plates})
