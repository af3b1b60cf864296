"""One stream of chunks: which file each belongs to, and the ends of files, seen to beside the coming of the next."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from types import TracebackType

from overscan.chunks import CHUNK_BYTES, UploadChunk
from overscan.service._errors import InvalidRequestError
from overscan.service.operations import metrics
from overscan.service.transfers.arrivals import Arrival
from overscan.service.transfers.uploads import Upload, Uploads

_ENDINGS_MAX = 2
"""Files of one stream whose ends are seen to at once."""


class Incoming:
    """Takes the chunks of one stream; what has come stays, whatever ends it. Close it, or use it in ``with``."""

    def __init__(self, *, uploads: Uploads, find: Callable[[str], Upload], finishers: Executor) -> None:
        """`find` gives the caller's upload of an id, or raises; `finishers` see to the ends of files."""
        self._uploads = uploads
        self._find = find
        self._finishers = finishers
        self._upload: Upload | None = None
        self._frame: int | None = None
        self._arrival: Arrival | None = None
        self._holding = contextlib.ExitStack()
        """Keeps the arrival open."""
        self._endings: deque[tuple[Future[bool], contextlib.ExitStack]] = deque()
        self._whole = 0

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, chunk: UploadChunk) -> None:
        """Take the next chunk; raises what is wrong with it, or with the end of a file before."""
        if len(chunk.data) > CHUNK_BYTES:
            raise InvalidRequestError(
                f"a chunk has {len(chunk.data)} bytes.",
                next_step=f"Send at most {CHUNK_BYTES} at once.",
                field="data",
                expected=f"at most {CHUNK_BYTES}",
                actual=len(chunk.data),
            )
        arrival = self._arrival_of(chunk)
        if chunk.data or not chunk.sha256:
            self._add(arrival, chunk)
        if chunk.sha256:
            ending = self._finishers.submit(arrival.finish, size=chunk.total_size, sha256=chunk.sha256)
            self._endings.append((ending, self._holding.pop_all()))
            self._arrival = None
        while self._endings and (self._endings[0][0].done() or len(self._endings) > _ENDINGS_MAX):
            self._settle()

    def end(self) -> int:
        """Wait for the ends of all files; returns how many became whole by this stream."""
        while self._endings:
            self._settle()
        return self._whole

    def close(self) -> None:
        """Let go of all files."""
        self._arrival = None
        self._holding.close()
        while self._endings:
            ending, holding = self._endings.popleft()
            if not ending.cancel():
                wait([ending])
            holding.close()

    def _arrival_of(self, chunk: UploadChunk) -> Arrival:
        if self._upload is None or self._upload.id != chunk.upload_id:
            self._upload, self._arrival = self._find(chunk.upload_id), None
        if self._arrival is None or self._frame != chunk.frame:
            self._arrival = None
            self._holding.close()  # a file that is left unfinished must not stay open: there may be any number
            self._arrival = self._holding.enter_context(self._uploads.arrival(self._upload, chunk.frame))
            self._frame = chunk.frame
        return self._arrival

    def _add(self, arrival: Arrival, chunk: UploadChunk) -> None:
        assert self._upload is not None
        count = len(chunk.data)
        self._uploads.charge(self._upload, count)
        try:
            arrival.add(chunk.data, offset=chunk.offset)
        except BaseException:
            self._uploads.charge(self._upload, -count)
            raise
        metrics.bytes_moved(direction="in", count=count)

    def _settle(self) -> None:
        """Wait for the end of a file; raises what kept it from being whole."""
        ending, holding = self._endings.popleft()
        with holding:
            try:
                self._whole += ending.result()
            except BaseException:
                self._uploads.recount()
                raise
