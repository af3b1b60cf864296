"""Which uploads a spec names."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message

from overscan.v1.job_pb2 import JobSpec
from overscan.v1.media_pb2 import SequenceRef


def upload_ids(spec: JobSpec) -> frozenset[str]:
    """The ids of all uploads that a job reads."""
    return frozenset(
        sequence.upload_id for sequence in sequences(spec) if sequence.WhichOneof("location") == "upload_id"
    )


def sequences(message: Message) -> Iterator[SequenceRef]:
    """Every sequence that a message names, at any depth."""
    if isinstance(message, SequenceRef):
        yield message
        return
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is None or kind.GetOptions().map_entry:
            continue
        for item in value if field.is_repeated else (value,):
            yield from sequences(item)
