"""The mattes of a job: 1 replaces (or moves by itself, or must not be copied), 0 keeps, between mixes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from overscan.core.errors import InvalidJobError, MismatchError
from overscan.core.frames import format_frames
from overscan.core.geometry import Window
from overscan.core.jobs import MatteSource
from overscan.core.plates import PartHeader, Sequence, read_frame, read_header
from overscan.core.shots._samples import as_float


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteRole:
    """What a matte is for, in the words of messages."""

    name: str
    field: str
    """Field of the job that names it."""
    channel_hint: str
    """How its channel is named."""


REPLACED = MatteRole(name="matte", field="inpaint.matte", channel_hint="with --matte-channel")
MOVERS = MatteRole(
    name="movers matte", field="controls.movers", channel_hint="as controls.movers.channel in a job file"
)
NEVER_COPY = MatteRole(
    name="never-copy matte", field="controls.never_copy", channel_hint="as controls.never_copy.channel in a job file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matte:
    """A matte sequence that fits its plate."""

    role: MatteRole
    sequence: Sequence
    part: int
    channel: str
    shift: tuple[int, int]
    """Plate position = matte position + shift; not 0 only where the display windows' origins differ."""

    @classmethod
    def open(
        cls, source: MatteSource, *, plate: PartHeader, frames: tuple[int, ...], role: MatteRole = REPLACED
    ) -> Matte:
        """Open the matte and check it against the plate.

        `frames` are the plate's frames. A matte must have the plate's format and a frame for each of these, or be a
        still (a pattern without a frame number), which then holds for all. Raises `MismatchError` and the errors of
        reading.
        """
        sequence = _matching_frames(source, frames, role)
        headers = read_header(sequence.path(sequence.frames[0]))
        header, channel = _find_channel(headers, source, role)
        _check_format(header, plate, role, path=str(sequence.path(sequence.frames[0])), frame=sequence.frames[0])
        return cls(
            role=role,
            sequence=sequence,
            part=header.index,
            channel=channel,
            shift=(
                plate.display_window.x - header.display_window.x,
                plate.display_window.y - header.display_window.y,
            ),
        )

    def check(self, frame: int, *, plate: PartHeader) -> None:
        """Raise `MismatchError` or a reading error where the matte's file for `frame` does not fit."""
        number = self.number(frame)
        path = self.sequence.path(number)
        header = next((part for part in read_header(path) if part.index == self.part), None)
        if header is not None:
            _check_format(header, plate, self.role, path=str(path), frame=number)
        if header is None or all(channel.name != self.channel for channel in header.channels):
            raise MismatchError(
                f"frame {number} of the {self.role.name} has no channel '{self.channel}'.",
                next_step="Render the matte anew with the same channels in every frame.",
                path=path,
                frame=number,
                field=self.role.field,
            )

    def number(self, frame: int) -> int:
        """The matte's own frame number for a plate frame."""
        return self.sequence.frames[0] if self.sequence.is_still else frame

    def covers(self, frame: int) -> bool:
        """Whether the matte has any sample above 0 in `frame`; quicker than reading it as light."""
        number = self.number(frame)
        (part,) = read_frame(self.sequence.path(number), number=number, parts=(self.part,)).parts
        plane = part.planes[self.channel]
        # Floats sort like the signed integers of their bits, so the largest tells, whatever NaNs there are.
        return bool(plane.any() if plane.dtype.kind == "u" else plane.view(f"i{plane.dtype.itemsize}").max() > 0)

    def read(self, frame: int, *, window: Window) -> npt.NDArray[np.float32]:
        """The matte over `window` of the plate's pixel space: ``(height, width)`` float32, 0 to 1.

        Outside the matte's own data window it is 0; values outside 0..1 are cut off and NaN counts as 0.
        """
        number = self.number(frame)
        image = read_frame(self.sequence.path(number), number=number, parts=(self.part,))
        (part,) = image.parts
        values = as_float(part.planes[self.channel], bits=part.header.bits)
        have = part.header.data_window.moved(*self.shift)
        matte = np.zeros(window.shape, np.float32)
        common = have.intersection(window)
        if common is not None:
            matte[common.slices_in(window)] = np.nan_to_num(values[common.slices_in(have)], nan=0.0)
        return np.clip(matte, 0.0, 1.0, out=matte)


def _matching_frames(source: MatteSource, frames: tuple[int, ...], role: MatteRole) -> Sequence:
    sequence = Sequence.find(pattern=source.sequence.path, frames=source.sequence.frames)
    if sequence.is_still:
        return sequence
    missing = sorted(set(frames) - set(sequence.frames))
    if missing:
        raise MismatchError(
            f"the {role.name} lacks {len(missing)} of the plate's {len(frames)} frames: {format_frames(missing)}.",
            next_step="Render the missing matte frames, or limit the shot with --plate-frames.",
            path=source.sequence.path,
            frame=missing[0],
            field=role.field,
            expected=format_frames(frames),
            actual=format_frames(sequence.frames),
        )
    return sequence


def _check_format(header: PartHeader, plate: PartHeader, role: MatteRole, *, path: str, frame: int) -> None:
    want, have = plate.display_window, header.display_window
    if (want.width, want.height) != (have.width, have.height):
        raise MismatchError(
            f"the {role.name}'s format is {have.width}x{have.height}, the plate's is {want.width}x{want.height}.",
            next_step="Render the matte in the plate's format; a matte is never scaled in silence.",
            path=path,
            frame=frame,
            field=role.field,
            expected=f"{want.width}x{want.height}",
            actual=f"{have.width}x{have.height}",
        )


def _find_channel(headers: tuple[PartHeader, ...], source: MatteSource, role: MatteRole) -> tuple[PartHeader, str]:
    """The part and channel to read: the first part, of those asked for, that has a channel that fits."""
    wanted = source.sequence
    parts = [
        header
        for header in headers
        if wanted.part in ("", header.name) and (wanted.view in ("", header.view) or not header.view)
    ]
    for header in parts:
        channel = _channel([channel.name for channel in header.channels], source.channel, wanted.layer)
        if channel is not None:
            return header, channel
    wanted_name = f"'{source.channel}'" if source.channel else "A, R or Y"
    if wanted.part:
        wanted_name += f" in part '{wanted.part}'"
    there = ", ".join(channel.name for header in headers for channel in header.channels)
    raise InvalidJobError(
        f"the {role.name} has no channel {wanted_name}; it has {there}.",
        next_step=f"Name one of them {role.channel_hint}.",
        path=wanted.path,
        field=f"{role.field}.channel",
        actual=there,
    )


def _channel(names: list[str], asked: str, layer: str) -> str | None:
    prefix = f"{layer}." if layer else ""
    if asked:
        fitting = [asked, f"{prefix}{asked}"]
    else:
        fitting = [f"{prefix}A", *(names if len(names) == 1 else ()), f"{prefix}R", f"{prefix}Y"]
    return next((name for name in fitting if name in names), None)
