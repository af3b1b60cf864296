"""Frame sequences on disk: which frames of a pattern exist, and where a frame is or goes."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fileseq import findSequencesInList
from fileseq.constants import PAD_STYLE_HASH1

from overscan.core.access import check_read
from overscan.core.errors import InvalidJobError, MissingFramesError
from overscan.core.frame_names import FrameNames
from overscan.core.frames import format_frames
from overscan.core.storage import storage_error

_STILL_NUMBER = re.compile(r"\.(-?\d+)\.[^.]+$")
_SUGGESTIONS, _CLOSE = 3, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Frames of one name pattern.

    Patterns: ``plate.%04d.exr`` = ``plate.####.exr`` = ``plate.@@@@.exr`` = ``plate.$F4.exr``; ``%d``, ``#``, ``@``
    and ``$F`` mean no padding. The number stands in the file name, not in a folder; where there are several places
    for it, the last one counts. Numbers grow beyond the padding (``plate.10000.exr``) and may be negative; the sign
    counts as a digit of the padding (``plate.-005.exr``), and on disk ``plate.-0005.exr`` is found as well. A name
    without a place for a number is a still of one frame: 1001 for ``plate.1001.exr``, 1 for ``plate.exr``. A file
    that is literally named like the pattern is a still, too.
    """

    pattern: str
    """As it was given."""
    frames: tuple[int, ...]
    """Frame numbers, ascending."""
    is_still: bool
    """Whether the pattern names one file rather than a numbered sequence."""
    _template: FrameNames = field(repr=False)
    _names: Mapping[int, str] | None = field(repr=False)
    """File names on disk by frame, None for a planned sequence."""

    @classmethod
    def find(cls, *, pattern: str, frames: tuple[int, ...] | None = None) -> Sequence:
        """The frames of `pattern` that are on disk; with `frames`, just these, and all of them.

        A still stands for whichever single frame is asked for, if its name has no number. Raises
        `MissingFramesError` where nothing fits the pattern or asked frames are missing.
        """
        check_read(pattern)
        literal = Path(pattern)
        if literal.is_file():
            return cls._still(pattern=pattern, path=literal, frames=frames)
        template = FrameNames.parse(pattern)
        try:
            on_disk = [entry.name for entry in os.scandir(template.folder) if not _is_folder(entry)]
        except OSError as error:
            raise storage_error(error) or MissingFramesError(
                f"the folder '{template.folder}' cannot be listed: {error.strerror}.",
                next_step="Check the path, and that its disk is mounted.",
                path=pattern,
            ) from error
        names: dict[int, str] = {}
        for name in on_disk:
            number = template.number(name)
            if number is not None and (number not in names or name == template.name(number)):
                names[number] = name
        if not names:
            raise MissingFramesError(
                f"no file fits '{literal.name}'.", next_step=_suggest(template, on_disk), path=pattern
            )
        wanted = tuple(sorted(set(frames))) if frames is not None else tuple(sorted(names))
        cls._require(pattern, wanted, names)
        return cls(pattern=pattern, frames=wanted, is_still=False, _template=template, _names=names)

    @classmethod
    def planned(cls, *, pattern: str, frames: Iterable[int]) -> Sequence:
        """Where `frames` go when they are written; nothing needs to be on disk.

        Raises `InvalidJobError` where several frames would get one name.
        """
        template = FrameNames.parse(pattern)
        wanted = tuple(sorted(set(frames)))
        if template.padding is None and len(wanted) > 1:
            raise InvalidJobError(
                f"'{Path(pattern).name}' has no place for the frame number, and there are {len(wanted)} frames.",
                next_step="Write the output like name.%04d.exr or name.####.exr.",
                path=pattern,
                field="output.pattern",
            )
        return cls(pattern=pattern, frames=wanted, is_still=template.padding is None, _template=template, _names=None)

    def path(self, frame: int) -> Path:
        """File of `frame`; raises `MissingFramesError` where the sequence was found on disk without it."""
        if self._names is None:
            return self._template.folder / self._template.name(frame)
        self._require(self.pattern, (frame,), self._names)
        return self._template.folder / self._names[frame]

    @classmethod
    def _still(cls, *, pattern: str, path: Path, frames: tuple[int, ...] | None) -> Sequence:
        numbered = _STILL_NUMBER.search(path.name)
        asked = frames[0] if frames and len(frames) == 1 else 1
        number = int(numbered[1]) if numbered else asked
        names = {number: path.name}
        wanted = (number,) if frames is None else tuple(sorted(set(frames)))
        cls._require(pattern, wanted, names)
        template = FrameNames(folder=path.parent, before=path.name, after="", padding=None)
        return cls(pattern=pattern, frames=wanted, is_still=True, _template=template, _names=names)

    @staticmethod
    def _require(pattern: str, wanted: Iterable[int], names: Mapping[int, str]) -> None:
        missing = [number for number in wanted if number not in names]
        if missing:
            there = format_frames(names)
            raise MissingFramesError(
                f"missing frames: {format_frames(missing)}.",
                next_step=f"On disk: {there}. Supply the missing frames, or choose a range without them.",
                path=pattern,
                frame=missing[0],
                expected=format_frames(wanted),
                actual=there,
            )


def _suggest(template: FrameNames, names: list[str]) -> str:
    """What to do when nothing fits: the sequences of the folder whose names come closest."""
    if not names:
        return f"The folder '{template.folder}' is empty."
    there = {}
    for found in findSequencesInList(names, pad_style=PAD_STYLE_HASH1):
        several = len(found) > 1
        name = f"{found.basename()}{found.padding()}{found.extension()}" if several else str(found)
        there[name] = f"{name} ({format_frames(int(frame) for frame in found.frameSet() or ())})" if several else name
    wanted = f"{template.before}{'#' * (template.padding or 0)}{template.after}"
    close = difflib.get_close_matches(wanted, there, n=_SUGGESTIONS, cutoff=_CLOSE)
    if not close:
        return f"Check the name; the folder '{template.folder}' holds {len(names)} other files."
    return f"The folder has: {', '.join(there[name] for name in close)}."


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or to where nobody may look: no reason to give up the others
        return False
