"""Fetches the files of a result from a service that cannot write to this machine's disks."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Protocol

from overscan.chunks import CHUNK_BYTES
from overscan.client._errors import ServiceError, make_problem
from overscan.client._link import Link
from overscan.client._patience import Patience
from overscan.client._upload import PATIENCE_SECONDS, STREAMS, Caller, Progress, Tally
from overscan.v1 import frame_service_pb2 as pb

_QUICK_SECONDS = 60.0
_TRIES = 2
"""How often a file is fetched that does not arrive as it was sent."""
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


def result_files(caller: Caller, *, job_id: str) -> Iterator[pb.ResultFile]:
    """The files of a job's result that are there, frames first."""
    request = pb.ListResultFilesRequest(job_id=job_id)
    while True:
        page = caller.call(
            lambda link: link.frames.ListResultFiles(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
        )
        yield from page.files
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def fetch(
    caller: Caller,
    *,
    job_id: str,
    folder: str | os.PathLike[str],
    files: Iterable[pb.ResultFile] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    streams: int = STREAMS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> tuple[Path, ...]:
    """Fetch the files of a job's result (all that are there, or just `files`) into a folder, under their own names.

    `streams` files are on their way at once. A cut connection is taken up where it stopped, as is a call that was
    killed, for as long as something arrives every `patience_seconds`; each file is checked against its hash and
    appears whole or not at all. One that is there already with the same content is left alone; another one is
    replaced only with `overwrite`. Returns where they are. Raises `ServiceError`, with the code OUTPUT_EXISTS among
    others.
    """
    wanted = list(result_files(caller, job_id=job_id) if files is None else files)
    place = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow links)
    _make(place)
    tally = Tally(total=sum(file.size for file in wanted), progress=progress)
    stop = threading.Event()
    with ThreadPoolExecutor(max(1, min(streams, len(wanted))), thread_name_prefix="fetch") as pool:
        try:
            pending = [
                pool.submit(
                    _Fetching(caller, job_id, file, place, tally, Patience(seconds=patience_seconds, stop=stop)).run,
                    overwrite=overwrite,
                )
                for file in wanted
            ]
            return tuple(done.result() for done in pending)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


class _Fetching:
    """One file on its way."""

    def __init__(
        self, caller: Caller, job_id: str, file: pb.ResultFile, folder: Path, tally: Tally, patience: Patience
    ) -> None:
        self._caller, self._job_id, self._file = caller, job_id, file
        self._tally, self._patience = tally, patience
        self._path = folder / _plain(file.name)
        # The same name each time: whoever comes after a killed call goes on with it.
        self._part = folder / f".overscan-{job_id[:32]}-{self._path.name}.part"
        self._counted = 0

    def run(self, *, overwrite: bool) -> Path:
        """Fetch the file; returns where it is."""
        try:
            if os.path.lexists(self._path):
                if self._is_there():
                    self._count(self._file.size)
                    return self._path
                if not overwrite:
                    raise self._exists()
            for left in reversed(range(_TRIES)):
                if self._fetched():
                    break
                self._part.unlink(missing_ok=True)
                self._count(0)
                if not left:
                    raise _problem(
                        "TRANSFER_DAMAGED",
                        f"'{self._path.name}' did not arrive as it was sent.",
                        "Fetch it again; if it stays like this, check the network and both disks.",
                        self._path,
                    )
            self._put(overwrite=overwrite)
        except OSError as error:
            raise _refused(error, self._path) from error
        return self._path

    def _fetched(self) -> bool:
        """Whether the whole file has come and its hash is right."""
        digest = hashlib.sha256()
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        with FileIO(os.open(self._part, flags, 0o666), "r+b") as part:
            while block := part.read(CHUNK_BYTES):
                digest.update(block)
            while True:
                begin = part.tell()
                self._count(begin)
                receive = partial(self._receive, part=part, digest=digest, begin=begin)
                try:
                    sha256 = self._caller.call_once(receive)
                except ServiceError as error:
                    if error.code == "MALFORMED_REQUEST" and begin:
                        return False  # the file has become shorter
                    self._patience.wait(error)
                    continue
                if sha256 is not None:
                    os.fsync(part.fileno())
                    return bool(sha256 == digest.digest())

    def _receive(self, link: Link, *, part: FileIO, digest: _Digest, begin: int) -> bytes | None:
        """Take the file from `begin` on; returns its hash, None where the stream ended without it."""
        stream = link.download(self._request(begin), metadata=link.metadata)
        try:
            for chunk in stream:
                left = chunk.data
                while left:  # a disk that fills up takes a part of it first
                    left = left[part.write(left) or 0 :]
                digest.update(chunk.data)
                if chunk.data:
                    self._patience.renew()
                    self._count(chunk.offset + len(chunk.data))
                if chunk.sha256:
                    return chunk.sha256 if part.tell() == chunk.total_size else b""  # which is no file's
        finally:
            stream.cancel()
        return None

    def _is_there(self) -> bool:
        """Whether the file in the way is the very one that would come."""
        if not self._path.is_file() or self._path.stat().st_size != self._file.size:
            return False

        def ask(link: Link) -> bytes:
            request = self._request(self._file.size)
            return b"".join(chunk.sha256 for chunk in link.download(request, metadata=link.metadata))

        digest = hashlib.sha256()
        with self._path.open("rb") as file:
            while block := file.read(CHUNK_BYTES):
                digest.update(block)
        return self._caller.call(ask) == digest.digest()

    def _request(self, begin: int) -> pb.DownloadFrameRequest:
        request = pb.DownloadFrameRequest(job_id=self._job_id, offset=begin, sidecar=self._file.sidecar)
        if self._file.HasField("frame"):
            request.frame = self._file.frame
        else:
            request.name = self._file.name
        return request

    def _put(self, *, overwrite: bool) -> None:
        if overwrite:
            self._part.replace(self._path)
            return
        try:
            os.link(self._part, self._path)  # a rename that replaces nothing
        except FileExistsError:
            raise self._exists() from None
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # File systems without hard links (exFAT, some SMB shares): claim the name first.
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL))
            self._part.replace(self._path)
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    def _exists(self) -> ServiceError:
        return _problem(
            "OUTPUT_EXISTS",
            f"'{self._path.name}' is there already.",
            "Choose another output, or allow replacing it with --overwrite.",
            self._path,
        )

    def _count(self, done: int) -> None:
        if done != self._counted:
            self._tally.add(done - self._counted)
            self._counted = done


class _Digest(Protocol):
    """What hashlib's objects do."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


def _plain(name: str) -> str:
    """A file name that stays in its folder, whatever a service says."""
    if (
        not name
        or name in (".", "..")
        or any(letter in name for letter in "/\\\0")
        or (os.name == "nt" and ":" in name)
    ):
        raise _problem(
            "TRANSFER_DAMAGED", f"the service names a file '{name}'.", "Update the service or the client.", Path(name)
        )
    return name


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(error, folder) from error


def _refused(error: OSError, path: Path) -> ServiceError:
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    return _problem(
        "DISK_FULL" if full else "OUTPUT_NOT_WRITABLE",
        f"cannot be written: {error.strerror or error}.",
        "Free some space, and fetch it again." if full else "Check the folder, or choose another output.",
        path,
    )


def _problem(code: str, message: str, next_step: str, path: Path) -> ServiceError:
    return ServiceError([make_problem(code, message, next_step=next_step, path=str(path))])
