"""What every RPC has around it: errors become rich statuses, and open calls are counted."""

from __future__ import annotations

import functools
import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import grpc

from overscan.core.errors import OverscanError
from overscan.service._errors import ServiceClosingError, TooManyStreamsError, to_status
from overscan.service._workers import Stop

_LOG = logging.getLogger(__name__)
_Servicer = Any
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Activity:
    """Counts open calls, to know when the service is idle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._streams = 0
        self._last = time.monotonic()
        self.closing = False

    def idle_seconds(self) -> float:
        """Seconds since the last call ended; 0 while one is open."""
        with self._lock:
            return 0.0 if self._open else time.monotonic() - self._last

    def touch(self) -> None:
        """Something went on that is no call."""
        with self._lock:
            self._last = time.monotonic()

    @contextmanager
    def call(self) -> Iterator[None]:
        """An open call."""
        with self._lock:
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                self._last = time.monotonic()

    @contextmanager
    def stream(self, *, most: int) -> Iterator[None]:
        """An open stream, which holds a thread; raises `TooManyStreamsError` where `most` are open."""
        with self._lock:
            if self._streams >= most:
                raise TooManyStreamsError(
                    f"{most} streams are open already.", next_step="Close some watchers, or ask with GetJob."
                )
            self._streams += 1
        try:
            yield
        finally:
            with self._lock:
                self._streams -= 1


def answers(
    method: Callable[[_Servicer, _Request, grpc.ServicerContext], _Response],
) -> Callable[[_Servicer, _Request, grpc.ServicerContext], _Response]:
    """Make `method` of a servicer with an `activity` a well-behaved unary call."""

    @functools.wraps(method)
    def call(self: _Servicer, request: _Request, context: grpc.ServicerContext) -> _Response:
        with self.activity.call(), _errors(self.activity, context):
            return method(self, request, context)
        raise AssertionError("unreachable")

    return call


def streams(
    method: Callable[[_Servicer, _Request, grpc.ServicerContext], Iterator[_Response]],
) -> Callable[[_Servicer, _Request, grpc.ServicerContext], Iterator[_Response]]:
    """Make `method` of a servicer with an `activity` a well-behaved stream."""

    @functools.wraps(method)
    def call(self: _Servicer, request: _Request, context: grpc.ServicerContext) -> Iterator[_Response]:
        with self.activity.call(), _errors(self.activity, context), self.activity.stream(most=self.streams_max):
            yield from method(self, request, context)

    return call


def caller_stop(context: grpc.ServicerContext) -> Stop:
    """A stop that is requested when the caller goes away."""
    stop = Stop()
    if not context.add_callback(stop.request):
        stop.request()
    return stop


@contextmanager
def _errors(activity: Activity, context: grpc.ServicerContext) -> Iterator[None]:
    try:
        if activity.closing:
            raise ServiceClosingError("the service is closing.", next_step="Try again in a moment.")
        yield
    except OverscanError as error:
        context.abort_with_status(to_status(error))
    except Exception as error:
        _LOG.exception("a call failed")
        fault = OverscanError(
            f"the service failed: {type(error).__name__}: {error}", next_step="See the service's log."
        )
        context.abort_with_status(to_status(fault))


class TokenInterceptor(grpc.ServerInterceptor):
    """Refuses every call without the token."""

    def __init__(self, *, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

        def refuse(_request: object, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "The token is missing or wrong; it is in service.json.")

        self._refusal: _Handler = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], _Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """Hand the call on where it carries the token."""
        for key, value in handler_call_details.invocation_metadata or ():
            given = value if isinstance(value, bytes) else value.encode()
            if key == "authorization" and hmac.compare_digest(given, self._expected):
                return continuation(handler_call_details)
        return self._refusal
