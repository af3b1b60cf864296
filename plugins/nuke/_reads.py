"""What a Read says about the files behind it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

import nuke
from overscan_nuke._colour import colour_name

COLOUR_KNOBS = ("colorspace", "raw", "premultiplied", "auto_alpha")
"""Knobs of a Read that decide how samples become pixels; another Read with the same ones shows the same pixels."""


@dataclass(frozen=True)
class FileSource:
    """Frames that the graph shows as they are on disk."""

    pattern: str
    """Absolute path, with ``%04d`` or the like, and ``%V`` or ``%v`` where views have files of their own."""
    first: int
    last: int
    """Range of the Read, by the numbers in the files."""
    is_whole: bool
    """Whether the Read uses all the files it found, so that gaps and steps are those of the disk."""
    offset: int
    """Number in the script less number in the file."""
    is_still: bool
    colour: dict[str, Any]
    """Values of `COLOUR_KNOBS`."""
    color_space: str
    """For the service; empty for what the file says."""
    pixel_aspect: float
    """In place of the file's; 0 for the file's."""

    @property
    def has_views(self) -> bool:
        """Whether each view has files of its own."""
        return "%V" in self.pattern or "%v" in self.pattern

    def of_view(self, view: str) -> str:
        """The pattern of one view's files."""
        return self.pattern.replace("%V", view).replace("%v", view[:1])


def file_source(read: Any, *, shift: int) -> FileSource | str:
    """What to hand over for a Read that nothing changes, or in plain words why it must be rendered.

    `shift` is the offset in time between the Read and the place it is seen from.
    """
    pattern = str(nuke.filename(read) or "")
    name = read.name()
    if not pattern:
        return f"{name} has no file"
    if "[" in pattern or "$" in pattern:
        return f"the file name of {name} is an expression that cannot be written as a pattern"
    if not pattern.lower().endswith((".exr", ".sxr")):
        return "{} reads {} files, and results are EXR".format(name, os.path.splitext(pattern)[1] or "other")  # noqa: PTH122
    first, last = int(read["first"].value()), int(read["last"].value())
    offset = _offset(read, first)
    if isinstance(offset, str):
        return offset
    for knob in ("first", "last", "colorspace", "raw", "premultiplied"):
        if read[knob].isAnimated() or (knob not in ("first", "last") and read[knob].hasExpression()):
            return f"{knob} of {name} is animated"
    whole = first == int(read["origfirst"].value()) and last == int(read["origlast"].value())
    return FileSource(
        pattern=_absolute(pattern),
        first=first,
        last=last,
        is_whole=whole,
        offset=offset + shift,
        is_still=re.search(r"%0?\d*d|#", os.path.basename(pattern)) is None,  # noqa: PTH119 (a pattern is no path)
        colour={knob: _plain(read[knob].value()) for knob in COLOUR_KNOBS if knob in read.knobs()},
        color_space="" if read["raw"].value() else colour_name(str(read["colorspace"].value())),
        pixel_aspect=_other_aspect(read),
    )


def _offset(read: Any, first: int) -> int | str:
    mode, text = str(read["frame_mode"].value()), str(read["frame"].value()).replace(" ", "")
    if not text:
        return 0
    if mode == "expression":
        match = re.fullmatch(r"frame([+-]\d+)?", text)
        if match:
            return -int(match[1] or 0)
    elif mode == "start at" and re.fullmatch(r"[+-]?\d+", text):
        return int(text) - first
    elif mode == "offset":
        # The manual and scripts in use disagree about its sign; Nuke itself knows, so Nuke renders.
        return f"{read.name()} is shifted by 'offset' ('start at' would do without rendering)"
    return f"{read.name()} is retimed by its frame expression"


def _absolute(pattern: str) -> str:
    if os.path.isabs(os.path.expanduser(pattern)):  # noqa: PTH111, PTH117
        return os.path.expanduser(pattern)  # noqa: PTH111
    root = nuke.root()
    knob: Any = root["project_directory"]
    evaluate = getattr(knob, "evaluate", knob.value)  # it is a plain text in some versions, an expression in others
    project = str(evaluate() or "") or os.getcwd()  # noqa: PTH109 (as Nuke resolves it)
    return os.path.normpath(os.path.join(project, pattern)).replace("\\", "/")  # noqa: PTH118


def _other_aspect(read: Any) -> float:
    """The pixel aspect of the Read's format where the artist set it against the file's."""
    of_file = read.metadata("exr/pixelAspectRatio") or read.metadata("input/pixel_aspect")
    of_format = float(read.format().pixelAspect())
    if not of_file or abs(float(of_file) - of_format) < 1e-4:
        return 0.0
    return of_format


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else str(value)
