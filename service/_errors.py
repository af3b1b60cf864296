"""The service's own errors, and how any error crosses gRPC: `google.rpc.Status` with rich details."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from overscan.core.errors import ErrorRecord, OverscanError, from_record
from overscan.service.calls.brief import shorten
from overscan.service.operations.logs import request_id
from overscan.service.scheduling.faults import Trouble

DOMAIN = "overscan"
REQUEST_ID = "overscan-request-id"
"""Metadata with the id of a call, both ways."""
_DETAILS_BYTES_MAX = 4400
_BRIEF_BYTES_ALL_MAX = 600
_BRIEF_BYTES_MAX = 60
"""Of problems that do not fit in whole, the fields and a few words are told while there is room."""
_MESSAGE_BYTES_MAX = 800
"""A status travels in headers, and clients refuse more than 8 KiB of them unless they are told to take more; bytes of
a message that are no ASCII take three there."""
_VALUE_BYTES_MAX = 600


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
    trouble = Trouble.CRASH
    """What kind of failure that is."""

    @property
    def how(self) -> str:
        """What ended it, in plain words."""
        return self.record.actual.partition("\n")[0]


class WorkerStartError(WorkerDiedError):
    """A worker process ended before it had come to its work, which is not to blame."""

    trouble = Trouble.START


class WorkerKilledError(WorkerDiedError):
    """A worker process was killed from outside in the middle of its work."""

    trouble = Trouble.KILLED


class WorkerStuckError(WorkerDiedError):
    """A worker did not answer any more, or did nothing for too long, and was killed."""

    code = "WORKER_STUCK"
    trouble = Trouble.HUNG


class WorkerOutOfMemoryError(WorkerDiedError):
    """The system killed a worker for want of memory."""

    code = "OUT_OF_MEMORY"
    trouble = Trouble.MEMORY


class PlanTimeoutError(OverscanError):
    """Planning took longer than allowed."""

    code = "PLAN_TIMEOUT"


class EngineFaultError(OverscanError):
    """The engine raised something that is no OverscanError while planning, or planned what cannot be run."""

    code = "ENGINE_FAULT"


class AddressError(OverscanError):
    """The service cannot listen at the address."""

    code = "ADDRESS"


class ServiceClosingError(OverscanError):
    """The service is shutting down."""

    code = "SERVICE_CLOSING"


class TooManyStreamsError(OverscanError):
    """More streams are open than the service serves at once."""

    code = "TOO_MANY_STREAMS"


class UnauthenticatedError(OverscanError):
    """The call shows no token, or one that is wrong, has ended or was taken back."""

    code = "UNAUTHENTICATED"


class NotAllowedError(OverscanError):
    """The caller's role does not allow it, or the job is somebody else's."""

    code = "NOT_ALLOWED"


class QuotaError(OverscanError):
    """The caller has used up what they may have at once."""

    code = "QUOTA"


class InvalidRequestError(OverscanError):
    """A request that is no message, or one larger or deeper than any honest one."""

    code = "MALFORMED_REQUEST"


class UnknownMethodError(OverscanError):
    """The service has no such method."""

    code = "UNKNOWN_METHOD"


class UsersFileError(OverscanError):
    """The file of users cannot be read, is open to others, or does not say what it should."""

    code = "USERS_FILE"


class SettingsError(OverscanError):
    """The service was told what it cannot do; carries all that is wrong."""

    code = "SETTINGS"

    def __init__(self, *, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems), next_step="`overscan config show` lists every setting and what it means.")
        self.problems = tuple(problems)


class AuditError(OverscanError):
    """The audit log cannot be written, and nothing is changed without it."""

    code = "AUDIT_LOG"


class JobNotEndedError(OverscanError):
    """The job has not ended, or one that has not needs it, so that it cannot be removed."""

    code = "JOB_NOT_ENDED"


class StoreUnavailableError(OverscanError):
    """The job store cannot be reached or written for now."""

    code = "STORE_UNAVAILABLE"


class StoreUnusableError(OverscanError):
    """The job store is damaged, another version's, another service's, or does not let this one in."""

    code = "STORE_UNUSABLE"


class JobEndedError(OverscanError):
    """What was asked makes sense for a job that has not ended only."""

    code = "JOB_ENDED"


class DependencyFailedError(OverscanError):
    """A job that another depends on failed, was cancelled, or is not there any more."""

    code = "DEPENDENCY_FAILED"


class UnknownUploadError(OverscanError):
    """No upload of the caller's has the id."""

    code = "UNKNOWN_UPLOAD"


class UnknownFileError(OverscanError):
    """The result has no such file, or not yet."""

    code = "UNKNOWN_FILE"


class UploadOffsetError(OverscanError):
    """A chunk does not follow on what has arrived."""

    code = "UPLOAD_OFFSET"


class UploadDamagedError(OverscanError):
    """A file did not arrive as it was sent."""

    code = "UPLOAD_DAMAGED"


