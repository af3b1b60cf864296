"""Takes nothing new in while the service is drained. Comes after the guard: strangers are not told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from overscan.service._errors import ServiceClosingError
from overscan.service.calls.handlers import Handler, behaviour_of, make_handler
from overscan.service.calls.rpc import refuse
from overscan.service.operations.drain import Drain

_CLOSED = frozenset({"/overscan.v1.GenerationService/CreateJob", "/overscan.v1.FrameService/CreateUpload"})


class DrainGate(grpc.ServerInterceptor):
    """Refuses what would be new work."""

    def __init__(self, *, drain: Drain) -> None:
        self._drain = drain
        self._gated: dict[str, tuple[Handler, Handler]] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The handler, with a look at the drain before it."""
        handler, method = continuation(handler_call_details), str(handler_call_details.method)
        if handler is None or method not in _CLOSED:
            return handler
        known = self._gated.get(method)
        if known is None or known[0] is not handler:
            known = self._gated[method] = (handler, self._gate(handler))
        return known[1]

    def _gate(self, handler: Handler) -> Handler:
        behaviour = behaviour_of(handler)

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            if self._drain.draining:
                refuse(context, _closing())
            return behaviour(request, context)

        return make_handler(
            answer,
            request_streaming=handler.request_streaming,
            response_streaming=handler.response_streaming,
            deserializer=handler.request_deserializer,
            serializer=handler.response_serializer,
        )


def _closing() -> ServiceClosingError:
    return ServiceClosingError(
        "the service takes no new jobs now: it is being drained.",
        next_step="Try again when it is back; an admin may ask it to go on with `overscan drain --undo`.",
    )
