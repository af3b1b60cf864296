"""Handlers of gRPC methods, for interceptors that put something round them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def behaviour_of(handler: Handler) -> Any:
    """The function that answers, of whichever kind it is."""
    return handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream


def make_handler(
    behaviour: Callable[[Any, Any], Any],
    *,
    request_streaming: bool,
    response_streaming: bool,
    deserializer: Any = None,
    serializer: Any = None,
) -> Handler:
    """A handler that has `behaviour` answer."""
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(request_streaming), bool(response_streaming)]
    handler: Handler = make(behaviour, deserializer, serializer)
    return handler
