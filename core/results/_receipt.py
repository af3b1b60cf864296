"""What a result says of itself in its header, so that it can be checked against its plate years later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from overscan.core.errors import InvalidJobError
from overscan.core.frames import format_frames, parse_frames
from overscan.core.jobs import Task
from overscan.core.plates import read_header
from overscan.core.shots import Shot

PREFIX = "overscan:"
"""Every attribute of a receipt starts so."""
_NEEDED = ("plate", "frame", "frames", "offset", "part", "channels", "task")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How one result frame relates to its plate."""

    plate: str
    """Path pattern."""
    frame: int
    """The plate's frame number, whatever the result's file is called."""
    frames: tuple[int, ...]
    """All frames that the job rendered."""
    offset: tuple[int, int]
    part: int
    """Index of the painted part in the plate."""
    painted: tuple[str, ...]
    """Channels that were painted."""
    extends: bool
    """Whether it is an extension, which leaves all of the plate as it is."""
    matte: str
    """Path pattern, empty where there is none."""
    matte_part: int
    matte_channel: str


def receipt_of(shot: Shot, *, frame: int) -> dict[str, str]:
    """The receipt of a frame of `shot` as header attributes."""
    job, matte = shot.job, shot.matte
    words = {
        "plate": shot.plate.pattern,
        "frame": str(frame),
        "frames": format_frames(shot.render),
        "offset": f"{shot.layout.offset[0]} {shot.layout.offset[1]}",
        "part": str(shot.part),
        # Blender puts spaces into layer names, so names need quotes.
        "channels": json.dumps(shot.colours),
        "colour_space": shot.space.name,
        "task": job.kind.value,
        "extras": job.output.extras.value,
    }
    if matte is not None:
        words |= {"matte": matte.sequence.pattern, "matte_part": str(matte.part), "matte_channel": matte.channel}
    return {f"{PREFIX}{name}": text for name, text in words.items() if text}


def read_receipt(path: Path) -> Receipt:
    """The receipt in the header of `path`; raises `InvalidJobError` where there is none, and the errors of reading."""
    for header in read_header(path):
        words = {
            name.removeprefix(PREFIX): str(value)
            for name, value in header.attributes.items()
            if name.startswith(PREFIX)
        }
        if all(name in words for name in _NEEDED):
            try:
                return _parsed(words)
            except ValueError as error:
                raise _none(path) from error
    raise _none(path)


def _parsed(words: Mapping[str, str]) -> Receipt:
    x, y = words["offset"].split()
    return Receipt(
        plate=words["plate"],
        frame=int(words["frame"]),
        frames=parse_frames(words["frames"]),
        offset=(int(x), int(y)),
        part=int(words["part"]),
        painted=tuple(json.loads(words["channels"])),
        extends=words["task"] == Task.EXTEND.value,
        matte=words.get("matte", ""),
        matte_part=int(words.get("matte_part", "0")),
        matte_channel=words.get("matte_channel", ""),
    )


def _none(path: Path) -> InvalidJobError:
    return InvalidJobError(
        "the file does not say that Overscan made it.",
        next_step="Verify frames that Overscan wrote as EXR; a job's own check covers other formats.",
        path=path,
    )
