"""A gRPC proxy that can lie: it hands every call on, byte for byte, but for what a test tells it to change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 1 << 20),
    ("grpc.so_reuseport", 0),
]
_HIDDEN = ("user-agent", "grpc-", "content-type", "te")

Requests = Callable[[Any], Any]
Answers = Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class RefusedError(Exception):
    """How a call ends that is refused."""

    code: grpc.StatusCode
    details: str
    trailing: tuple[tuple[str, str | bytes], ...] = ()


@dataclass(frozen=True)
class Lie:
    """What is changed of the calls of one method, or of all."""

    method: str = ""
    """The end of the methods' names; empty for all."""
    asked: type[Message] | None = None
    answered: type[Message] | None = None
    request: Requests | None = None
    """Takes a request (a message where `asked` is set, else bytes), gives another, or raises `RefusedError`."""
    answers: Answers | None = None
    """Takes the answers (messages where `answered` is set, else bytes), gives others."""
    refusal: Callable[[RefusedError], RefusedError | Iterable[bytes]] | None = None
    """Takes how the call was refused, gives another refusal, or answers."""
    metadata: Callable[[list[tuple[str, Any]]], list[tuple[str, Any]]] | None = None


class LyingProxy(grpc.GenericRpcHandler):
    """A server at `address` that hands calls on to the service at `target`."""

    def __init__(self, *, target: str) -> None:
        self.lie: Lie | None = None
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._server = grpc.server(ThreadPoolExecutor(64), handlers=(self,), options=_OPTIONS)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(0.2).wait()
        self._channel.close()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def call(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            yield from self._call(details.method, requests, context)

        return grpc.stream_stream_rpc_method_handler(call)

    def _call(self, method: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        lie = self.lie if self.lie is not None and method.endswith(self.lie.method) else Lie()
        metadata = [(key, value) for key, value in context.invocation_metadata() if not key.startswith(_HIDDEN)]
        try:
            changed = (_through(lie.request, lie.asked, one) for one in requests)
            call = self._channel.stream_stream(method)(
                changed if lie.request is None else iter(list(changed)),
                timeout=context.time_remaining(),
                metadata=lie.metadata(metadata) if lie.metadata else metadata,
            )
            context.add_callback(call.cancel)
            yield from self._answers(lie, call)
        except RefusedError as refused:
            context.set_trailing_metadata(refused.trailing)
            context.abort(refused.code, refused.details)

    def _answers(self, lie: Lie, call: Any) -> Iterator[bytes]:
        try:
            if lie.answers is None:
                yield from call
            else:
                read = lie.answered.FromString if lie.answered else bytes
                for answer in lie.answers(read(one) for one in call):
                    yield answer.SerializeToString() if isinstance(answer, Message) else answer
        except grpc.RpcError as error:
            found: Any = error
            refused = RefusedError(found.code(), found.details() or "", tuple(found.trailing_metadata() or ()))
            other = lie.refusal(refused) if lie.refusal else refused
            if isinstance(other, RefusedError):
                raise other from None
            yield from other


def _through(change: Requests | None, kind: type[Message] | None, data: bytes) -> bytes:
    if change is None:
        return data
    if kind is None:
        return bytes(change(data))
    message = kind.FromString(data)
    changed = change(message)
    return bytes((changed if isinstance(changed, Message) else message).SerializeToString())
