"""Pictures that steer: which channels of a file hold what, and how they are laid over the result."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.controls import Picture
from overscan.core.engines.diffusion._area import Area, cropped, resized
from overscan.core.engines.diffusion._family import Floats, PassKind
from overscan.core.errors import MismatchError
from overscan.core.geometry import Window
from overscan.core.plates import PartHeader, Sequence, read_frame, read_header
from overscan.core.shots import Shot

_CHANNELS: dict[PassKind, tuple[tuple[str, ...], ...]] = {
    PassKind.DEPTH: (("z",), ("depth.z",), ("depth",), ("y",), ("r",)),
    PassKind.MOTION: (("forward.u", "forward.v"), ("u", "v"), ("motion.r", "motion.g"), ("r", "g")),
    PassKind.NORMALS: (("n.x", "n.y", "n.z"), ("nx", "ny", "nz"), ("x", "y", "z"), ("r", "g", "b")),
}
"""Names that hold what a pass holds, in small letters, behind the layer; the first that are there are taken."""
_PICTURE = (("r", "g", "b"), ("y",))

_SAME_SHAPE = 1.0
"""Samples by which the shorter side of a format of another size may be off, from rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """Images that steer, opened."""

    picture: Picture
    images: Sequence
    part: int
    channels: tuple[str, ...]
    display_window: Window
    linear: bool
    """Whether the samples are light, as float files hold it, and not codes."""

    @classmethod
    def open(cls, picture: Picture, images: Sequence, *, kind: PassKind | None) -> Steering:
        """Find the channels in the first image. Raises `MismatchError` where there are none, and errors of reading."""
        path = images.path(images.frames[0])
        source = picture.source
        headers = [
            header
            for header in read_header(path)
            if source.part in ("", header.name) and (source.view in ("", header.view) or not header.view)
        ]
        wanted = _CHANNELS.get(kind, _PICTURE) if kind is not None else _PICTURE
        found = _find(headers, wanted, layer=source.layer)
        if found is None:
            names = " or ".join(" and ".join(name.upper() for name in entry) for entry in wanted)
            where = f" in the layer '{source.layer}'" if source.layer else ""
            raise MismatchError(
                f"{path.name} has no channels {names}{where}.",
                next_step="Name the part and the layer that hold them, as in a job file.",
                path=path,
                field=picture.field,
                expected=names,
                actual=", ".join(channel.name for header in headers for channel in header.channels),
            )
        header, channels = found
        kinds = {channel.dtype.kind for channel in header.channels if channel.name in channels}
        return cls(
            picture=picture,
            images=images,
            part=header.index,
            channels=channels,
            display_window=header.display_window,
            linear=kinds == {"f"},
        )

    def number(self, frame: int) -> int:
        """The image for a frame: its own, or the nearest in time, as at the ends of a pass."""
        if self.images.is_still:
            return self.images.frames[0]
        return min(self.images.frames, key=lambda number: (abs(number - frame), number))

    def read(self, number: int) -> tuple[Floats, Window]:
        """Samples ``(h, w, channels)`` of an image by its own number, codes as 0 to 1, and its data window."""
        image = read_frame(self.images.path(number), number=number, parts=(self.part,))
        (part,) = image.parts
        planes = []
        for name in self.channels:
            if name not in part.planes:
                raise MismatchError(
                    f"the image {number} has no channel '{name}', as the first one has.",
                    next_step="Render the pass anew with the same channels in every frame.",
                    path=image.path,
                    frame=number,
                    field=self.picture.field,
                )
            plane = part.planes[name]
            most = np.float32(2**part.header.bits - 1)
            planes.append(plane.astype(np.float32) / most if plane.dtype.kind == "u" else plane.astype(np.float32))
        return np.stack(planes, axis=-1), part.header.data_window


def same_shape(display: Window, format: Window) -> bool:
    """Whether a picture of one format may stand for another: the same sides, or all scaled alike."""
    scale = display.width / format.width
    return abs(display.height - format.height * scale) <= _SAME_SHAPE * max(1.0, scale)


def over_area(
    values: Floats, have: Window, *, display: Window, shot: Shot, area: Area, nearest: bool = False
) -> Floats:
    """The `area` of values ``(h, w, c)`` that lie over the window `have` of images with the format `display`.

    That format is the result's, at any scale. Beyond `have` its edge is repeated. ``(area.height, area.width, c)``,
    not filled up to the lattice.
    """
    format = shot.layout.display_window
    scale = display.width / format.width, display.height / format.height
    window = shot.layout.in_result(area.window)
    if scale == (1.0, 1.0) and not nearest:
        moved = have.moved(format.x - display.x, format.y - display.y)
        return resized(cropped(values, moved, window), width=area.width, height=area.height)
    # Where the area begins in the image's own samples, and how many of these a sample of the area takes.
    left = display.x + (window.x - format.x) * scale[0]
    top = display.y + (window.y - format.y) * scale[1]
    step = window.width * scale[0] / area.width, window.height * scale[1] / area.height
    if nearest:
        columns = np.floor(left + (np.arange(area.width) + 0.5) * step[0]).astype(int) - have.x
        rows = np.floor(top + (np.arange(area.height) + 0.5) * step[1]).astype(int) - have.y
        return np.ascontiguousarray(
            values[np.ix_(rows.clip(0, have.height - 1), columns.clip(0, have.width - 1))], np.float32
        )
    # A band of whole samples is averaged down by whole numbers, and the rest is done between samples.
    shrink = max(1, int(step[0])), max(1, int(step[1]))
    margin = 2
    x, y = int(np.floor(left)) - margin * shrink[0], int(np.floor(top)) - margin * shrink[1]
    width = int(np.ceil(window.width * scale[0] / shrink[0])) + 2 * margin + 1
    height = int(np.ceil(window.height * scale[1] / shrink[1])) + 2 * margin + 1
    band = cropped(values, have, Window(x=x, y=y, width=width * shrink[0], height=height * shrink[1]))
    small = resized(band, width=width, height=height)
    columns = ((left + (np.arange(area.width) + 0.5) * step[0] - x) / shrink[0] - 0.5).astype(np.float32)
    rows = ((top + (np.arange(area.height) + 0.5) * step[1] - y) / shrink[1] - 0.5).astype(np.float32)
    across, down = np.meshgrid(columns, rows)
    found = cv2.remap(small, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(np.asarray(found, np.float32).reshape(area.height, area.width, values.shape[-1]))


def as_colours(values: Floats) -> Floats:
    """Three channels of one or three."""
    return np.ascontiguousarray(np.repeat(values, 3, axis=-1) if values.shape[-1] == 1 else values)


def _find(
    headers: list[PartHeader], wanted: tuple[tuple[str, ...], ...], *, layer: str
) -> tuple[PartHeader, tuple[str, ...]] | None:
    """The part and its channels with the first of the names that some part has."""
    prefix = f"{layer}.".lower() if layer else ""
    parts = [(header, {channel.name.lower(): channel.name for channel in header.channels}) for header in headers]
    for entry in wanted:
        for header, names in parts:
            found = tuple(names.get(f"{prefix}{name}", "") for name in entry)
            if all(found):
                return header, found
    for header, names in parts:
        own = [name for low, name in names.items() if low.startswith(prefix)]
        if len(own) == 1 and any(len(entry) == 1 for entry in wanted):  # one channel of any name is nothing else
            return header, (own[0],)
    return None


def clean(values: npt.NDArray[np.float32]) -> Floats:
    """Values without NaN and infinities, which are 0."""
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
