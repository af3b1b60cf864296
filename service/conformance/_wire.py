"""Checks of what any gRPC service can be sent: nonsense, too much, too late, from strangers."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from overscan.service.conformance._check import NotApplicableError, check, expect
from overscan.service.conformance._refusals import expect_refusal
from overscan.service.conformance._target import Target
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2 import Role

_GARBAGE = b"\x0a\xff\xff\xff\xff\x0fnot a message\xff"
_UNKNOWN_FIELD = b"\x9a\xfa\x01\x05hello"
"""Field 4003, which no message of the contract has."""
_TOO_LARGE = 32 << 20
_LATE = 2.0
"""Seconds that the end of a call may come after its deadline."""


@check("wire.garbage")
def garbage(target: Target) -> None:
    """A request that is no message is refused in words, and the service goes on."""
    for path in ("GenerationService/GetJob", "GenerationService/CreateJob", "EngineService/GetEngine"):
        call: Any = target.channel.unary_unary(f"/overscan.v1.{path}")
        statuses = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL}
        expect_refusal(partial(target.ask, call, _GARBAGE), status=statuses)
    _expect_alive(target)


@check("wire.unknown_fields", role=Role.ROLE_VIEWER)
def unknown_fields(target: Target) -> None:
    """A field from a newer contract is passed over."""
    call: Any = target.channel.unary_unary(
        "/overscan.v1.GenerationService/ListJobs", response_deserializer=pb.ListJobsResponse.FromString
    )
    request = pb.ListJobsRequest(page_size=1).SerializeToString()
    expect(target.ask(call, request + _UNKNOWN_FIELD) is not None, "there is no answer.")


@check("wire.too_large", role=Role.ROLE_VIEWER)
def too_large(target: Target) -> None:
    """A request of 32 MiB is refused for its size, and the service goes on."""
    request = pb.GetJobRequest(job_id="x" * _TOO_LARGE)
    statuses = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT}
    expect_refusal(lambda: target.ask(target.jobs.GetJob, request), status=statuses)
    _expect_alive(target)


@check("wire.deadline")
def deadline(target: Target) -> None:
    """A call ends at its deadline, and so does a stream that has nothing to say."""
    with target.long_job() as job:
        target.ask(target.jobs.PauseJob, pb.PauseJobRequest(job_id=job.id))
        for method, request in (
            (target.jobs.WatchJob, pb.WatchJobRequest(job_id=job.id, after_number=2**63)),
            (target.health.Watch, health_pb2.HealthCheckRequest(service="")),
        ):
            started = time.monotonic()
            expect_refusal(
                partial(target.stream, method, request, seconds=1.0),
                status=grpc.StatusCode.DEADLINE_EXCEEDED,
            )
            expect(time.monotonic() - started < 1.0 + _LATE, "the call ended long after its deadline.")


@check("wire.hang_up")
def hang_up(target: Target) -> None:
    """Whoever leaves a stream gives its place to others: a hundred in a row are served."""
    with target.long_job() as job:
        for number in range(100):
            calls = target.stream(target.jobs.WatchJob, pb.WatchJobRequest(job_id=job.id), seconds=10.0)
            try:
                next(iter(calls))
            except grpc.RpcError as error:
                call: Any = error
                expect(
                    call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and number > 0,
                    f"watcher {number + 1} was refused: {call.details()}",
                )
                time.sleep(0.2)  # those who left are still being told apart from those who stay
            calls.cancel()
        time.sleep(0.5)
        _expect_alive(target)
        expect(next(iter(target.watch(job.id, seconds=10.0))).job_id == job.id, "the last watcher sees another job.")


@check("wire.token", role=Role.ROLE_VIEWER)
def token(target: Target) -> None:
    """Without the token, or with another one, every method is UNAUTHENTICATED."""
    if not target.token:
        raise NotApplicableError("no token is used with this service")
    for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", target.token),)):
        for method, request in (
            (target.jobs.ListJobs, pb.ListJobsRequest()),
            (target.jobs.WatchJob, pb.WatchJobRequest(job_id="x")),
        ):

            def call(method: Any = method, request: Any = request, metadata: Any = metadata) -> Any:
                return method(request, timeout=10.0, metadata=metadata)

            found = expect_refusal(call, status=grpc.StatusCode.UNAUTHENTICATED)
            expect(target.token not in found.message, "the refusal gives the token away.")


def _expect_alive(target: Target) -> None:
    answer = target.ask(target.jobs.ListJobs, pb.ListJobsRequest(page_size=1))
    expect(answer is not None, "the service is gone.")
