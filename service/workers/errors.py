"""What went wrong in a worker, as a record: what the system said of storage and memory counts more than the words that
a library put before it."""

from __future__ import annotations

import errno
import logging
import sqlite3
from dataclasses import replace
from pathlib import Path

from overscan.core.errors import ErrorRecord, OverscanError, ShareLostError
from overscan.core.memory import memory
from overscan.core.storage import Places, causes, storage_error
from overscan.service.workers import messages

_LOG = logging.getLogger(__name__)
_GIB = 1024**3
_NO_MEMORY = ("out of memory", "not enough memory", "insufficient memory", "cannot allocate memory", "bad_alloc")
_NO_MEMORY_EITHER = ("can't start new thread", "failed to allocate", "unable to allocate")
_KEPT = frozenset({"CANCELLED", "POLICY", "POLICY_FILE", "LEDGER", "INPUT_CHANGED"})
"""What is about no file's storage, whatever lies behind it."""
_UNCLEAR = frozenset({"MISSING_FRAMES", "UNREADABLE_IMAGE", "MISMATCH", "OUTPUT_NOT_WRITABLE", "STEP_FAILED"})
"""What a share that is gone looks like."""


class WorkFolderGoneError(OverscanError):
    """Somebody removed the work folder of a job that has not ended."""

    code = "STEP_FAILED"


def record_of(error: BaseException, request: messages.Request) -> ErrorRecord:
    """The record of an error that a request ended with. Raises nothing: a worker must come to an answer."""
    record = error.record if isinstance(error, OverscanError) else fault_record(request, error)
    try:
        return _explained(error, record, request)
    except Exception:  # what there is no memory for, or no file left to open
        _LOG.exception("what lies behind a failure cannot be found out")
        return record


def _explained(error: BaseException, record: ErrorRecord, request: messages.Request) -> ErrorRecord:
    body = request.body
    writes = ""
    if isinstance(body, (messages.RunStep, messages.VerifyJob)):
        writes = str(Path(body.job.output.path).parent)
    if record.code in _KEPT:
        return record
    if record.code == "OUT_OF_MEMORY":
        return _with_memory(record, body)
    if _is_memory(error):
        return _with_memory(_out_of_memory(error), body)
    found = storage_error(error, writes=writes)
    if found is None and _is_full_store(error):
        found = storage_error(OSError(errno.ENOSPC, "the disk with Overscan's home is full", str(_folder(body))))
    if found is not None:
        return replace(found.record, frame=record.frame, path=found.record.path or record.path)
    if writes and record.code in _UNCLEAR:
        try:
            Places.of(_folder(body)).check()
        except ShareLostError as gone:
            return replace(gone.record, frame=record.frame)
    return record


def _folder(body: messages.Body) -> Path:
    return Path(getattr(body, "work_folder", ""))


def _is_memory(error: BaseException) -> bool:
    for cause in causes(error):
        if isinstance(cause, MemoryError) or type(cause).__name__ == "OutOfMemoryError":
            return True
        if isinstance(cause, OSError):
            if cause.errno == errno.ENOMEM:
                return True
        elif not isinstance(cause, OverscanError):
            text = str(cause).lower()
            if any(words in text for words in (*_NO_MEMORY, *_NO_MEMORY_EITHER)):
                return True
    return False


def _is_full_store(error: BaseException) -> bool:
    return any(isinstance(cause, sqlite3.Error) and "full" in str(cause) for cause in causes(error))


def _out_of_memory(error: BaseException) -> ErrorRecord:
    what = next((str(cause) for cause in causes(error) if isinstance(cause, MemoryError) and str(cause)), "")
    return ErrorRecord(
        code="OUT_OF_MEMORY",
        message=f"the worker could not get the memory it needs{f' ({what})' if what else ''}.",
        next_step="Close other programs, use fewer workers, or work on a smaller format; then retry the job.",
    )


def _with_memory(record: ErrorRecord, body: messages.Body) -> ErrorRecord:
    """A record that says what was wanted, as far as it was planned, and what there is."""
    there = memory()
    planned = body.plan.estimate.memory_bytes if isinstance(body, messages.RunStep) else 0
    return replace(
        record,
        expected=record.expected or (f"about {planned / _GIB:.1f} GiB, as planned" if planned else ""),
        actual=record.actual or f"{there.free / _GIB:.1f} GiB free of {there.total / _GIB:.1f} GiB",
    )


def fault_record(request: messages.Request, error: BaseException) -> ErrorRecord:
    """The record of an error that is an engine's own."""
    runs = isinstance(request.body, messages.RunStep)
    return ErrorRecord(
        code="STEP_FAILED" if runs else "ENGINE_FAULT",
        message=f"the engine failed: {type(error).__name__}: {error}",
        next_step="This is a fault in the engine; the worker's log has the traceback.",
    )
