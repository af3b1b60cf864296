"""SHA-256 of files that come and go."""

from __future__ import annotations

import hashlib
from io import FileIO
from pathlib import Path

_READ_BYTES = 1 << 20


def hash_of(path: Path) -> bytes:
    """SHA-256 of a file; raises OSError."""
    with FileIO(path, "rb") as file:
        return hash_file(file)


def hash_file(file: FileIO) -> bytes:
    """SHA-256 of an open file's bytes, all of them."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(_READ_BYTES):
        digest.update(block)
    return digest.digest()
