"""Checks of what tells a client whom it talks to: health, reflection, methods."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from overscan.service.conformance._check import check, expect
from overscan.service.conformance._refusals import expect_refusal
from overscan.service.conformance._target import Target
from overscan.v1 import (
    admin_service_pb2,
    engine_service_pb2,
    frame_service_pb2,
    generation_service_pb2,
)
from overscan.v1.admin_service_pb2 import Role

_FILES = (admin_service_pb2, engine_service_pb2, frame_service_pb2, generation_service_pb2)
SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    service for module in _FILES for service in module.DESCRIPTOR.services_by_name.values()
)
"""The services of the contract."""
_STANDARD = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.reflection.v1.ServerReflection",
}
_HARMLESS = {
    "Purge": admin_service_pb2.PurgeRequest(job_ids=["no-such-job"], dry_run=True),
    "Drain": admin_service_pb2.DrainRequest(undo=True, close=True),  # which exclude each other
}
"""Requests for methods that would do something with an empty one, and do nothing with these."""


@check("discovery.health", role=Role.ROLE_VIEWER)
def health(target: Target) -> None:
    """The standard health service says SERVING for the whole and for each service of the contract."""
    for name in ("", *(service.full_name for service in SERVICES)):
        status = target.ask(target.health.Check, health_pb2.HealthCheckRequest(service=name)).status
        serving = health_pb2.HealthCheckResponse.SERVING
        expect(status == serving, f"'{name}' is {health_pb2.HealthCheckResponse.ServingStatus.Name(status)}.")
    unknown = health_pb2.HealthCheckRequest(service="no.such.Service")
    expect_refusal(lambda: target.ask(target.health.Check, unknown), status=grpc.StatusCode.NOT_FOUND, worded=False)


@check("discovery.health_watch", role=Role.ROLE_VIEWER)
def health_watch(target: Target) -> None:
    """The health service's Watch begins with what is so now."""
    calls = target.stream(target.health.Watch, health_pb2.HealthCheckRequest(service=""), seconds=10.0)
    first = next(iter(calls))
    calls.cancel()
    expect(first.status == health_pb2.HealthCheckResponse.SERVING, "the first answer is not SERVING.")


@check("discovery.services", role=Role.ROLE_VIEWER)
def services(target: Target) -> None:
    """Reflection lists the contract's services, health and reflection, and nothing else."""
    (answer,) = _reflect(target, reflection_pb2.ServerReflectionRequest(list_services=""))
    found = {service.name for service in answer.list_services_response.service}
    wanted = {service.full_name for service in SERVICES}
    expect(wanted <= found, f"not listed: {', '.join(sorted(wanted - found))}.")
    more = found - wanted - _STANDARD
    expect(not more, f"listed, and not in the contract: {', '.join(sorted(more))}.")


@check("discovery.methods", role=Role.ROLE_VIEWER)
def methods(target: Target) -> None:
    """Reflection describes each service's methods and their messages as the contract does."""
    for service in SERVICES:
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=service.full_name)
        (answer,) = _reflect(target, request)
        ours = descriptor_pb2.FileDescriptorProto()
        service.file.CopyToProto(ours)
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(one)
            for one in answer.file_descriptor_response.file_descriptor_proto
        ]
        theirs = next((one for one in files if one.name == ours.name), None)
        expect(theirs is not None, f"{service.full_name} is in no file that reflection gives.")
        assert theirs is not None
        expect(
            _signatures(theirs) == _signatures(ours),
            f"{ours.name} differs: {sorted(_signatures(theirs) ^ _signatures(ours))[:5]}",
        )


@check("discovery.implemented", role=Role.ROLE_VIEWER)
def implemented(target: Target) -> None:
    """Every method of the contract is there, whatever it says to an empty request."""
    for service in SERVICES:
        for method in service.methods:
            status = _status_of(target, method)
            expect(status != grpc.StatusCode.UNIMPLEMENTED, f"{service.name}.{method.name} is not implemented.")


@check("discovery.unknown_method", role=Role.ROLE_VIEWER)
def unknown_method(target: Target) -> None:
    """A method that the contract has not is UNIMPLEMENTED."""
    call: Any = target.channel.unary_unary("/overscan.v1.GenerationService/NoSuchMethod")
    expect_refusal(lambda: target.ask(call, b""), status=grpc.StatusCode.UNIMPLEMENTED)


def _reflect(target: Target, request: reflection_pb2.ServerReflectionRequest) -> list[Any]:
    return list(target.stream(target.reflection.ServerReflectionInfo, iter([request]), seconds=10.0))


def _signatures(file: descriptor_pb2.FileDescriptorProto) -> set[str]:
    """Methods, and fields of messages, each in a line."""
    found = set()
    for service in file.service:
        for one in service.method:
            kind = f"{'stream ' * one.client_streaming}{one.input_type} -> {'stream ' * one.server_streaming}"
            found.add(f"{service.name}.{one.name}: {kind}{one.output_type}")
    for message in file.message_type:
        for field in message.field:
            found.add(f"{message.name}.{field.name} = {field.number}: {field.type} {field.label} {field.type_name}")
    return found


def _status_of(target: Target, method: MethodDescriptor) -> grpc.StatusCode:
    request = _HARMLESS.get(method.name) or GetMessageClass(method.input_type)()
    path = f"/{method.containing_service.full_name}/{method.name}"
    method_call: Any = target.channel.stream_stream(path)
    call = method_call(iter([request.SerializeToString()]), timeout=30.0, metadata=target.metadata)
    try:
        for _ in call:
            call.cancel()
            return grpc.StatusCode.OK
    except grpc.RpcError:
        pass
    code: grpc.StatusCode = call.code()
    return code
