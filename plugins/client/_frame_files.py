"""Frames on this machine's disk: which there are of a path pattern, and what each is called."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from overscan.client._errors import JobFileError, make_problem

_TOKEN = re.compile(r"%0(?P<zeros>\d+)d|%d|(?P<marks>#+|@+)|\$F(?P<houdini>\d*)")
_NUMBER = re.compile(r"-?\d+")
_STILL_NUMBER = re.compile(r"\.(-?\d+)\.[^.]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFiles:
    """The files of a pattern: ``plate.%04d.exr``, ``plate.####.exr``, ``plate.@@@@.exr``, ``plate.$F4.exr``, a still.

    Where there are several places for the number, the last one counts, as it does for the service.
    """

    folder: Path
    before: str
    after: str
    padding: int | None
    """Least width of the number, its sign included; None for a still."""

    @classmethod
    def of(cls, pattern: str) -> FrameFiles:
        """The files that `pattern` stands for; one that is literally called so is a still."""
        path = Path(pattern)
        tokens = [] if path.is_file() else list(_TOKEN.finditer(path.name))
        if not tokens:
            return cls(folder=path.parent, before=path.name, after="", padding=None)
        token = tokens[-1]
        if token["zeros"]:
            padding = int(token["zeros"])
        else:
            padding = len(token["marks"]) if token["marks"] else int(token["houdini"] or 1)
        name = path.name
        return cls(folder=path.parent, before=name[: token.start()], after=name[token.end() :], padding=padding)

    def path(self, number: int) -> Path:
        """Where a frame is, or goes."""
        if self.padding is None:
            return self.folder / self.before
        return self.folder / f"{self.before}{str(number).zfill(self.padding)}{self.after}"

    def found(self) -> dict[int, Path]:
        """The frames that are on disk; raises `JobFileError` where the folder cannot be read."""
        if self.padding is None:
            path = self.path(0)
            numbered = _STILL_NUMBER.search(path.name)
            return {int(numbered[1]) if numbered else 1: path} if path.is_file() else {}
        try:
            names = [entry.name for entry in os.scandir(self.folder) if entry.is_file()]
        except OSError as error:
            raise JobFileError(
                [
                    make_problem(
                        "MISSING_FRAMES",
                        f"the folder '{self.folder}' cannot be listed: {error.strerror}.",
                        next_step="Check the path, and that its disk is mounted.",
                        path=str(self.folder),
                    )
                ]
            ) from error
        found: dict[int, Path] = {}
        for name in names:
            number = self._number(name)
            if number is not None and (number not in found or name == self.path(number).name):
                found[number] = self.folder / name
        return found

    def _number(self, name: str) -> int | None:
        if self.padding is None or not (name.startswith(self.before) and name.endswith(self.after)):
            return None
        text = name[len(self.before) : len(name) - len(self.after)]
        if not _NUMBER.fullmatch(text):
            return None
        number = int(text)
        # A negative number's padding counts its sign (C, Nuke, fileseq); some tools do not count it.
        fits = (str(number).zfill(self.padding), f"-{str(-number).zfill(self.padding)}" if number < 0 else "")
        return number if text in fits else None
