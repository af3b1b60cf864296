"""How large a request may be inside. gRPC limits its bytes, protobuf how deep it goes; this limits what it holds."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from overscan.service._errors import InvalidRequestError

BYTES_MAX = 4 << 20
"""Of one request: a chunk of a frame is 1 MiB, and the spec of a job with many tracks may be larger."""
_TEXT_MAX = 64 << 10
"""Characters of one text: a prompt, a path, a name."""
_VALUES_MAX = 100_000
"""Values in all: tracks of points are the most that an honest job has."""
_DEPTH_MAX = 24
_CHUNK_MAX = 1 << 20
"""Bytes of one field. Chunks of frames are not looked at here: their own reader never copies them."""


def check_message(message: Message) -> None:
    """Raise `InvalidRequestError` where a request holds more than any honest one."""
    left = _VALUES_MAX
    waiting: list[tuple[Message, str, int]] = [(message, "", 1)]
    while waiting:
        current, place, depth = waiting.pop()
        if depth > _DEPTH_MAX:
            raise _refusal(f"'{place}' is nested too deep", place, f"at most {_DEPTH_MAX} levels")
        for field, value in current.ListFields():
            name = f"{place}.{field.name}" if place else field.name
            values = _values(field, value)
            left -= len(values)
            if left < 0:
                raise _refusal("the request holds too many values", name, f"at most {_VALUES_MAX}")
            for item in values:
                if isinstance(item, Message):
                    waiting.append((item, name, depth + 1))
                elif isinstance(item, str) and len(item) > _TEXT_MAX:
                    raise _refusal(f"the text of '{name}' is too long", name, f"at most {_TEXT_MAX} characters")
                elif isinstance(item, bytes) and len(item) > _CHUNK_MAX:
                    raise _refusal(f"the bytes of '{name}' are too many", name, f"at most {_CHUNK_MAX}")


def _values(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, (str, bytes, Message)) or not hasattr(value, "__len__"):
        return (value,)
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return (*value.keys(), *value.values())
    return value


def _refusal(what: str, field: str, expected: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{what}.",
        next_step="Cut the job into several, or name files in place of values.",
        field=field,
        expected=expected,
    )
