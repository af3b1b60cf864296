"""Whether the frames of a sequence are of one kind."""

from __future__ import annotations

from pathlib import Path

from overscan.core.errors import MismatchError
from overscan.core.plates._frame import PartHeader


def check_consistent(
    reference: tuple[PartHeader, ...], other: tuple[PartHeader, ...], *, path: Path, frame: int
) -> None:
    """Raise `MismatchError` where `other`, the headers of `path`, is not of the kind of `reference`.

    Parts, their views, display windows, pixel aspects, channels and sample types must agree. Data windows may
    differ: renderers and trackers crop each frame to what is in it.
    """
    if len(reference) != len(other):
        raise _mismatch("has another number of parts", len(reference), len(other), path=path, frame=frame)
    for first, second in zip(reference, other, strict=True):
        label = f"part {second.index} ('{second.name}')" if len(other) > 1 else "it"
        pairs = (
            ("another name", first.name if len(other) > 1 else "", second.name if len(other) > 1 else ""),
            ("another view", first.view, second.view),
            ("another display window", first.display_window, second.display_window),
            ("another pixel aspect ratio", first.pixel_aspect, second.pixel_aspect),
            ("other channels", _channels(first), _channels(second)),
            ("another number of bits", first.bits, second.bits),
        )
        for what, expected, actual in pairs:
            if expected != actual:
                raise _mismatch(f"{label} has {what}", expected, actual, path=path, frame=frame)


def _channels(header: PartHeader) -> str:
    return ", ".join(f"{channel.name} {channel.dtype}" for channel in header.channels)


def _mismatch(what: str, expected: object, actual: object, *, path: Path, frame: int) -> MismatchError:
    return MismatchError(
        f"frame {frame} does not fit the first frame: {what}, {actual} instead of {expected}.",
        next_step="Give a sequence of one kind, or split the job where it changes.",
        path=path,
        frame=frame,
        expected=expected,
        actual=actual,
    )
