"""Brings frames to a service that cannot read this machine's disks."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import Protocol, TypeVar

from overscan.chunks import CHUNK_BYTES, UploadBuffer
from overscan.client._errors import JobFileError, ServiceError, make_problem
from overscan.client._frame_files import FrameFiles
from overscan.client._frames import frames_from_numbers, frames_of, frames_to_text
from overscan.client._link import Link
from overscan.client._patience import Patience
from overscan.v1 import frame_service_pb2 as pb
from overscan.v1.frames_pb2 import FrameSet

Answer = TypeVar("Answer")
Progress = Callable[[int, int], None]
"""Told of bytes done and bytes in all."""

STREAMS = 4
PATIENCE_SECONDS = 60.0
_TRIES = 3
"""How often a file is sent that changes while it is read, or does not arrive as it was sent."""
_QUICK_SECONDS = 60.0


class Caller(Protocol):
    """What transfers need of a client."""

    def call(self, method: Callable[[Link], Answer]) -> Answer:
        """Make a call, with new tries where the connection breaks."""

    def call_once(self, method: Callable[[Link], Answer]) -> Answer:
        """Make a call, whatever comes of it; raises `ServiceError`."""


class Tally:
    """Adds up what several threads have done."""

    def __init__(self, *, total: int, progress: Progress | None) -> None:
        self._lock = threading.Lock()
        self._done, self._total, self._progress = 0, total, progress

    def add(self, count: int) -> None:
        """So many bytes more; fewer, for what has to be done again."""
        with self._lock:
            self._done += count
            if self._progress is not None:
                self._progress(self._done, self._total)


def upload(
    caller: Caller,
    *,
    path: str,
    frames: FrameSet | None = None,
    progress: Progress | None = None,
    streams: int = STREAMS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> str:
    """Bring the frames of a path pattern (all that are on disk, or just `frames`); returns the upload's id.

    `streams` frames are on their way at once. A cut connection is taken up where it stopped, for as long as something
    arrives every `patience_seconds`; what the service has from before is not sent again. Raises `JobFileError` for
    frames that are not there, and `ServiceError`.
    """
    files = _files(path, frames)
    request = pb.CreateUploadRequest(name=os.path.abspath(path), frames=frames_from_numbers(files))  # noqa: PTH100
    upload_id = caller.call(
        lambda link: link.frames.CreateUpload(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
    ).upload_id
    tally = Tally(total=sum(file.stat().st_size for file in files.values()), progress=progress)
    stop = threading.Event()
    with ThreadPoolExecutor(max(1, min(streams, len(files))), thread_name_prefix="upload") as pool:
        try:
            for done in [
                pool.submit(
                    _Sending(caller, upload_id, frame, file, tally, Patience(seconds=patience_seconds, stop=stop)).run
                )
                for frame, file in files.items()
            ]:
                done.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return upload_id


def _files(path: str, frames: FrameSet | None) -> dict[int, Path]:
    found = FrameFiles.of(path).found()
    if frames is not None and frames.ranges:
        wanted = frames_of(frames)
        if len(found) == 1 and len(wanted) == 1 and FrameFiles.of(path).padding is None:
            found = {next(iter(wanted)): next(iter(found.values()))}  # a still stands for any one frame
        missing = sorted(wanted - set(found))
        found = {number: found[number] for number in sorted(wanted & set(found))}
    else:
        missing = []
        found = dict(sorted(found.items()))
    if missing or not found:
        what = f"missing frames: {frames_to_text(frames_from_numbers(missing))}" if missing else "no file fits"
        raise JobFileError(
            [make_problem("MISSING_FRAMES", f"{what} ({path}).", next_step="Check the path and the frames.", path=path)]
        )
    return found


class _Sending:
    """One file on its way."""

    def __init__(
        self, caller: Caller, upload_id: str, frame: int, file: Path, tally: Tally, patience: Patience
    ) -> None:
        self._caller, self._upload_id, self._frame, self._file = caller, upload_id, frame, file
        self._tally, self._patience = tally, patience
        self._counted = 0

    def run(self) -> None:
        """Send the file, whatever happens to the connection."""
        for left in reversed(range(_TRIES)):
            size, sha256 = _hash_of(self._file)
            try:
                self._send(size, sha256)
            except ServiceError as error:
                if error.code not in ("UPLOAD_DAMAGED", "UPLOAD_OFFSET") or not left:
                    raise
                self._count(0)
            else:
                self._count(size)
                return

    def _send(self, size: int, sha256: bytes) -> None:
        known = pb.UploadFramesRequest(upload_id=self._upload_id, frame=self._frame, total_size=size, sha256=sha256)
        begin, asked = 0, False
        while True:
            try:
                if not asked:
                    asked = True
                    if self._stream(iter([known.SerializeToString()])):
                        return
                self._stream(self._pieces(begin, size, sha256))
                return
            except ServiceError as error:
                if error.code != "UPLOAD_OFFSET":
                    self._patience.wait(error)
                begin_before = begin
                begin, whole = self._arrived()
                if whole:
                    return
                if error.code == "UPLOAD_OFFSET" and begin in (begin_before, size):
                    raise  # no cut connection: the file has become shorter
                self._count(begin)

    def _stream(self, messages: Iterator[bytes]) -> bool:
        return bool(self._caller.call_once(lambda link: link.upload(messages, metadata=link.metadata)).frames)

    def _pieces(self, begin: int, size: int, sha256: bytes) -> Iterator[bytes]:
        buffer = UploadBuffer(size=CHUNK_BYTES)
        with FileIO(self._file, "rb") as file:
            file.seek(begin)
            offset = begin
            while True:
                data = buffer.fill(file.readinto, most=min(CHUNK_BYTES, max(size - offset, 0)))
                message = pb.UploadFramesRequest(upload_id=self._upload_id, frame=self._frame, offset=offset)
                offset += len(data)
                if offset >= size or not data:
                    message.total_size, message.sha256 = size, sha256
                yield buffer.message(message)  # which is sent, or copied, before the next is read
                if offset > begin + CHUNK_BYTES:
                    self._patience.renew()
                self._count(offset)
                if offset >= size or not data:
                    return

    def _arrived(self) -> tuple[int, bool]:
        request = pb.GetUploadRequest(upload_id=self._upload_id)
        while True:
            try:
                answer = self._caller.call_once(
                    lambda link: link.frames.GetUpload(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
                )
            except ServiceError as error:
                self._patience.wait(error)
                continue
            for frame in answer.frames:
                if frame.frame == self._frame:
                    return frame.size, frame.complete
            return 0, False

    def _count(self, done: int) -> None:
        if done != self._counted:
            self._tally.add(done - self._counted)
            self._counted = done


def _hash_of(path: Path) -> tuple[int, bytes]:
    """Size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    buffer = bytearray(CHUNK_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
            size += count
    return size, digest.digest()
