"""`FrameService`: frames in and results out over gRPC, for clients without shared storage."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO
from itertools import cycle
from pathlib import Path
from typing import Any

import grpc

from overscan.chunks import CHUNK_BYTES, DownloadBuffer, UploadChunk, read_upload_chunk, write_download
from overscan.core.errors import InvalidJobError
from overscan.service._errors import InvalidRequestError, ResultNotKeptError, UnknownFileError, UploadInUseError
from overscan.service.calls.rpc import Activity, answers, caller, streams
from overscan.service.operations import metrics
from overscan.service.security.roles import Role
from overscan.service.security.users import Caller, require_owner
from overscan.service.store.store import Store
from overscan.service.store.writer import ENDED
from overscan.service.transfers.hashes import hash_file
from overscan.service.transfers.incoming import Incoming
from overscan.service.transfers.places import Places
from overscan.service.transfers.results import Results
from overscan.service.transfers.upload_ids import upload_ids
from overscan.service.transfers.uploads import Upload
from overscan.service.wire.frame_sets import read_frames
from overscan.v1 import frame_service_pb2 as pb
from overscan.v1.frame_service_pb2_grpc import FrameServiceServicer, add_FrameServiceServicer_to_server
from overscan.v1.job_pb2 import JobSpec

TRANSFERS_MAX = 32
"""Streams of frames at once; each holds a thread."""
_PAGE_SIZE = 1000


class FrameServicer(FrameServiceServicer):
    """Answers calls about frames."""

    streams_max = TRANSFERS_MAX
    streams_kind = "transfers"

    def __init__(self, *, store: Store, places: Places, results: Results, activity: Activity) -> None:
        self.activity = activity
        self._store = store
        self._uploads = places.uploads
        self._results = results
        self._hashers = ThreadPoolExecutor(2, thread_name_prefix="hash")

    @answers
    def CreateUpload(self, request: pb.CreateUploadRequest, context: grpc.ServicerContext) -> pb.CreateUploadResponse:  # noqa: N802
        """Open an upload."""
        frames = read_frames(request.frames, field="frames")
        if frames is None:
            raise InvalidJobError("the upload has no frames.", next_step="Announce all that will come.", field="frames")
        upload = self._uploads.create(user=caller(context).name, name=request.name, frames=frames)
        return pb.CreateUploadResponse(upload_id=upload.id)

    @answers
    def GetUpload(self, request: pb.GetUploadRequest, context: grpc.ServicerContext) -> pb.GetUploadResponse:  # noqa: N802
        """Say what has arrived."""
        upload = self._upload(request.upload_id, context)
        return pb.GetUploadResponse(
            frames=[
                pb.UploadedFrame(frame=frame, size=size, complete=whole)
                for frame, size, whole in self._uploads.arrived(upload)
            ]
        )

    @answers
    def UploadFrames(  # type: ignore[override]  # noqa: N802 (`add_frames_to_server` gives it chunks)
        self, request_iterator: Iterator[UploadChunk], context: grpc.ServicerContext
    ) -> pb.UploadFramesResponse:
        """Take chunks as they come; what has come stays, whatever ends the stream."""
        stream = self.activity.stream(most=self.streams_max, kind=self.streams_kind)
        incoming = Incoming(
            uploads=self._uploads, find=lambda name: self._upload(name, context), finishers=self._hashers
        )
        with stream, incoming:
            with contextlib.suppress(grpc.RpcError):  # the caller has gone: there is nobody to tell
                for chunk in request_iterator:
                    incoming.take(chunk)
            return pb.UploadFramesResponse(frames=incoming.end())

    @answers
    def DeleteUpload(self, request: pb.DeleteUploadRequest, context: grpc.ServicerContext) -> pb.DeleteUploadResponse:  # noqa: N802
        """Drop an upload that no job needs any more."""
        upload = self._upload(request.upload_id, context)
        for row in self._store.unfinished():
            if upload.id in upload_ids(JobSpec.FromString(row.spec)):
                raise UploadInUseError(
                    f"the job {row.id} reads this upload.",
                    next_step="Wait for it, or cancel it.",
                    field="upload_id",
                    actual=row.id,
                )
        self._uploads.remove(upload_id=upload.id)
        return pb.DeleteUploadResponse()

    @answers
    def ListResultFiles(  # noqa: N802
        self, request: pb.ListResultFilesRequest, context: grpc.ServicerContext
    ) -> pb.ListResultFilesResponse:
        """What there is of a result, page by page."""
        row = self._store.job(job_id=self._store.find(prefix=request.job_id))
        _require_reader(caller(context), row.user)
        token = request.page_token
        if token and not (token.isascii() and token.isdecimal() and len(token) <= len(str(2**31))):
            raise InvalidJobError(
                "the page token is none of ours.", next_step="Begin at the first page.", field="page_token"
            )
        begin, size = int(token or 0), min(request.page_size or _PAGE_SIZE, _PAGE_SIZE)
        files = list(self._results.files(row))
        page = files[begin : begin + size]
        return pb.ListResultFilesResponse(
            files=[
                pb.ResultFile(name=file.path.name, frame=file.frame, sidecar=file.sidecar, size=file.size)
                for file in page
            ],
            next_page_token=str(begin + size) if len(files) > begin + size else "",
        )

    @streams
    def DownloadFrame(  # type: ignore[override]  # noqa: N802 (`add_frames_to_server` takes bytes)
        self, request: pb.DownloadFrameRequest, context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """A file of a result, from an offset on: serialised `DownloadFrameResponse` messages."""
        row = self._store.job(job_id=self._store.find(prefix=request.job_id))
        _require_reader(caller(context), row.user)
        if request.name:
            path = self._results.named(row, request.name)
        else:
            path = self._results.frame(row, request.frame, sidecar=request.sidecar)
        with self._results.open(path, job_id=row.id) as file:
            status = os.fstat(file.fileno())
            if request.offset > status.st_size:
                raise InvalidRequestError(
                    f"'{path.name}' has {status.st_size} bytes, and not {request.offset}.",
                    next_step="Begin at its start.",
                    field="offset",
                    expected=f"at most {status.st_size}",
                    actual=request.offset,
                )
            known = self._results.hash_of(row, path, status)
            if known is None and request.offset:
                known = hash_file(file)
            yield from self._chunks(file, path, status, begin=request.offset, known=known)

    def _chunks(
        self, file: FileIO, path: Path, status: os.stat_result, *, begin: int, known: bytes | None
    ) -> Iterator[bytes]:
        """Chunks of an open file; its hash is taken beside the sending where it is not `known`."""
        digest = hashlib.sha256()
        hashing: Future[None] | None = None
        file.seek(begin)
        offset = begin
        for buffer in cycle([DownloadBuffer(size=CHUNK_BYTES) for _ in range(2)]):  # one is hashed, one is filled
            data = buffer.fill(file.readinto, most=min(CHUNK_BYTES, status.st_size - offset))
            if known is None:
                if hashing is not None:
                    hashing.result()
                hashing = self._hashers.submit(digest.update, data)
            last = offset + len(data) >= status.st_size
            if not (data or last):
                raise UnknownFileError(
                    f"'{path.name}' became shorter while it was sent.", next_step="Fetch it again.", actual=path.name
                )
            sha256 = b""
            if last:
                if hashing is not None:
                    hashing.result()
                sha256 = known or digest.digest()
                self._results.keep_hash(path, status, sha256)
            yield buffer.message(pb.DownloadFrameResponse(offset=offset, total_size=status.st_size, sha256=sha256))
            metrics.bytes_moved(direction="out", count=len(data))
            offset += len(data)
            if last:
                return

    @answers
    def DeleteResult(self, request: pb.DeleteResultRequest, context: grpc.ServicerContext) -> pb.DeleteResultResponse:  # noqa: N802
        """Drop a result that the service keeps."""
        row = self._store.job(job_id=self._store.find(prefix=request.job_id))
        require_owner(caller(context), row.user)
        if JobSpec.FromString(row.spec).output.path:
            raise ResultNotKeptError(
                "the result is not kept by the service: it is where the job was told to write it.",
                next_step="Delete the files there.",
                field="job_id",
                actual=row.id,
            )
        if row.state not in ENDED:
            raise ResultNotKeptError(
                "the job has not ended, and writes its result still.",
                next_step="Cancel it first, or wait for its end.",
                field="job_id",
                actual=row.id,
            )
        self._results.remove(job_id=row.id)
        return pb.DeleteResultResponse()

    def _upload(self, upload_id: str, context: grpc.ServicerContext) -> Upload:
        who = caller(context)
        return self._uploads.find(upload_id=upload_id, user=None if who.role >= Role.ADMIN else who.name)


def _require_reader(who: Caller, owner: str) -> None:
    """Pictures are for those who may change the job; viewers see how it stands, and its previews."""
    require_owner(who, owner, what="result", doing="fetch")


def add_frames_to_server(servicer: FrameServicer, server: grpc.Server) -> None:
    """Have `server` answer calls about frames, with codecs of our own where frames travel."""
    add_FrameServiceServicer_to_server(servicer, _Codecs(server))  # type: ignore[arg-type]


class _Codecs:
    """Takes the place of a server where handlers are added, and changes how some of them read and write."""

    def __init__(self, server: grpc.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """Nothing: those that are registered by name are enough."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Add handlers by name, some with other codecs."""
        upload, download = handlers["UploadFrames"], handlers["DownloadFrame"]
        handlers["UploadFrames"] = grpc.stream_unary_rpc_method_handler(
            upload.stream_unary, read_upload_chunk, upload.response_serializer
        )
        handlers["DownloadFrame"] = grpc.unary_stream_rpc_method_handler(
            download.unary_stream, download.request_deserializer, write_download
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self._server.add_registered_method_handlers(service, handlers)
