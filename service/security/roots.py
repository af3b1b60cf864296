"""The folders that jobs may read and write. Whatever a path says, what counts is where it really leads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from overscan.core.errors import InvalidJobError, OutsideRootsError

if TYPE_CHECKING:
    from overscan.service._settings import Settings


class Roots:
    """What may be read and written. Without any root, all that the system's user may."""

    def __init__(
        self, *, read: Iterable[Path] = (), write: Iterable[Path] = (), shown: Iterable[Path] | None = None
    ) -> None:
        """`shown` are those that an error may name; None names all."""
        self.write = tuple(sorted({_real(folder) for folder in write}))
        """Real folders that results may land in."""
        self.read = tuple(sorted({*(_real(folder) for folder in read), *self.write}))
        """Real folders that inputs may come from: what may be written may be read."""
        self.confined = bool(self.read)
        self._shown = None if shown is None else {_real(folder) for folder in shown}

    def check_read(self, path: str | os.PathLike[str], field: str = "") -> None:
        """Raise `OutsideRootsError` where a path, or path pattern, leads out of what may be read."""
        self._check(path, field, self.read, "read from")

    def check_write(self, path: str | os.PathLike[str], field: str = "") -> None:
        """Raise `OutsideRootsError` where a path, or path pattern, leads out of what may be written."""
        self._check(path, field, self.write, "written to")

    def may_read_at(self, real: Path) -> bool:
        """Whether a file may be read that is open already, and so is known to lie at `real`."""
        return not self.confined or _is_inside(real, self.read)

    def _check(self, path: str | os.PathLike[str], field: str, roots: tuple[Path, ...], doing: str) -> None:
        if not self.confined:
            return
        given = os.fspath(path)
        if "\0" in given:
            raise InvalidJobError("the path has a zero byte in it.", next_step="Give a plain path.", field=field)
        if not _is_inside(_real(given), roots):
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
