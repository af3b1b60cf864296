"""What the client asks a service about itself, rather than about jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from grpc_health.v1 import health_pb2

from overscan.client._link import Link
from overscan.v1 import admin_service_pb2 as messages

_SECONDS_MAX = 60.0
_PURGE_SECONDS_MAX = 3600.0
SERVICES = (
    "overscan.v1.GenerationService",
    "overscan.v1.EngineService",
    "overscan.v1.FrameService",
    "overscan.v1.AdminService",
)
_Answer = TypeVar("_Answer")


class Admin:
    """For whoever looks after a service; most of it wants the role of an admin. Made by `Client.admin`."""

    def __init__(self, *, call: Callable[[Callable[[Link], object]], object]) -> None:
        self._call_client = call

    def caller(self) -> messages.GetCallerResponse:
        """Who the service takes us for, and what we may do."""
        request = messages.GetCallerRequest()
        return self._call(lambda link: link.admin.GetCaller(request, timeout=_SECONDS_MAX, metadata=link.metadata))

    def status(self) -> messages.GetStatusResponse:
        """How the service is doing."""
        request = messages.GetStatusRequest()
        return self._call(lambda link: link.admin.GetStatus(request, timeout=_SECONDS_MAX, metadata=link.metadata))

    def drain(self, *, close: bool = False, seconds_max: float = 0.0, undo: bool = False) -> int:
        """Have the service give out no more work, and end with `close`; or give it out again with `undo`.

        Steps that run are stopped after `seconds_max`, where the service closes; 0 leaves it to the service. Returns
        how many steps run.
        """
        request = messages.DrainRequest(close=close, seconds_max=seconds_max, undo=undo)
        answer = self._call(lambda link: link.admin.Drain(request, timeout=_SECONDS_MAX, metadata=link.metadata))
        return int(answer.running_steps)

    def purge(self, request: messages.PurgeRequest) -> messages.PurgeResponse:
        """Remove jobs that have ended, with what the service keeps of them."""
        return self._call(lambda link: link.admin.Purge(request, timeout=_PURGE_SECONDS_MAX, metadata=link.metadata))

    def ready(self) -> dict[str, bool]:
        """Whether each of the service's parts can do what it is for, by its full name."""
        return {name: self._is_ready(name) for name in SERVICES}

    def _is_ready(self, name: str) -> bool:
        request = health_pb2.HealthCheckRequest(service=name)
        answer = self._call(lambda link: link.health.Check(request, timeout=_SECONDS_MAX, metadata=link.metadata))
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _call(self, method: Callable[[Link], _Answer]) -> _Answer:
        answer: _Answer = self._call_client(method)  # type: ignore[assignment]
        return answer
