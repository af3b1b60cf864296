"""Messages as plain data in the form that job files use: the way back of `_reading`."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from datetime import timezone
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp

from overscan.client._enums import enum_word
from overscan.client._frames import frames_to_text
from overscan.v1.frames_pb2 import FrameSet
from overscan.v1.geometry_pb2 import Offset, Size


def to_plain(message: Message, *, defaults: bool = False) -> Any:
    """The message as dicts, lists, strings and numbers, ready for JSON and YAML.

    Frame sets become range expressions, sizes ``2880x1080``, offsets ``X,Y``, enums their short words, times ISO 8601
    in UTC, bytes base64; 64-bit numbers stay numbers. With `defaults`, fields that hold no value of their own are
    there as well (messages and optional fields that are not set stay out).
    """
    shorthand = _SHORTHANDS.get(message.DESCRIPTOR.full_name)
    if shorthand is not None:
        return shorthand(message)
    plain: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.has_presence:
            if message.HasField(field.name):
                plain[field.name] = _one(field, value, defaults)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            if value or defaults:
                plain[field.name] = {name: _of_value(value[name]) for name in sorted(value)}
        elif field.is_repeated:
            if value or defaults:
                plain[field.name] = [_one(field, item, defaults) for item in value]
        elif value or defaults:
            plain[field.name] = _one(field, value, defaults)
    return plain


def _one(field: Any, value: Any, defaults: bool) -> Any:
    if field.message_type is not None:
        return to_plain(value, defaults=defaults)
    if field.enum_type is not None:
        return enum_word(field.enum_type, value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode("ascii")
    if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT:
        return _shortest(value)
    return value


def _shortest(value: float) -> float:
    """The shortest decimal that is the same 32-bit float: 0.1, not 0.10000000149011612."""
    exact = struct.pack("f", value)
    for digits in range(1, 9):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == exact:
            return short
    return float(f"{value:.9g}")


def _of_frames(message: Message) -> str:
    assert isinstance(message, FrameSet)
    return frames_to_text(message)


def _of_size(message: Message) -> str:
    assert isinstance(message, Size)
    return f"{message.width}x{message.height}"


def _of_offset(message: Message) -> str:
    assert isinstance(message, Offset)
    return f"{message.x},{message.y}"


def _of_time(message: Message) -> str:
    assert isinstance(message, Timestamp)
    return message.ToDatetime(tzinfo=timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _of_value(message: Message) -> Any:
    assert isinstance(message, Value)
    kind = message.WhichOneof("kind")
    if kind == "number_value":
        return int(message.number_value) if message.number_value.is_integer() else message.number_value
    if kind == "list_value":
        return [_of_value(item) for item in message.list_value.values]
    if kind == "struct_value":
        return {name: _of_value(item) for name, item in message.struct_value.fields.items()}
    return None if kind in (None, "null_value") else getattr(message, kind)


_SHORTHANDS: dict[str, Callable[[Message], Any]] = {
    FrameSet.DESCRIPTOR.full_name: _of_frames,
    Size.DESCRIPTOR.full_name: _of_size,
    Offset.DESCRIPTOR.full_name: _of_offset,
    Timestamp.DESCRIPTOR.full_name: _of_time,
    Value.DESCRIPTOR.full_name: _of_value,
}
