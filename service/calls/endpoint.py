"""The gRPC server that the service's calls come in by."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from overscan.service.calls.frames import TRANSFERS_MAX
from overscan.service.calls.generation import STREAMS_MAX
from overscan.service.operations.readiness import SERVICES
from overscan.service.security.guard import OTHER_STREAMS_MAX
from overscan.service.security.message_limits import BYTES_MAX

_CALL_THREADS = STREAMS_MAX + TRANSFERS_MAX + OTHER_STREAMS_MAX + 32
"""Streams hold a thread each: when there are as many as there may be, short calls still have theirs."""
_CALLS_WAITING_MAX = 256
_METADATA_BYTES_MAX = 1 << 20
_PING_MS_MIN = 10_000


def build_server(*, interceptors: Sequence[grpc.ServerInterceptor], healthy: health.HealthServicer) -> grpc.Server:
    """A server with health and reflection; the services are still to be added."""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=_CALL_THREADS, thread_name_prefix="call"),
        interceptors=list(interceptors),
        maximum_concurrent_rpcs=_CALL_THREADS + _CALLS_WAITING_MAX,
        options=[
            ("grpc.so_reuseport", 0),  # else two services could share a port and take each other's calls
            ("grpc.max_metadata_size", _METADATA_BYTES_MAX),  # rich errors travel as metadata
            ("grpc.max_receive_message_length", BYTES_MAX),
            ("grpc.http2.min_ping_interval_without_data_ms", _PING_MS_MIN),  # clients look whether we are still there
        ],
    )
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return server