class UploadIncompleteError(OverscanError):
    """A job names an upload of which frames have not arrived."""

    code = "UPLOAD_INCOMPLETE"


class UploadInUseError(OverscanError):
    """A job that has not ended reads the upload."""

    code = "UPLOAD_IN_USE"


class ResultNotKeptError(OverscanError):
    """The service does not keep the job's result, or the job still writes it."""

    code = "RESULT_NOT_KEPT"


class UnmappedPathError(OverscanError):
    """A path of another operating system, and no path map says where it is here."""

    code = "UNMAPPED_PATH"


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
    "UNKNOWN_UPLOAD": grpc.StatusCode.NOT_FOUND,
    "UNKNOWN_FILE": grpc.StatusCode.NOT_FOUND,
    "UPLOAD_OFFSET": grpc.StatusCode.OUT_OF_RANGE,
    "UPLOAD_DAMAGED": grpc.StatusCode.DATA_LOSS,
    "UNMAPPED_PATH": grpc.StatusCode.INVALID_ARGUMENT,
    "REQUEST_CONFLICT": grpc.StatusCode.ALREADY_EXISTS,
    "DISK_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "OUT_OF_MEMORY": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "TOO_MANY_STREAMS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "QUOTA": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "NOT_ALLOWED": grpc.StatusCode.PERMISSION_DENIED,
    "OUTSIDE_ROOTS": grpc.StatusCode.PERMISSION_DENIED,
    "MALFORMED_REQUEST": grpc.StatusCode.INVALID_ARGUMENT,
    "UNKNOWN_METHOD": grpc.StatusCode.UNIMPLEMENTED,
    "PLAN_TIMEOUT": grpc.StatusCode.DEADLINE_EXCEEDED,
    "SERVICE_CLOSING": grpc.StatusCode.UNAVAILABLE,
    "STORE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "CANCELLED": grpc.StatusCode.CANCELLED,
    "INTERNAL": grpc.StatusCode.INTERNAL,
    "ENGINE_FAULT": grpc.StatusCode.INTERNAL,
    "STEP_FAILED": grpc.StatusCode.INTERNAL,
    "WORKER_LOST": grpc.StatusCode.INTERNAL,
    "WORKER_STUCK": grpc.StatusCode.INTERNAL,
}
"""Every other code says that the job or its files, as they are now, cannot run: FAILED_PRECONDITION."""


seen_as: ContextVar[Callable[[ErrorRecord], ErrorRecord] | None] = ContextVar("seen_as", default=None)
"""How whoever makes the call that this thread answers sees a problem: with its own names for paths."""


def status_code(record: ErrorRecord) -> grpc.StatusCode:
    """The gRPC status that fits a problem."""
    return _STATUS.get(record.code, grpc.StatusCode.FAILED_PRECONDITION)


def to_status(error: OverscanError) -> grpc.Status:
    """`error` as a gRPC status: an ErrorInfo per problem, and field violations for those that name a field."""
    problems = error.problems if isinstance(error, PlanRefusedError) else (error.record,)
    seen = seen_as.get()
    if seen is not None:
        problems = tuple(map(seen, problems))
    first = problems[0]
    message = str(from_record(first))
    if len(problems) > 1:
        message += f" (and {len(problems) - 1} more)"
    status = status_pb2.Status(code=status_code(first).value[0], message=shorten(message, bytes_max=_MESSAGE_BYTES_MAX))
    violations = error_details_pb2.BadRequest()
    whole = True
    for problem in problems:
        info = error_details_pb2.ErrorInfo(reason=problem.code, domain=DOMAIN)
        for key, value in problem.to_dict().items():
            if key != "code" and value not in ("", None):
                info.metadata[key] = shorten(str(value), bytes_max=_VALUE_BYTES_MAX)
        if request_id() and problem is first:
            info.metadata["request_id"] = request_id()
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=info.metadata.get("field", ""), description=info.metadata.get("message", ""), reason=problem.code
        )
        size = sum(one.ByteSize() for one in (status, violations, violation))
        whole = whole and (problem is first or size + info.ByteSize() <= _DETAILS_BYTES_MAX)
        if whole:
            _pack(status, info)
        else:
            violation.description = shorten(violation.description, bytes_max=_BRIEF_BYTES_MAX)
        if problem.field and (whole or size <= _DETAILS_BYTES_MAX + _BRIEF_BYTES_ALL_MAX):
            violations.field_violations.append(violation)
    if violations.field_violations:
        _pack(status, violations)
    made = rpc_status.to_status(status)
    return _Status(made)


class _Status(grpc.Status):
    """What gRPC wants of a status; aborting with one replaces the trailing metadata that were set before."""

    def __init__(self, made: grpc.Status) -> None:
        self.code = made.code
        self.details = made.details
        self.trailing_metadata = (*(made.trailing_metadata or ()), *_ids())


def _ids() -> tuple[tuple[str, str], ...]:
    return ((REQUEST_ID, request_id()),) if request_id() else ()


def _pack(status: status_pb2.Status, detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
