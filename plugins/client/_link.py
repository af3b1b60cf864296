"""A gRPC channel to one endpoint, with the stubs on it."""

from __future__ import annotations

import grpc

from overscan.client._discovery import PROTOCOL, Endpoint
from overscan.client._errors import ServiceError, make_problem
from overscan.v1 import engine_service_pb2_grpc, generation_service_pb2_grpc

_OPTIONS = (
    # A farm's proxy must not get between two processes of one machine.
    ("grpc.enable_http_proxy", 0),
    # Rich error details travel as metadata; the default of 8 KiB drops long lists of problems.
    ("grpc.max_metadata_size", 1 << 20),
)


class Link:
    """An open connection. Close it with `close`."""

    def __init__(self, endpoint: Endpoint) -> None:
        if endpoint.protocol != PROTOCOL:
            raise ServiceError(
                [
                    make_problem(
                        "PROTOCOL_MISMATCH",
                        f"The running service (version {endpoint.version or 'unknown'}, process {endpoint.pid}) speaks "
                        f"protocol {endpoint.protocol}, this client speaks {PROTOCOL}.",
                        next_step="Stop that service, and run the command again.",
                        expected=str(PROTOCOL),
                        actual=str(endpoint.protocol),
                    )
                ]
            )
        self.endpoint = endpoint
        self._channel = grpc.insecure_channel(endpoint.address, options=_OPTIONS)
        self.metadata = (("authorization", f"Bearer {endpoint.token}"),) if endpoint.token else ()
        """To be sent with every call."""
        self.generation = generation_service_pb2_grpc.GenerationServiceStub(self._channel)
        self.engines = engine_service_pb2_grpc.EngineServiceStub(self._channel)

    def close(self) -> None:
        """Close the channel; calls in flight end."""
        self._channel.close()
