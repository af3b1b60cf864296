"""Goes round every call: gives it an id, times it, and counts how it ended."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from overscan.service._errors import REQUEST_ID
from overscan.service.calls.handlers import Handler, behaviour_of, make_handler
from overscan.service.operations import metrics
from overscan.service.operations.logs import log_context
from overscan.service.security.roles import LEAST_ROLES

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class CallObserver(grpc.ServerInterceptor):
    """The outermost interceptor, so that calls that are refused are seen, too. Reads headers and nothing else."""

    def __init__(self) -> None:
        self._observed: dict[str, tuple[Handler, Handler]] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The handler with an observer round it."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        method = str(handler_call_details.method)
        if method not in LEAST_ROLES:  # a stranger's invention, which must not become a name of ours
            return self._observe("unknown", handler)
        known = self._observed.get(method)
        if known is None or known[0] is not handler:
            known = self._observed[method] = (handler, self._observe(method.removeprefix("/overscan.v1."), handler))
        return known[1]

    def _observe(self, method: str, handler: Handler) -> Handler:
        behaviour = behaviour_of(handler)

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            with self._call(method, context):
                return behaviour(request, context)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with self._call(method, context):
                yield from behaviour(request, context)

        return make_handler(
            stream if handler.response_streaming else answer,
            request_streaming=handler.request_streaming,
            response_streaming=handler.response_streaming,
            deserializer=handler.request_deserializer,
            serializer=handler.response_serializer,
        )

    @contextmanager
    def _call(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        begun = time.monotonic()
        given = _given_id(context)
        with log_context(request_id=given):
            context.set_trailing_metadata(((REQUEST_ID, given),))
            code: grpc.StatusCode | None = grpc.StatusCode.OK
            try:
                yield
                code = _code(context) or code
            except GeneratorExit:
                code = _code(context) or grpc.StatusCode.CANCELLED
                raise
            except BaseException:
                code = _code(context) or grpc.StatusCode.UNKNOWN
                raise
            finally:
                seconds = time.monotonic() - begun
                name = code.name if code is not None else "UNKNOWN"
                metrics.rpc_ended(method=method, code=name, seconds=seconds)
                level = logging.DEBUG if code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED) else logging.INFO
                _LOG.log(level, "%s: %s after %.0f ms", method, name, 1000 * seconds)


def _given_id(context: grpc.ServicerContext) -> str:
    """The caller's own id for the call, where it is one; else a new one."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and isinstance(value, str) and _ID.fullmatch(value):
            return value
    return uuid.uuid4().hex[:16]


def _code(context: grpc.ServicerContext) -> grpc.StatusCode | None:
    """How the call was ended by what answered it; None where it said nothing."""
    served: Any = context  # grpc's types do not have it
    code = served.code()
    return code if isinstance(code, grpc.StatusCode) else None
