"""What a refusal must look like: a status, google.rpc details, and words for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from overscan.service.conformance._check import NonconformityError, expect

DOMAIN = "overscan"
_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_CODE_OF_OURS = re.compile(r"Traceback \(most recent|\.py\"?, line \d+|\bobject at 0x[0-9a-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """How a call was refused."""

    status: grpc.StatusCode
    message: str
    reasons: tuple[str, ...] = ()
    """Codes of all problems, the first one deciding."""
    fields: tuple[str, ...] = ()
    """Fields of the request that are wrong."""
    metadata: tuple[dict[str, str], ...] = ()
    """The facts of each problem."""


def refusal(call: Callable[[], Any], *, worded: bool = True) -> Refusal:
    """Make a call that must be refused; raises `NonconformityError` where it is not, or not properly."""
    try:
        answer = call()
        if not isinstance(answer, (str, bytes)) and isinstance(answer, Iterable):
            for _ in answer:
                pass
    except grpc.RpcError as error:
        return _read(error, worded=worded)
    raise NonconformityError("the call went through, and should have been refused.")


def expect_refusal(
    call: Callable[[], Any],
    *,
    status: grpc.StatusCode | set[grpc.StatusCode],
    reason: str = "",
    field: str = "",
    worded: bool = True,
) -> Refusal:
    """Make a call that must be refused with this status, with details whose first reason is `reason`, about `field`.

    `worded` is False for services of gRPC's own that say nothing more than their status.
    """
    found = refusal(call, worded=worded)
    wanted = status if isinstance(status, set) else {status}
    expect(
        found.status in wanted,
        f"the status is {found.status.name} ({found.message}), not {' or '.join(sorted(one.name for one in wanted))}.",
    )
    if reason:
        expect(found.reasons, f"there is no ErrorInfo with the domain '{DOMAIN}' ({found.message}).")
        expect(found.reasons[0] == reason, f"the reason is {found.reasons[0]}, not {reason}.")
    if field:
        expect(field in found.fields, f"the BadRequest names {found.fields or 'no fields'}, not '{field}'.")
    return found


def _read(error: grpc.RpcError, *, worded: bool) -> Refusal:
    call: Any = error  # what stubs raise is a call as well, which grpc's types do not say
    code: grpc.StatusCode = call.code()
    message: str = call.details() or ""
    expect(message.strip() or not worded, f"{code.name} comes without a message.")
    expect(not _CODE_OF_OURS.search(message), f"the message shows the service's own code: {message[:200]}")
    try:
        status = rpc_status.from_call(call)
    except ValueError as contradiction:
        raise NonconformityError(f"the details contradict the status: {contradiction}") from None
    reasons: list[str] = []
    fields: list[str] = []
    facts: list[dict[str, str]] = []
    for detail in status.details if status is not None else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info) and info.domain == DOMAIN:
            expect(_CODE.fullmatch(info.reason), f"the reason '{info.reason}' is no UPPER_SNAKE_CASE name.")
            expect(info.metadata.get("message"), f"the ErrorInfo of {info.reason} has no 'message' in its metadata.")
            expect(
                info.metadata.get("next_step") or info.reason == "INTERNAL",
                f"the ErrorInfo of {info.reason} has no 'next_step' in its metadata.",
            )
            reasons.append(info.reason)
            facts.append(dict(info.metadata))
        elif detail.Unpack(bad):
            fields += [violation.field for violation in bad.field_violations]
    named = [fact["field"] for fact in facts if fact.get("field")]
    expect(
        all(field in fields for field in named), f"the metadata name {named}, the BadRequest {fields or 'no fields'}."
    )
    return Refusal(status=code, message=message, reasons=tuple(reasons), fields=tuple(fields), metadata=tuple(facts))
