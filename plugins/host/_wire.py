"""JSON-RPC 2.0, one message a line, UTF-8."""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

from overscan_host._errors import BridgeError, Problem, failure

LINE_BYTES_MAX = 16 * 1024 * 1024
"""The longest line, of either side."""


def encode(message: dict[str, Any]) -> bytes:
    """The line for a message, its end included. Raises `BridgeError` for what JSON or the limit does not allow."""
    try:
        # ASCII with escapes: paths that are not UTF-8 travel as the surrogates that Python has for them.
        encoded = json.dumps(message, allow_nan=False, separators=(",", ":"), default=_plain).encode("ascii") + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise failure(
            "INVALID_REQUEST",
            f"{message.get('method')} cannot be sent: {error}.",
            "Numbers must be finite, and all else text, lists and names.",
        ) from error
    if len(encoded) > LINE_BYTES_MAX:
        raise failure(
            "INVALID_REQUEST",
            f"{message.get('method')} cannot be sent: it has {len(encoded)} bytes, {LINE_BYTES_MAX} are allowed.",
            "Put cameras and tracks of many frames into files and name these.",
        )
    return encoded


def decode(line: bytes) -> dict[str, Any] | None:
    """The message in a line; None where it is none (something in the bridge's Python that prints)."""
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and message.get("jsonrpc") == "2.0" else None


def error_of(plain: Any) -> BridgeError:
    """The error in an answer."""
    facts = plain if isinstance(plain, dict) else {}
    data = facts.get("data")
    problems = data.get("problems") if isinstance(data, dict) else None
    if isinstance(problems, list) and problems and all(isinstance(problem, dict) for problem in problems):
        return BridgeError([Problem.from_plain(problem) for problem in problems])
    return failure("INTERNAL", str(facts.get("message") or "Overscan's helper reports an error without a message."))


def problems_of(plain: Any) -> tuple[Problem, ...]:
    """The problems in a notification."""
    items = plain if isinstance(plain, list) else []
    return tuple(Problem.from_plain(item) for item in items if isinstance(item, dict))


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
