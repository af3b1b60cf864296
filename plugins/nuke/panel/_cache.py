"""Size and purge of the cache of rendered plates: what the hand-over put there, and nothing else. No Qt in here."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

MARK = "overscan_cache.json"
"""Every entry of the cache has this file; folders without it belong to somebody else."""


_RENDERING = "incoming-*"
_BUSY_SECONDS = 3600.0
"""A folder that frames are rendered into may be one that a crash left: it counts as in use for so long."""


class CacheSize:
    """What lies in the cache."""

    def __init__(self, entries: int = 0, files: int = 0, size: int = 0) -> None:
        self.entries = entries
        self.files = files
        self.size = size
        """Bytes."""


def measure(cache: Path) -> CacheSize:
    """What the entries of the cache hold; a folder that is not there holds nothing."""
    total = CacheSize()
    for entry in _entries(cache):
        total.entries += 1
        for _, status in _files(entry):
            total.files += 1
            total.size += status.st_size
    return total


def purge(cache: Path, *, older_than_seconds: float = 0.0) -> CacheSize:
    """Remove the entries of which nothing was written for so long; returns what was removed.

    An entry that is being rendered right now stays. Results are elsewhere and stay.
    """
    gone = CacheSize()
    for entry in _entries(cache):
        found = list(_files(entry))
        newest = max((status.st_mtime for _, status in found), default=0.0)
        in_use = _BUSY_SECONDS if any(entry.glob(_RENDERING)) else 0.0
        if time.time() - newest < max(older_than_seconds, in_use):
            continue
        shutil.rmtree(str(entry), ignore_errors=True)
        left = {path for path, _ in _files(entry)}
        removed = [status for path, status in found if path not in left]
        gone.entries += not entry.exists()
        gone.files += len(removed)
        gone.size += sum(status.st_size for status in removed)
    return gone


def on_a_thread(work: Callable[[], object], done: Callable[[object], None]) -> threading.Thread:
    """Do slow work on a thread; `done` is called there with what came of it, or with the OSError that it met."""

    def run() -> None:
        try:
            outcome = work()
        except OSError as error:
            outcome = error
        done(outcome)

    thread = threading.Thread(target=run, name="overscan-cache", daemon=True)
    thread.start()
    return thread


def _entries(cache: Path) -> Iterator[Path]:
    plates = cache / "plates"
    try:
        found = sorted(plates.iterdir())
    except OSError:
        return
    for entry in found:
        if entry.is_dir() and not entry.is_symlink() and (entry / MARK).is_file():
            yield entry


def _files(entry: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for folder, _, names in os.walk(str(entry)):
        for name in names:
            path = Path(folder) / name
            try:
                yield path, path.lstat()
            except OSError:  # gone meanwhile
                continue
