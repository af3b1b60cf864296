"""Lines in and out, and JSON in them that both sides read alike."""

from __future__ import annotations

import json
import math
import threading
from typing import IO, Any, NoReturn

LINE_BYTES_MAX = 16 * 1024 * 1024
"""The longest line, of either side."""


class LineTooLongError(Exception):
    """A line is longer than `LINE_BYTES_MAX`; it was read to its end and dropped."""


def read_line(stream: IO[bytes]) -> bytes | None:
    """The next line; None at the end, where a line that was cut off counts as none. Raises `LineTooLongError`."""
    line = stream.readline(LINE_BYTES_MAX + 1)
    if line.endswith(b"\n"):
        return line
    if len(line) <= LINE_BYTES_MAX:
        return None
    while line and not line.endswith(b"\n"):
        line = stream.readline(LINE_BYTES_MAX)
    raise LineTooLongError


def decode(line: bytes) -> Any:
    """What a line says. Raises ValueError where it is not JSON in UTF-8, or has a number that is not finite."""
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


class LineWriter:
    """Writes messages, whole, from any thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, message: dict[str, Any]) -> None:
        """Send a message. Raises `LineTooLongError`, and OSError where the host no longer reads."""
        # ASCII with escapes: paths that are not UTF-8 travel as the surrogates that Python has for them.
        try:
            line = json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
        except ValueError:
            line = json.dumps(_without_nan(message), separators=(",", ":")).encode("ascii") + b"\n"
        if len(line) > LINE_BYTES_MAX:
            raise LineTooLongError
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not finite")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
