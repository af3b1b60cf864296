"""`DownloadFrameResponse`."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message

from overscan.chunks._fields import ChunkBuffer, split
from overscan.v1 import frame_service_pb2 as pb


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadChunk:
    """A `DownloadFrameResponse` whose data are still in the bytes that came."""

    offset: int
    data: memoryview
    total_size: int
    sha256: bytes


def read_download_chunk(raw: bytes) -> DownloadChunk:
    """The chunk in a serialised `DownloadFrameResponse`; raises `DecodeError`."""
    rest, data = split(raw, pb.DownloadFrameResponse.DATA_FIELD_NUMBER)
    message = pb.DownloadFrameResponse.FromString(rest)
    return DownloadChunk(offset=message.offset, data=data, total_size=message.total_size, sha256=message.sha256)


class DownloadBuffer(ChunkBuffer):
    """Reads chunks of at most `size` bytes and serialises them as `DownloadFrameResponse`, in memory that it keeps."""

    def message(self, response: pb.DownloadFrameResponse) -> bytes:
        """`response`, which has no data, serialised with what was read last as its data."""
        return self._joined(response.SerializeToString(), pb.DownloadFrameResponse.DATA_FIELD_NUMBER)


def write_download(message: Message | bytes) -> bytes:
    """A `DownloadFrameResponse` that is serialised already, or not yet."""
    return message if isinstance(message, bytes) else message.SerializeToString()
