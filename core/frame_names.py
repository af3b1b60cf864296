"""Names of frames: ``plate.%04d.exr`` = ``plate.####.exr`` = ``plate.@@@@.exr`` = ``plate.$F4.exr``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(r"%0(?P<zeros>\d+)d|%d|(?P<marks>#+|@+)|\$F(?P<houdini>\d*)")
_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameNames:
    """File names of a pattern, which has at most one place for the frame number."""

    folder: Path
    before: str
    after: str
    padding: int | None
    """Least width of the number, its sign included; None where the name has no place for a number."""

    @classmethod
    def parse(cls, pattern: str) -> FrameNames:
        """The names that `pattern` stands for."""
        path = Path(pattern)
        tokens = list(_TOKEN.finditer(path.name))
        if not tokens:
            return cls(folder=path.parent, before=path.name, after="", padding=None)
        # The last one counts, as a shot or a version may carry a # of its own.
        token = tokens[-1]
        if token["zeros"]:
            padding = int(token["zeros"])
        elif token["marks"]:
            padding = len(token["marks"])
        else:
            padding = int(token["houdini"] or 1)
        return cls(
            folder=path.parent, before=path.name[: token.start()], after=path.name[token.end() :], padding=padding
        )

    def name(self, number: int) -> str:
        """The file name of a frame."""
        if self.padding is None:
            return self.before
        return f"{self.before}{str(number).zfill(self.padding)}{self.after}"

    def number(self, name: str) -> int | None:
        """The frame number in a file name, None where the name does not fit the padding."""
        if self.padding is None or not (name.startswith(self.before) and name.endswith(self.after)):
            return None
        text = name[len(self.before) : len(name) - len(self.after)]
        if not _NUMBER.fullmatch(text):
            return None
        number = int(text)
        # A negative number's padding counts its sign (C, Nuke, fileseq); some tools do not count it.
        fits = (str(number).zfill(self.padding), f"-{str(-number).zfill(self.padding)}" if number < 0 else "")
        return number if text in fits else None
