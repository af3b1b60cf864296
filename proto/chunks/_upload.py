"""`UploadFramesRequest`."""

from __future__ import annotations

from dataclasses import dataclass

from overscan.chunks._fields import ChunkBuffer, split
from overscan.v1 import frame_service_pb2 as pb


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadChunk:
    """An `UploadFramesRequest` whose data are still in the bytes that came."""

    upload_id: str
    frame: int
    offset: int
    data: memoryview
    total_size: int
    sha256: bytes


def read_upload_chunk(raw: bytes) -> UploadChunk:
    """The chunk in a serialised `UploadFramesRequest`; raises `DecodeError`."""
    rest, data = split(raw, pb.UploadFramesRequest.DATA_FIELD_NUMBER)
    message = pb.UploadFramesRequest.FromString(rest)
    return UploadChunk(
        upload_id=message.upload_id,
        frame=message.frame,
        offset=message.offset,
        data=data,
        total_size=message.total_size,
        sha256=message.sha256,
    )


class UploadBuffer(ChunkBuffer):
    """Reads chunks of at most `size` bytes and serialises them as `UploadFramesRequest`, in memory that it keeps."""

    def message(self, request: pb.UploadFramesRequest) -> bytes:
        """`request`, which has no data, serialised with what was read last as its data."""
        return self._joined(request.SerializeToString(), pb.UploadFramesRequest.DATA_FIELD_NUMBER)
