"""The folders that jobs may read and write. Whatever a path says, what counts is where it really leads.

To find that out is to ask the disk, and a share that hangs never answers: the paths of requests are looked at in
workers, which can be killed, and not by the service.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from overscan.core.errors import ErrorRecord, InvalidJobError, OutsideRootsError, OverscanError

if TYPE_CHECKING:
    from overscan.service._settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPath:
    """A path, or path pattern, that a request names."""

    path: str
    field: str
    writes: bool = False


class Roots:
    """What may be read and written. Without any root, all that the system's user may."""

    def __init__(
        self,
        *,
        read: Iterable[Path] = (),
        write: Iterable[Path] = (),
        shown: Iterable[Path] | None = None,
        private: Iterable[str] = (),
    ) -> None:
        """`shown` are those that an error may name, and are real folders already; None names all. What lies in the
        `private` ones may not be used, wherever the roots are, but for what `let_use` lets."""
        self._shown = None if shown is None else frozenset(shown)
        self.write = tuple(sorted(self._real_ones(write)))
        """Real folders that results may land in."""
        self.read = tuple(sorted({*self._real_ones(read), *self.write}))
        """Real folders that inputs may come from: what may be written may be read."""
        self.confined = bool(self.read)
        self._private = tuple(name + os.sep for folder in private for name in (folder, os.path.realpath(folder)))
        self._mine: tuple[str, ...] = ()

    def let_use(self, folders: Iterable[str]) -> None:
        """Of what is private let these folders be used, and no others: by their names, for whoever put a link to one
        elsewhere has no right to it. Folders that are not private change nothing."""
        named = [folder for folder in folders if folder.startswith(self._private) and ".." not in Path(folder).parts]
        real = {os.path.realpath(folder) for folder in named}
        self._mine = tuple(folder + os.sep for folder in real if folder.startswith(self._private))

    def check_read(self, path: str | os.PathLike[str], field: str = "") -> None:
        """Raise `OutsideRootsError` where a path, or path pattern, leads out of what may be read."""
        self._check(path, field, self.read, "read from")

    def check_write(self, path: str | os.PathLike[str], field: str = "") -> None:
        """Raise `OutsideRootsError` where a path, or path pattern, leads out of what may be written."""
        self._check(path, field, self.write, "written to")

    def problems(self, named: Iterable[NamedPath]) -> tuple[ErrorRecord, ...]:
        """What is wrong with the paths of a request."""
        found = []
        for one in named:
            try:
                (self.check_write if one.writes else self.check_read)(one.path, one.field)
            except OverscanError as error:
                found.append(error.record)
        return tuple(found)

    def may_read_at(self, real: Path) -> bool:
        """Whether a file may be read that is open already, and so is known to lie at `real`."""
        return not self.confined or _is_inside(real, self.read)

    def _real_ones(self, folders: Iterable[Path]) -> set[Path]:
        known = self._shown or ()
        return {folder if folder in known else _real(folder) for folder in folders}

    def _is_others(self, real: Path) -> bool:
        name = f"{real}{os.sep}"
        return name.startswith(self._private) and not name.startswith(self._mine)

    def _check(self, path: str | os.PathLike[str], field: str, roots: tuple[Path, ...], doing: str) -> None:
        if not self.confined:
            return
        given = os.fspath(path)
        if "\0" in given:
            raise InvalidJobError("the path has a zero byte in it.", next_step="Give a plain path.", field=field)
        real = _real(given)
        if not _is_inside(real, roots) or self._is_others(real):
            named = [root for root in roots if self._shown is None or root in self._shown]
            shown = ", ".join(str(root) for root in named) or "none"
            raise OutsideRootsError(
                f"'{given}' is in no folder that may be {doing}.",
                next_step=f"Use a folder in one of: {shown}; or ask who runs the service to add one.",
                path=given,
                field=field,
                expected=shown,
            )


def make_roots(settings: Settings) -> Roots:
    """The roots that the service was given; what lies in its own folders is asked for elsewhere."""
    return Roots(read=settings.roots_read, write=settings.roots_write)


def _is_inside(real: Path, roots: tuple[Path, ...]) -> bool:
    return any(real == root or root in real.parents for root in roots)


def _real(path: str | os.PathLike[str]) -> Path:
    """Where a path leads, with every symlink on the way followed, whether or not it is there (yet)."""
    return Path(os.path.realpath(path))
