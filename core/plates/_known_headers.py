"""Headers that were read before, for a process that plans the same shots again and again.

Nothing is remembered unless the process asks for it.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from overscan.core.plates._frame import PartHeader
from overscan.core.plates._limits import ReadLimits

_Headers = tuple[PartHeader, ...]
_Signature = tuple[int, ...]
_SETTLED_SECONDS = 2.0
"""A file that was changed less long ago is read anew: it may change again without its times telling."""
_BYTES_MAX = 16 << 10
"""A file with more in its headers (pictures, profiles) is read anew."""


class _Known:
    """The headers of the files that were asked for last. Safe to use from several threads."""

    def __init__(self, *, files_max: int) -> None:
        self._files_max = files_max
        self._lock = threading.Lock()
        self._found: dict[tuple[str, ReadLimits], tuple[_Signature, _Headers]] = {}

    def get(self, path: Path, limits: ReadLimits, read: Callable[[], _Headers]) -> _Headers:
        key, before = (str(path), limits), _signature(path)
        if before is None:
            return read()
        with self._lock:
            known = self._found.pop(key, None)
            if known is not None and known[0] == before:
                self._found[key] = known  # the newest now
                return known[1]
        headers = read()
        if _signature(path) == before and _size(headers) <= _BYTES_MAX:
            with self._lock:
                self._found[key] = (before, headers)
                while len(self._found) > self._files_max:
                    del self._found[next(iter(self._found))]
        return headers


_known: _Known | None = None


def remember_headers(*, files_max: int) -> None:
    """Have this process remember the headers of so many files from now on; asking again changes nothing.

    A file that has changed since is read again.
    """
    global _known
    _known = _known or _Known(files_max=files_max)


def known_headers(path: Path, *, limits: ReadLimits, read: Callable[[], _Headers]) -> _Headers:
    """What `read` reads, or what it read of the same unchanged file before."""
    return read() if _known is None else _known.get(path, limits, read)


def _signature(path: Path) -> _Signature | None:
    """What differs where a file was changed or replaced; None where that cannot be told, or it was just changed."""
    try:  # it is opened since only then network shares ask their server
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            found = os.fstat(file)
        finally:
            os.close(file)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) or time.time() - max(found.st_mtime, found.st_ctime) < _SETTLED_SECONDS:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _size(headers: _Headers) -> int:
    """About how many bytes headers hold."""
    values = [value for part in headers for value in part.attributes.values()]
    kept = [attribute.data for part in headers for attribute in part.exr_attributes or ()]
    names = [channel.name for part in headers for channel in part.channels]
    return sum(
        getattr(value, "nbytes", len(value) if hasattr(value, "__len__") else 8) for value in values + kept + names
    )
