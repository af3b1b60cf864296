"""Messages with a large chunk of bytes, to and from the wire with as few copies of it as gRPC lets us have.

What protobuf would do is done here by hand for one field, and by protobuf for all others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import DecodeError, Message

from overscan.v1 import frame_service_pb2 as pb

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_HEAD_BYTES_MAX = 256
"""All fields of a response but its data."""


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
    rest, data = _split(raw, pb.UploadFramesRequest.DATA_FIELD_NUMBER)
    message = pb.UploadFramesRequest.FromString(rest)
    return UploadChunk(
        upload_id=message.upload_id,
        frame=message.frame,
        offset=message.offset,
        data=data,
        total_size=message.total_size,
        sha256=message.sha256,
    )


class DownloadBuffer:
    """Reads chunks of at most `size` bytes and serialises them as `DownloadFrameResponse`, in memory that it keeps."""

    def __init__(self, *, size: int) -> None:
        self._whole = memoryview(bytearray(_HEAD_BYTES_MAX + size))
        self._size = 0

    def fill(self, read: Callable[[memoryview], int | None], *, most: int) -> memoryview:
        """Have `read` put at most `most` bytes here; what it has put."""
        self._size = read(self._whole[_HEAD_BYTES_MAX : _HEAD_BYTES_MAX + most]) or 0
        return self._whole[_HEAD_BYTES_MAX : _HEAD_BYTES_MAX + self._size]

    def message(self, *, offset: int, total_size: int, sha256: bytes) -> bytes:
        """What was read last, as a serialised message."""
        head = pb.DownloadFrameResponse(offset=offset, total_size=total_size, sha256=sha256).SerializeToString()
        tag = pb.DownloadFrameResponse.DATA_FIELD_NUMBER << 3 | _BYTES
        head += bytes((tag,)) + _varint(self._size)
        begin = _HEAD_BYTES_MAX - len(head)
        self._whole[begin:_HEAD_BYTES_MAX] = head
        return bytes(self._whole[begin : _HEAD_BYTES_MAX + self._size])


def write_download(message: Message | bytes) -> bytes:
    """A `DownloadFrameResponse` that is serialised already, or not yet."""
    return message if isinstance(message, bytes) else message.SerializeToString()


def _split(raw: bytes, number: int) -> tuple[bytes, memoryview]:
    """A serialised message without its field `number`, which holds bytes, and these; the last ones count."""
    view = memoryview(raw)
    data, rest, at = view[:0], bytearray(), 0
    while at < len(raw):
        begin = at
        tag, at = _read_varint(raw, at)
        kind = tag & 7
        if kind == _BYTES:
            size, at = _read_varint(raw, at)
            if at + size <= len(raw) and tag >> 3 == number:
                data = view[at : at + size]
                begin = at + size
            at += size
        elif kind == _VARINT:
            _, at = _read_varint(raw, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise DecodeError("a group, which no message of ours has")
        if at > len(raw):
            raise DecodeError("the message ends in the middle of a field")
        rest += view[begin:at]
    return bytes(rest), data


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 64:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise DecodeError("a number without an end")


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
