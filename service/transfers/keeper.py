"""Whole files on their way to the disk itself, beside everything else; what needs them there waits."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path

from overscan.core.temporaries import flush
from overscan.service._errors import ServiceClosingError
from overscan.service.transfers.hashes import hash_of

_LOG = logging.getLogger(__name__)
_THREADS = 2


class Keeper:
    """Flushes whole files. Safe to use from any thread.

    A file has its name as soon as its bytes are known to be right, and may be lost with the machine until they are on
    its disk. Until then an empty mark beside its part says so, with the hash that it should have: after a loss of
    power, what has a mark is looked at again.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="keep")
        self._lock = threading.Lock()
        self._going: dict[Path, Future[None]] = {}
        """What is being done, by the file's name and by its place in the pool."""

    def keep(self, *, part: Path, file: Path, pooled: Path) -> None:
        """Have `part`, whose SHA-256 is the name of `pooled`, be `file` at once, and `pooled` once it is on the disk.

        Raises OSError.
        """
        mark = part.with_name(f"{part.name}.{pooled.name}")
        mark.touch(mode=0o600)
        self._begin(mark=mark, file=file, pooled=pooled, part=part)

    def resume(self, *, parts: Path, file_of: Callable[[int], Path], pool: Path) -> None:
        """Look at the files whose marks a service that ended has left in `parts`, named after their frames."""
        with contextlib.suppress(FileNotFoundError):
            for mark in list(parts.iterdir()):
                frame, dot, sha256 = mark.name.partition(".")
                if dot:
                    self._begin(mark=mark, file=file_of(int(frame)), pooled=pool / sha256)

    def wait(self, *paths: Path) -> None:
        """Until nothing is done to these any more: each is on the disk, or it was lost and is gone.

        Raises `ServiceClosingError` where that cannot be waited for.
        """
        for path in paths:
            with self._lock:
                going = self._going.get(path)
            if going is not None:
                try:
                    going.result()
                except CancelledError:
                    raise ServiceClosingError("the service is closing.", next_step="Try again in a moment.") from None

    def close(self) -> None:
        """Begin with no further files; their marks stay."""
        self._threads.shutdown(cancel_futures=True)

    def _begin(self, *, mark: Path, file: Path, pooled: Path, part: Path | None = None) -> None:
        """Flush a file that `part` becomes, or that was there before and may have been lost in part."""
        with self._lock:
            if part is not None:
                part.replace(file)  # in here: whoever finds the file can wait for it
            going = self._threads.submit(_flush, mark=mark, file=file, pooled=pooled, check=part is None)
            self._going |= {file: going, pooled: going}
        going.add_done_callback(lambda done: self._end(done, (file, pooled)))

    def _end(self, done: Future[None], paths: Iterable[Path]) -> None:
        if done.cancelled():  # whoever waits for these is to hear of it, now and later
            return
        with self._lock:
            for path in paths:
                if self._going.get(path) is done:
                    del self._going[path]


def _flush(*, mark: Path, file: Path, pooled: Path, check: bool) -> None:
    try:
        if check and hash_of(file).hex() != pooled.name:
            _LOG.warning("%s was lost in part when the machine failed: it has to be sent again", file)
            file.unlink()
        else:
            flush(file)
            with contextlib.suppress(OSError):  # file systems without hard links have every file sent
                pooled.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.link(file, pooled)
    except FileNotFoundError:
        pass  # the upload was deleted meanwhile
    except OSError as error:
        _LOG.warning("%s could not be kept, and has to be sent again: %s", file, error)
        with contextlib.suppress(OSError):
            file.unlink()
    with contextlib.suppress(OSError):
        mark.unlink()
