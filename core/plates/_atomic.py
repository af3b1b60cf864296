"""Files that appear whole or not at all: written beside the target, flushed, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from overscan.core.access import check_write
from overscan.core.errors import (
    DiskFullError,
    OutputExistsError,
    OutputNotWritableError,
    OverscanError,
)
from overscan.core.storage import LOST, NO_ROOM, lost
from overscan.core.temporaries import flush, temporary_prefix

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


class AtomicFile:
    """Temporary files beside `path`, of which one becomes `path`; all others vanish when the context ends.

    Temporaries are hidden (``.overscan-<owner>-…``) and keep the target's extension, as image writers choose the
    format by it. An `owner` is somebody who writes this target only once at a time: then the names are always the
    same, and take the place of what a killed process left behind. Raises `OutputExistsError`,
    `OutputNotWritableError`, `DiskFullError` or `ShareLostError`.
    """

    def __init__(self, *, path: Path, overwrite: bool, owner: str = "") -> None:
        self._path, self._overwrite = path, overwrite
        self._prefix = temporary_prefix(owner=owner or f"{os.getpid()}-{secrets.token_hex(4)}")
        self._temporaries: list[Path] = []

    def __enter__(self) -> AtomicFile:
        check_write(self._path)
        if not self._path.parent.is_dir():
            raise OutputNotWritableError(
                f"there is no folder '{self._path.parent}'.",
                next_step="Create the folder, or choose another output.",
                path=self._path,
            )
        if self._path.is_dir():
            raise OutputNotWritableError("is a folder.", next_step="Name a file inside it.", path=self._path)
        if not self._overwrite and os.path.lexists(self._path):
            raise self._exists()
        return self

    def __exit__(self, *_: object) -> None:
        for temporary in self._temporaries:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def temporary(self) -> Path:
        """A new name beside the target, removed at the end whatever happens."""
        temporary = self._path.parent / f"{self._prefix}{len(self._temporaries)}{self._path.suffix}"
        self._temporaries.append(temporary)
        # A worker that was killed within a write to a share may finish that write when the share comes back: what it
        # left must be a file of its own by then.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        return temporary

    def failed(self, *, temporary: Path, reason: str) -> OverscanError:
        """The error for a library that could not write `temporary` and lost the cause.

        Image writers report no errno, so the same file is extended by hand to learn what the system says.
        """
        try:
            with temporary.open("ab") as file:
                file.write(bytes(1 << 20))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return self.refused(error)
        return OutputNotWritableError(
            f"cannot be written: {reason or 'the image writer gave up without a reason'}.",
            next_step="Check the output folder and its disk.",
            path=self._path,
        )

    def refused(self, error: OSError) -> OverscanError:
        """The error that says what the operating system said."""
        if error.errno in LOST:
            return lost(path=self._path, why=error.strerror or str(error))
        if error.errno in NO_ROOM:
            return DiskFullError(
                f"there is no room for it ({error.strerror}).",
                next_step=f"Free space or raise the quota for '{self._path.parent}', then retry the job.",
                path=self._path,
            )
        return OutputNotWritableError(
            f"cannot be written: {error.strerror}.",
            next_step=f"Check that you may write in '{self._path.parent}', or choose another output.",
            path=self._path,
        )

    def commit(self, temporary: Path) -> None:
        """Flush `temporary` to the disk and make it the target, in one step that others see whole."""
        try:
            flush(temporary)
            if self._overwrite:
                temporary.replace(self._path)
            else:
                self._link(temporary)
            flush(self._path.parent)
        except FileExistsError as error:
            raise self._exists() from error
        except OSError as error:
            raise self.refused(error) from error

    def _link(self, temporary: Path) -> None:
        """Rename without replacing: of two writers, one gets `FileExistsError`."""
        try:
            os.link(temporary, self._path)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # File systems without hard links (exFAT, some SMB shares): claim the name first.
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL))
            temporary.replace(self._path)

    def _exists(self) -> OutputExistsError:
        return OutputExistsError(
            "is already there.", next_step="Choose another output, or allow overwriting.", path=self._path
        )
