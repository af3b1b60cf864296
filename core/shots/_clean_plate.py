"""Clean plates: further images of the place that a shot shows, to copy from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overscan.core.colour import ColourConfig, ColourSpace, LinearTransform
from overscan.core.errors import MismatchError, UnsupportedImageError
from overscan.core.geometry import Window
from overscan.core.jobs import SequenceSource
from overscan.core.plates import PartHeader, Sequence, alpha_plane, colour_planes, find_part, read_frame, read_header
from overscan.core.shots._samples import Light, as_float, as_light
from overscan.core.shots._space import space_of

_OPAQUE = 0.999
"""Alpha from which a sample counts as whole; half floats and 10-bit codes round 1 to no less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanPlate:
    """One image to copy from. It may be of any size and from any camera position: engines register it."""

    name: str
    """File name, for messages and receipts."""
    path: Path
    number: int | None
    """Frame number in its own sequence, which says nothing about the plate's; None for a still."""
    header: PartHeader
    """Of the part with the picture."""
    colours: tuple[str, ...]
    """Channels of the picture, as many as the plate's."""
    alpha: str | None
    """Alpha channel that goes with them."""
    space: ColourSpace
    transform: LinearTransform
    """From the file's samples to the plate's linear light."""

    @classmethod
    def open(
        cls,
        source: SequenceSource,
        *,
        sequence: Sequence,
        frame: int,
        config: ColourConfig,
        linear: str,
        colours: int,
    ) -> CleanPlate:
        """Open one frame of `sequence`, which `source` names.

        `linear` names the scene-linear space that the plate is painted in, empty where its primaries are unknown, and
        `colours` is the number of its channels. Raises `MismatchError` for
        another number of colours, and the errors of reading and of colour spaces.
        """
        path = sequence.path(frame)
        part = find_part(read_header(path), part=source.part, view=source.view, layer=source.layer)
        names = colour_planes(part, layer=source.layer, view=source.view)
        _check_colours(part, names, wanted=colours, path=path, frame=frame)
        space = space_of(config, source=source, part=part, path=path)
        return cls(
            name=path.name,
            path=path,
            number=None if sequence.is_still else frame,
            header=part,
            colours=names,
            alpha=alpha_plane(part, layer=source.layer, view=source.view),
            space=space,
            transform=LinearTransform(config=config, space=space, linear=linear),
        )

    @property
    def data_window(self) -> Window:
        """Where it has samples, in its own pixel space."""
        return self.header.data_window

    def read_light(self) -> Light:
        """Its light over its data window, in the plate's linear light.

        NaN where the alpha is below 1, as in a painted patch: nothing is to be copied there. An alpha that is 0
        everywhere, as some scanners and cameras write it, says nothing.
        """
        (part,) = read_frame(self.path, number=self.number or 0, parts=(self.header.index,)).parts
        bits = part.header.bits
        light = as_light(part.planes, colours=self.colours, bits=bits, transform=self.transform)
        if self.alpha is not None:
            whole = as_float(part.planes[self.alpha], bits=bits) >= _OPAQUE
            if whole.any():
                light = np.where(whole[..., None], light, np.float32(np.nan))
        return light


def _check_colours(part: PartHeader, names: tuple[str, ...], *, wanted: int, path: Path, frame: int) -> None:
    numbers = [channel.name for channel in part.channels if channel.name in names and channel.dtype == np.uint32]
    if numbers:
        raise UnsupportedImageError(
            f"channels {', '.join(numbers)} of the clean plate hold 32-bit whole numbers, and no light to copy.",
            next_step="Name the layer with the picture.",
            path=path,
            frame=frame,
            actual=", ".join(numbers),
        )
    if len(names) != wanted:
        kinds = {1: "luminance alone", 3: "red, green and blue"}
        raise MismatchError(
            f"the clean plate has {kinds[len(names)]}, and the plate has {kinds[wanted]}.",
            next_step="Give a clean plate with the plate's colours, or name the layer that has them.",
            path=path,
            frame=frame,
            expected=kinds[wanted],
            actual=kinds[len(names)],
        )
