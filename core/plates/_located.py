"""Errors of a file, told apart by frame."""

from __future__ import annotations

from overscan.core.errors import OverscanError


def at_frame(error: OverscanError, *, number: int) -> OverscanError:
    """The same error, saying that it is about frame `number`."""
    record = error.record
    return type(error)(
        record.message,
        next_step=record.next_step,
        path=record.path,
        frame=number,
        field=record.field,
        expected=record.expected,
        actual=record.actual,
    )
