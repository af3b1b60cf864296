"""What a file's contents are, as one short name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from overscan.core.access import check_read
from overscan.core.errors import UnreadableImageError

_BLOCK = 1 << 20
_SETTLED_SECONDS = 2.0


class _Digest(Protocol):
    """What hashlib's objects do."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def content_hash(path: Path) -> str:
    """BLAKE2b of the file's bytes, 32 hexadecimal digits (16 bytes); raises `UnreadableImageError`."""
    return _of_bytes(path, hashlib.blake2b(digest_size=16))


def sha256_of(path: Path) -> str:
    """SHA-256 of the file's bytes, 64 hexadecimal digits: slower, for what others check; raises as `content_hash`."""
    return _of_bytes(path, hashlib.sha256())


def _of_bytes(path: Path, digest: _Digest) -> str:
    check_read(path)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise UnreadableImageError(
            f"cannot be read: {error.strerror}.", next_step="Check the file and its permissions.", path=path
        ) from error
    return digest.hexdigest()


class HashMemo:
    """A file's hash, remembered across processes for files that did not change.

    A file counts as unchanged while its path, size, inode and both its times are the same: that of modification can be
    set back by anybody, that of change by nobody. Files younger than two seconds are not remembered, as another write
    may still fall into the same tick of the file system's clock.
    """

    def __init__(self, *, database: Path, digest: Callable[[Path], str] = content_hash) -> None:
        """Remember what `digest` gives in the SQLite file `database`, which is made when it is not there.

        Its folder must exist, and each `digest` needs a file of its own.
        """
        self._database = database
        self._digest = digest

    def hash(self, path: Path) -> str:
        """The hash of `path`; raises as the digest does."""
        path = path.absolute()
        try:
            status = path.stat()
            return self._remembered(path, status)
        except (OSError, sqlite3.Error):  # a memory that cannot be used must not stop a job
            return self._digest(path)

    def _remembered(self, path: Path, status: os.stat_result) -> str:
        key = (str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, str(status.st_ino))
        with contextlib.closing(self._connect()) as connection:
            row = connection.execute(
                "SELECT hash FROM files WHERE path = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ?",
                key,
            ).fetchone()
            if row:
                return str(row[0])
            result = self._digest(path)
            if time.time() - max(status.st_mtime, status.st_ctime) > _SETTLED_SECONDS:
                with connection:
                    connection.execute("REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", (*key, result))
        return result

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._database, timeout=30)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS files "
            "(path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode TEXT, hash TEXT)"
        )
        return connection
