"""The service's log: one record a line, as text or JSON, with the ids of the call and the job it belongs to."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Literal

CONTEXT = ("request_id", "user", "job_id", "step_id", "worker")
"""What a record may belong to, in the order in which text has it."""
_BYTES_MAX = 10_000_000
_FILES_KEPT = 5
_SECRETS = (
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]+"), r"\1(hidden)"),
    (
        re.compile(r"""(?i)((?<![a-z])(?:token|password|secret)["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s'",&]+)"""),
        r"\1(hidden)",
    ),
    (re.compile(r"(\w://[^\s:/@]*):[^\s@/]+@"), r"\1:(hidden)@"),
)
"""What looks like a secret, wherever it comes from: a library's message may hold the URL it was given."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_context: ContextVar[dict[str, str] | None] = ContextVar("overscan_log_context", default=None)


@contextmanager
def log_context(**ids: str) -> Iterator[None]:
    """Let this thread's records say what they belong to: any of `CONTEXT`; empty ones are left out."""
    mark = _context.set({**(_context.get() or {}), **{name: value for name, value in ids.items() if value}})
    try:
        yield
    finally:
        _context.reset(mark)


def add_context(**ids: str) -> None:
    """Let the records of this thread say more of what they belong to, until the `log_context` round it ends."""
    _context.set({**(_context.get() or {}), **{name: value for name, value in ids.items() if value}})


def request_id() -> str:
    """The id of the call that this thread answers; empty where it answers none."""
    return (_context.get() or {}).get("request_id", "")


def set_up_logging(
    *,
    level: str,
    form: Literal["text", "json"],
    to: Literal["stderr", "file", "both"] = "stderr",
    folder: Path | None = None,
    **ids: str,
) -> None:
    """Send every record of this process to stderr, to ``service.log`` in `folder`, or both. All records get `ids`."""
    handlers: list[logging.Handler] = []
    if to in ("stderr", "both") or folder is None:
        handlers.append(logging.StreamHandler())
    if to in ("file", "both") and folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / "service.log"
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        handlers.append(
            logging.handlers.RotatingFileHandler(
                file, maxBytes=_BYTES_MAX, backupCount=_FILES_KEPT, encoding="utf-8", errors="backslashreplace"
            )
        )
    for handler in handlers:
        to_terminal = type(handler) is logging.StreamHandler and sys.stderr.isatty()
        handler.setFormatter(JsonForm(ids) if form == "json" else TextForm(ids, whole_tracebacks=to_terminal))
    logging.basicConfig(level=level, handlers=handlers, force=True)
    # Nothing that goes wrong in a thread may go to stderr in a form of its own.
    import threading

    threading.excepthook = _log_thread_fault
    sys.excepthook = _log_fault


class TextForm(logging.Formatter):
    """``2026-11-23 15:34:02.123 INFO overscan.service._server job=1f2e: words``."""

    def __init__(self, ids: dict[str, str], *, whole_tracebacks: bool) -> None:
        super().__init__()
        self._ids = ids
        self._whole_tracebacks = whole_tracebacks

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line; with `whole_tracebacks`, a traceback below it as Python writes it."""
        seconds = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        found = _ids(record, self._ids)
        ids = "".join(f" {name.removesuffix('_id')}={_one_line(found[name])}" for name in CONTEXT if name in found)
        text = f"{seconds}.{int(record.msecs):03d} {record.levelname} {record.name}{ids}: {_one_line(_message(record))}"
        fault = _traceback(record)
        if fault:
            text += f"\n{fault}" if self._whole_tracebacks else f" | {_one_line(fault)}"
        return text


class JsonForm(logging.Formatter):
    """One object a line: ``time`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, the ids, ``exception``."""

    def __init__(self, ids: dict[str, str]) -> None:
        super().__init__()
        self._ids = ids

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        facts = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **_ids(record, self._ids),
        }
        fault = _traceback(record)
        if fault:
            facts["exception"] = fault
        return json.dumps(facts)


def _ids(record: logging.LogRecord, always: dict[str, str]) -> dict[str, str]:
    """What the record belongs to: what its process, its thread and its call say, the last winning."""
    own = {name: str(getattr(record, name)) for name in CONTEXT if getattr(record, name, "")}
    return {**always, **(_context.get() or {}), **own}


def _message(record: logging.LogRecord) -> str:
    try:
        return _without_secrets(record.getMessage())
    except (TypeError, ValueError):  # arguments that do not fit their format must not cost the record
        return _without_secrets(f"{record.msg} {record.args!r}")


def _traceback(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[0] is not None:
        return _without_secrets("".join(traceback.format_exception(*record.exc_info)).rstrip())
    return ""


def _without_secrets(text: str) -> str:
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def _one_line(text: str) -> str:
    """`text` with control characters written out: a file's name must not be able to forge a record."""
    return _CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def _log_fault(kind: type[BaseException], fault: BaseException, _trace: object) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(__name__).critical("the process ends by a fault", exc_info=fault)


def _log_thread_fault(arguments: object) -> None:
    fault = getattr(arguments, "exc_value", None)
    thread = getattr(arguments, "thread", None)
    if fault is not None and not isinstance(fault, SystemExit):
        logging.getLogger(__name__).error("the thread %s ends by a fault", getattr(thread, "name", "?"), exc_info=fault)
