"""Errors of the client: what went wrong, where, and what to do, whichever process found out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from overscan.v1.plan_pb2 import Problem

DOMAIN = "overscan"

_CODE_OF_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: "INVALID_JOB",
    grpc.StatusCode.NOT_FOUND: "NOT_FOUND",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
    grpc.StatusCode.UNAVAILABLE: "SERVICE_UNREACHABLE",
    grpc.StatusCode.DEADLINE_EXCEEDED: "SERVICE_TIMEOUT",
    grpc.StatusCode.UNAUTHENTICATED: "SERVICE_REFUSED",
    grpc.StatusCode.PERMISSION_DENIED: "SERVICE_REFUSED",
    grpc.StatusCode.UNIMPLEMENTED: "PROTOCOL_MISMATCH",
}

_NEXT_STEP_OF_CODE = {
    "SERVICE_UNREACHABLE": "Run `overscan doctor`.",
    "SERVICE_TIMEOUT": "Try again; if it stays like this, run `overscan doctor`.",
    "SERVICE_REFUSED": "Set OVERSCAN_TOKEN to the service's token, or let the command find the service by itself.",
    "PROTOCOL_MISMATCH": "The service is of another version: stop it, and the next command starts one that fits.",
}


class ServiceError(Exception):
    """A call could not be carried out.

    `problems` has one entry per thing that is wrong, never none; their codes are in docs/errors.md.
    """

    def __init__(self, problems: Iterable[Problem], *, connection_lost: bool = False) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.connection_lost = connection_lost
        """Whether the connection broke, rather than the service saying no: asking again may help."""
        super().__init__("\n".join(describe(problem) for problem in self.problems))

    @property
    def code(self) -> str:
        """Code of the first problem."""
        return self.problems[0].code if self.problems else "INTERNAL"


class ServiceUnreachableError(ServiceError):
    """No service answers, and none could be started."""


class JobFileError(ServiceError):
    """A job file (or mapping) is not a job."""


def make_problem(
    code: str,
    message: str,
    *,
    next_step: str = "",
    path: str = "",
    field: str = "",
    expected: str = "",
    actual: str = "",
) -> Problem:
    """A `Problem` found on this side of the wire."""
    return Problem(
        code=code, message=message, next_step=next_step, path=path, field=field, expected=expected, actual=actual
    )


def describe(problem: Problem) -> str:
    """The problem in a line: where, what, and what to do."""
    where = f"{problem.path}: " if problem.path and problem.path not in problem.message else ""
    then = f" {problem.next_step}" if problem.next_step else ""
    return f"{where}{problem.message}{then}"


def from_rpc_error(error: grpc.RpcError) -> ServiceError:
    """The `ServiceError` for what gRPC raised, with the service's rich details where it sent any."""
    call: Any = error  # what stubs raise is a call as well, which grpc's types do not say
    problems = [_from_error_info(info) for info in _error_infos(call)]
    if problems:
        return ServiceError(problems, connection_lost=problems[0].code == "SERVICE_CLOSING")
    status: grpc.StatusCode = call.code()
    details: str = call.details() or status.value[1]
    lost = status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED) or "Stream removed" in details
    code = "SERVICE_UNREACHABLE" if lost else _CODE_OF_STATUS.get(status, "INTERNAL")
    message = {
        "SERVICE_UNREACHABLE": f"The connection to the Overscan service was lost ({details}).",
        "SERVICE_TIMEOUT": "The Overscan service did not answer in time.",
        "SERVICE_REFUSED": f"The Overscan service refused the call: {details}.",
    }.get(code, f"The Overscan service reports: {details}")
    problem = make_problem(code, message, next_step=_NEXT_STEP_OF_CODE.get(code, ""))
    return ServiceError([problem], connection_lost=lost)


def _error_infos(call: Any) -> list[error_details_pb2.ErrorInfo]:
    try:
        status = rpc_status.from_call(call)
    except ValueError:  # details that contradict the status code: take the status alone
        return []
    found = []
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            found.append(info)
    return found


def _from_error_info(info: error_details_pb2.ErrorInfo) -> Problem:
    facts = dict(info.metadata)
    problem = make_problem(
        info.reason,
        facts.get("message", ""),
        next_step=facts.get("next_step", ""),
        path=facts.get("path", ""),
        field=facts.get("field", ""),
        expected=facts.get("expected", ""),
        actual=facts.get("actual", ""),
    )
    if facts.get("frame"):
        problem.frame = int(facts["frame"])
    return problem
