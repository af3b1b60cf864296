"""Locks between processes that vanish with the process that holds them, however it dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

EXIT_HELD = 75
"""Exit code (EX_TEMPFAIL of sysexits.h) of a worker that did not get its lock: it has not begun anything."""
_LOCKED_BYTE = 1 << 30
"""Windows locks bytes, and a locked byte cannot be read: lock one far behind the text."""


class FileLock:
    """An exclusive lock on a file, whose text tells others who holds it."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def acquire(self, *, text: str) -> bool:
        """Take the lock and write `text` into the file; False where another process holds it."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        file = os.fdopen(descriptor, "r+b")
        try:
            if sys.platform == "win32":
                file.seek(_LOCKED_BYTE)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                file.seek(0)
            else:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(text.encode())
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back; the file stays, since removing it would let two processes hold "the" lock."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> str:
        """The text the holder wrote, empty where nobody did."""
        try:
            return self.path.read_text(errors="replace").strip()
        except OSError:
            return ""
