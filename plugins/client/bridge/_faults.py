"""Errors as JSON-RPC has them: a number, a message, and in ``data`` the problems as the service has them."""

from __future__ import annotations

from typing import Any

from overscan.client._errors import ServiceError, describe, make_problem
from overscan.client._writing import to_plain

NOT_JSON = -32700
INVALID_REQUEST = -32600
UNKNOWN_METHOD = -32601
INVALID_PARAMETERS = -32602
INTERNAL = -32603
PROBLEM = -32000
"""The call was understood, and cannot be carried out; ``data`` says why."""


class FaultError(Exception):
    """A request that cannot be answered."""

    def __init__(self, number: int, problem_code: str, message: str, *, next_step: str = "", field: str = "") -> None:
        self.number = number
        self.error = ServiceError([make_problem(problem_code, message, next_step=next_step, field=field)])
        super().__init__(message)


def invalid(number: int, message: str, *, next_step: str = "", field: str = "") -> FaultError:
    """A message that breaks the rules of the wire."""
    return FaultError(number, "INVALID_REQUEST", message, next_step=next_step, field=field)


def cancelled(method: str) -> FaultError:
    """The answer to a request that was given up."""
    return FaultError(PROBLEM, "CANCELLED", f"{method} was cancelled.")


def plain_error(error: Exception) -> dict[str, Any]:
    """The ``error`` member of an answer."""
    number, cause = PROBLEM, error
    if isinstance(error, FaultError):
        number, cause = error.number, error.error
    if not isinstance(cause, ServiceError):
        number = INTERNAL
        problem = make_problem(
            "INTERNAL",
            f"Overscan's helper failed: {type(error).__name__}: {error}",
            next_step="This is a fault in Overscan; the helper's log has the traceback.",
        )
        cause = ServiceError([problem])
    return {
        "code": number,
        "message": "\n".join(describe(problem) for problem in cause.problems),
        "data": {"problems": plain_problems(cause)},
    }


def plain_problems(error: ServiceError) -> list[dict[str, Any]]:
    """The problems of an error as data."""
    return [to_plain(problem, defaults=True) for problem in error.problems]
