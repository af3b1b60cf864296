"""The service's own errors, and how any error crosses gRPC: `google.rpc.Status` with rich details."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from overscan.core.errors import ErrorRecord, OverscanError

DOMAIN = "overscan"
_DETAILS_MAX = 20
"""Problems in one status: details travel in a header, and headers are limited."""


class JobNotFoundError(OverscanError):
    """No job has the id, or several begin with it."""

    code = "UNKNOWN_JOB"


class RequestReusedError(OverscanError):
    """A request id came a second time with another job."""

    code = "REQUEST_CONFLICT"


class UnsupportedError(OverscanError):
    """The wire contract has it, this version of the service does not do it yet."""

    code = "UNSUPPORTED"


class UnsupportedControlError(OverscanError):
    """A control is set that the engine does not take."""

    code = "UNSUPPORTED_CONTROL"


class InvalidParameterError(OverscanError):
    """An engine parameter is unknown, of another type, or out of its range."""

    code = "INVALID_PARAMETER"


class OutputInUseError(OverscanError):
    """Another job that has not ended writes the same frames."""

    code = "OUTPUT_IN_USE"


class WorkerDiedError(OverscanError):
    """A worker process ended in the middle of its work."""

    code = "WORKER_LOST"


class PlanTimeoutError(OverscanError):
    """Planning took longer than allowed."""

    code = "PLAN_TIMEOUT"


class EngineFaultError(OverscanError):
    """The engine raised something that is no OverscanError while planning, or planned what cannot be run."""

    code = "ENGINE_FAULT"


class OutOfMemoryError(OverscanError):
    """A worker could not get the memory it asked for."""

    code = "OUT_OF_MEMORY"


class AddressError(OverscanError):
    """The service cannot listen at the address."""

    code = "ADDRESS"


class ServiceClosingError(OverscanError):
    """The service is shutting down."""

    code = "SERVICE_CLOSING"


class TooManyStreamsError(OverscanError):
    """More streams are open than the service serves at once."""

    code = "TOO_MANY_STREAMS"


class PlanRefusedError(OverscanError):
    """A job has problems; carries all of them."""

    code = "INVALID_JOB"

    def __init__(self, *, problems: Sequence[ErrorRecord]) -> None:
        super().__init__(problems[0].message)
        self.record = problems[0]
        self.problems = tuple(problems)


_STATUS = {
    "INVALID_JOB": grpc.StatusCode.INVALID_ARGUMENT,
    "INVALID_PARAMETER": grpc.StatusCode.INVALID_ARGUMENT,
    "UNSUPPORTED": grpc.StatusCode.INVALID_ARGUMENT,
    "UNSUPPORTED_CONTROL": grpc.StatusCode.INVALID_ARGUMENT,
    "UNKNOWN_ENGINE": grpc.StatusCode.INVALID_ARGUMENT,
    "FRAME_RANGE": grpc.StatusCode.INVALID_ARGUMENT,
    "COLOUR_SPACE": grpc.StatusCode.INVALID_ARGUMENT,
    "MISSING_FRAMES": grpc.StatusCode.NOT_FOUND,
    "UNKNOWN_JOB": grpc.StatusCode.NOT_FOUND,
    "REQUEST_CONFLICT": grpc.StatusCode.ALREADY_EXISTS,
    "DISK_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "OUT_OF_MEMORY": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "TOO_MANY_STREAMS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "PLAN_TIMEOUT": grpc.StatusCode.DEADLINE_EXCEEDED,
    "SERVICE_CLOSING": grpc.StatusCode.UNAVAILABLE,
    "CANCELLED": grpc.StatusCode.CANCELLED,
    "INTERNAL": grpc.StatusCode.INTERNAL,
    "ENGINE_FAULT": grpc.StatusCode.INTERNAL,
    "STEP_FAILED": grpc.StatusCode.INTERNAL,
    "WORKER_LOST": grpc.StatusCode.INTERNAL,
}
"""Every other code says that the job or its files, as they are now, cannot run: FAILED_PRECONDITION."""


def status_code(record: ErrorRecord) -> grpc.StatusCode:
    """The gRPC status that fits a problem."""
    return _STATUS.get(record.code, grpc.StatusCode.FAILED_PRECONDITION)


def to_status(error: OverscanError) -> grpc.Status:
    """`error` as a gRPC status: an ErrorInfo per problem, and field violations for those that name a field."""
    problems = error.problems if isinstance(error, PlanRefusedError) else (error.record,)
    first = problems[0]
    message = str(error)
    if len(problems) > 1:
        message += f" (and {len(problems) - 1} more)"
    status = status_pb2.Status(code=status_code(first).value[0], message=message)
    violations = error_details_pb2.BadRequest()
    if isinstance(error, ServiceClosingError):  # to a client the same as a connection that is cut: call again
        return rpc_status.to_status(status)
    for problem in problems[:_DETAILS_MAX]:
        info = error_details_pb2.ErrorInfo(reason=problem.code, domain=DOMAIN)
        for key, value in problem.to_dict().items():
            if key != "code" and value not in ("", None):
                info.metadata[key] = str(value)
        _pack(status, info)
        if problem.field:
            violations.field_violations.add(field=problem.field, description=problem.message, reason=problem.code)
    if violations.field_violations:
        _pack(status, violations)
    return rpc_status.to_status(status)


def _pack(status: status_pb2.Status, detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
