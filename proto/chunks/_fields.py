"""One field of bytes in a serialised message, taken out and put in.

The format: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_HEAD_BYTES_MAX = 256
"""All fields but the data, written here."""
_REST_BYTES_MAX = 64 << 10
"""The same, read here: whoever keeps the data keeps all that came with it, and reading is slow, field by field."""


class ChunkBuffer:
    """Reads chunks of at most `size` bytes, and puts the rest of a message before them, in memory that it keeps."""

    def __init__(self, *, size: int) -> None:
        self._whole = memoryview(bytearray(_HEAD_BYTES_MAX + size))
        self._size = 0

    def fill(self, read: Callable[[memoryview], int | None], *, most: int) -> memoryview:
        """Have `read` put at most `most` bytes here; what it has put."""
        self._size = read(self._whole[_HEAD_BYTES_MAX : _HEAD_BYTES_MAX + most]) or 0
        return self._whole[_HEAD_BYTES_MAX : _HEAD_BYTES_MAX + self._size]

    def _joined(self, rest: bytes, number: int) -> bytes:
        """What was read last as field `number`, after the `rest` of a message."""
        head = rest + bytes((number << 3 | _BYTES,)) + _varint(self._size)
        begin = _HEAD_BYTES_MAX - len(head)
        self._whole[begin:_HEAD_BYTES_MAX] = head
        return bytes(self._whole[begin : _HEAD_BYTES_MAX + self._size])


def split(raw: bytes, number: int) -> tuple[bytes, memoryview]:
    """A serialised message without its field `number`, which holds bytes, and these; the last ones count.

    Raises `DecodeError`.
    """
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
        if at - len(data) > _REST_BYTES_MAX:
            raise DecodeError("there is too much beside the data")
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
