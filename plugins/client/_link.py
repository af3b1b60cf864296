"""A gRPC channel to one endpoint, with the stubs on it."""

from __future__ import annotations

import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from overscan.chunks import DownloadChunk, read_download_chunk
from overscan.client._discovery import PROTOCOL, Endpoint
from overscan.client._errors import ServiceError, make_problem
from overscan.client._tls import credentials
from overscan.v1 import (
    admin_service_pb2_grpc,
    engine_service_pb2_grpc,
    frame_service_pb2_grpc,
    generation_service_pb2_grpc,
)
from overscan.v1.frame_service_pb2 import DownloadFrameRequest, UploadFramesResponse

_OPTIONS = (
    # A farm's proxy must not get between two processes of one machine.
    ("grpc.enable_http_proxy", 0),
    # Rich error details travel as metadata; the default of 8 KiB drops long lists of problems.
    ("grpc.max_metadata_size", 1 << 20),
    # A job of 40,000 frames tells of each with its path: more than the default of 4 MiB.
    ("grpc.max_receive_message_length", 64 << 20),
    # A stream whose other end has vanished without a word must end.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)
_PLATFORM = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
"""How paths are written here; the service may know where they are on its own system."""


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
        self.closed = False
        if endpoint.tls is None:
            self._channel = grpc.insecure_channel(endpoint.address, options=_OPTIONS)
        else:
            self._channel = grpc.secure_channel(endpoint.address, credentials(endpoint.tls), options=_OPTIONS)
        token = (("authorization", f"Bearer {endpoint.token}"),) if endpoint.token else ()
        self.metadata = (*token, ("overscan-platform", _PLATFORM))
        """To be sent with every call."""
        self.generation = generation_service_pb2_grpc.GenerationServiceStub(self._channel)
        self.engines = engine_service_pb2_grpc.EngineServiceStub(self._channel)
        self.admin = admin_service_pb2_grpc.AdminServiceStub(self._channel)
        self.health: Any = health_pb2_grpc.HealthStub(self._channel)  # its types have no methods
        self.frames = frame_service_pb2_grpc.FrameServiceStub(self._channel)
        self.download: grpc.UnaryStreamMultiCallable[DownloadFrameRequest, DownloadChunk] = self._channel.unary_stream(
            "/overscan.v1.FrameService/DownloadFrame",
            request_serializer=DownloadFrameRequest.SerializeToString,
            response_deserializer=read_download_chunk,
        )
        """`DownloadFrame` without needless copies."""
        self.upload: grpc.StreamUnaryMultiCallable[bytes, UploadFramesResponse] = self._channel.stream_unary(
            "/overscan.v1.FrameService/UploadFrames",
            request_serializer=None,
            response_deserializer=UploadFramesResponse.FromString,
        )
        """`UploadFrames` of messages that are serialised already."""

    def close(self) -> None:
        """Close the channel; calls in flight end."""
        self.closed = True
        self._channel.close()
