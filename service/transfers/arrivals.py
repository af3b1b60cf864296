"""Files that arrive piece by piece: appended where they stopped, hashed on the way, and whole or not there at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from overscan.core.errors import DiskFullError, OverscanError
from overscan.service._errors import InvalidRequestError, UnknownUploadError, UploadDamagedError, UploadOffsetError
from overscan.service.transfers.hashes import hash_of
from overscan.service.transfers.keeper import Keeper
from overscan.service.transfers.lanes import Lane

_HELPERS = 8
_HASH_BYTES = hashlib.sha256().digest_size
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class Arrivals:
    """The files that arrive now, by their places."""

    def __init__(self, *, pool: Path, keeper: Keeper) -> None:
        """`pool` has whole files by user and content, so that what is there need not be sent again."""
        self._pool = pool
        self._keeper = keeper
        self._helpers = ThreadPoolExecutor(_HELPERS, thread_name_prefix="arrival")
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[Arrival, int]] = {}

    @contextlib.contextmanager
    def open(self, *, part: Path, file: Path, user: str, frame: int) -> Iterator[Arrival]:
        """The arrival of `file`, whose bytes gather in `part`; several streams may have it open."""
        with self._lock:
            arrival, count = self._open.get(part) or (None, 0)
            if arrival is None:
                pool = self._pool / owner(user)
                arrival = Arrival(
                    part=part, file=file, pool=pool, frame=frame, keeper=self._keeper, helpers=self._helpers
                )
            self._open[part] = (arrival, count + 1)
        try:
            yield arrival
        finally:
            arrival.settle()  # out here: meanwhile others begin and end
            with self._lock:
                arrival, count = self._open.pop(part)
                if count > 1:
                    self._open[part] = (arrival, count - 1)
                else:
                    arrival.close()

    def tidy(self, *, user: str | None = None) -> None:
        """Drop pooled files, of `user` or of all, that no upload has any more."""
        for path in self._pool.glob(f"{'*' if user is None else owner(user)}/*"):
            with contextlib.suppress(OSError):
                if path.stat().st_nlink == 1:
                    path.unlink()


class Arrival:
    """One file on its way. Safe to use from any thread."""

    def __init__(
        self, *, part: Path, file: Path, pool: Path, frame: int, keeper: Keeper, helpers: ThreadPoolExecutor
    ) -> None:
        self._part, self._file, self._pool, self._frame = part, file, pool, frame
        self._keeper = keeper
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._size = 0
        """Bytes that came, those on their way to the disk among them."""
        self._written = 0
        self._digest: hashlib._Hash | None = None
        """Of all bytes so far; None where some came before this object was made."""
        self._taking = Lane(do=self._take, helpers=helpers)

    def add(self, data: memoryview, *, offset: int) -> None:
        """Append bytes; raises `UploadOffsetError` where they do not follow on, and keeps what there is."""
        with self._lock:
            self._ready()
            if self._taking.failed:
                self._wait()
            if offset != self._size or (data and self._descriptor is None):
                raise self._misplaced(offset)
            if data:
                self._size += len(data)
                self._taking.put(data)

    def finish(self, *, size: int, sha256: bytes) -> bool:
        """Make the file whole; returns whether this call did it. One of which nothing has come is only looked for.

        Raises `UploadOffsetError` where bytes are missing, and `UploadDamagedError` where they are others than the
        client said; then it has to be sent again from the start.
        """
        if len(sha256) != _HASH_BYTES:
            raise InvalidRequestError("the hash is no SHA-256.", next_step="Send its 32 bytes.", field="sha256")
        with self._lock:
            self._ready()
            self._wait()
            if self._file.exists():
                if self._file.stat().st_size == size and hash_of(self._file) == sha256:
                    return False  # the answer to the client was lost, not the file
                raise self._misplaced(size)
            if self._size == 0 and size:
                known = self._is_pooled(size, sha256)
                if known:
                    self._drop()
                return known
            if self._size < size:
                raise self._misplaced(size)
            found = self._digest_so_far()
            if self._size > size or found != sha256:
                arrived = self._size
                self._drop()
                raise UploadDamagedError(
                    f"frame {self._frame} did not arrive as it was sent.",
                    next_step="Send it again from the start.",
                    frame=self._frame,
                    expected=f"{size} bytes, SHA-256 {sha256.hex()}",
                    actual=f"{arrived} bytes, SHA-256 {found.hex()}",
                )
            self._keep(sha256)
            return True

    def settle(self) -> None:
        """Until all that has come is written, or lost: whoever goes on finds out how much is there."""
        with self._lock, contextlib.suppress(OverscanError):
            self._wait()

    def close(self) -> None:
        """Close the file; what has arrived stays."""
        self.settle()
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _ready(self) -> None:
        if self._descriptor is not None:
            return
        self._keeper.wait(self._file)  # which may have been lost, and be gone then
        if not self._file.exists():
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            try:
                self._descriptor = os.open(self._part, flags, 0o600)
            except FileNotFoundError:
                raise UnknownUploadError(
                    "the upload was deleted meanwhile.", next_step="Upload the frames again.", field="upload_id"
                ) from None
            except OSError as error:
                raise self._refused(error) from error
            self._size = self._written = os.fstat(self._descriptor).st_size
            self._digest = hashlib.sha256() if not self._size else None

    def _take(self, data: memoryview) -> None:
        """Write and hash bytes, while the processor has them at hand; none of them stay where the disk has no room for
        all."""
        descriptor = self._descriptor
        if descriptor is None:
            raise AssertionError("nothing is written to a file that is whole")
        view = data
        try:
            while view:
                view = view[os.write(descriptor, view) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._written)
            raise self._refused(error) from error
        self._written += len(data)
        if self._digest is not None:
            self._digest.update(data)

    def _digest_so_far(self) -> bytes:
        return hash_of(self._part) if self._digest is None else self._digest.digest()

    def _keep(self, sha256: bytes) -> None:
        descriptor = self._descriptor
        if descriptor is None:
            raise AssertionError("a part that is whole is open")
        os.close(descriptor)
        self._descriptor = None
        try:
            self._keeper.keep(part=self._part, file=self._file, pooled=self._pool / sha256.hex())
        except OSError as error:
            raise self._refused(error) from error

    def _is_pooled(self, size: int, sha256: bytes) -> bool:
        """Whether the same user has sent the same file before; then it is in its place now."""
        pooled = self._pool / sha256.hex()
        self._keeper.wait(pooled)
        try:
            if pooled.stat().st_size != size:
                return False
            os.link(pooled, self._file)
        except OSError:
            return False
        return True

    def _drop(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._part.unlink(missing_ok=True)
        self._size = 0

    def _wait(self) -> None:
        """Until all that has come is written and hashed; raises what kept it from there."""
        try:
            self._taking.wait()
        except BaseException:
            self._size = self._written
            raise

    def _misplaced(self, offset: int) -> UploadOffsetError:
        whole = self._file.exists()
        size = self._file.stat().st_size if whole else self._size
        return UploadOffsetError(
            f"frame {self._frame} {'is whole' if whole else 'has arrived'} up to byte {size}, and not {offset}.",
            next_step="Ask GetUpload how much has arrived, and go on there.",
            field="offset",
            frame=self._frame,
            expected=size,
            actual=offset,
        )

    def _refused(self, error: OSError) -> OverscanError:
        if error.errno in _FULL:
            return DiskFullError(
                "no room left for uploads on the service's disk.",
                next_step="Have some space freed there, then go on; what has arrived stays.",
                frame=self._frame,
            )
        return OverscanError(
            f"frame {self._frame} cannot be kept: {error.strerror}.", next_step="See the service's log."
        )


def owner(user: str) -> str:
    """The name of a user's folder in the pool."""
    return hashlib.sha256(user.encode()).hexdigest()[:32]
