"""Stands before every method of every service: who calls, what they may do, how much, and what came of it.

No interceptor before it may look at requests: nothing of one is parsed, or waited for, before its caller is known.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from overscan.core.errors import OverscanError
from overscan.service._errors import (
    AuditError,
    InvalidRequestError,
    NotAllowedError,
    TooManyStreamsError,
    UnknownMethodError,
)
from overscan.service.calls.handlers import Handler, behaviour_of, make_handler
from overscan.service.calls.rpc import Visit, check_welcome, let_in, refuse
from overscan.service.operations.logs import add_context
from overscan.service.security.audit import AuditLog
from overscan.service.security.doorkeeper import Doorkeeper
from overscan.service.security.message_limits import check_message
from overscan.service.security.quotas import Quotas
from overscan.service.security.roles import ANNOUNCED, CHANGES, LEAST_ROLES

_LOG = logging.getLogger(__name__)
_REFUSALS = {"UNAUTHENTICATED", "NOT_ALLOWED", "OUTSIDE_ROOTS", "QUOTA", "POLICY", "MALFORMED_REQUEST"}
"""Outcomes that the audit log has of any call."""
_OURS = "/overscan.v1."
OTHER_STREAMS_MAX = 16
"""Open streams of gRPC's own services, health and reflection. Each holds a thread; ours are counted where they are."""
_REQUEST_SECONDS_MAX = 60.0
"""A call whose request has not come by then is ended: it holds a thread."""
_LOOK_SECONDS = 1.0
_LOOKS_TO_END = 3
"""A stream whose caller is nobody any more is cut where it has not ended by itself after so many looks."""


class Guard(grpc.ServerInterceptor):
    """Lets nobody call what they may not."""

    def __init__(self, *, doorkeeper: Doorkeeper, quotas: Quotas, audit: AuditLog) -> None:
        self._doorkeeper = doorkeeper
        self._quotas = quotas
        self._audit = audit
        self._guarded: dict[str, tuple[Handler, Handler]] = {}
        self._lock = threading.Lock()
        self._open: dict[Visit, grpc.ServicerContext] = {}
        self._awaited: dict[Visit, tuple[grpc.ServicerContext, float]] = {}
        """Calls whose request has not come yet, and until when it may."""
        self._ended = threading.Event()
        threading.Thread(target=self._look_after_streams, name="guard", daemon=True).start()

    def close(self) -> None:
        """Look after no streams any more."""
        self._ended.set()

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The handler with a guard before it; also where there is none, so that strangers learn nothing."""
        method = str(handler_call_details.method)
        handler = continuation(handler_call_details)
        if handler is None:
            return make_handler(
                lambda _, context: self._let_in(method, context, there=False),
                request_streaming=True,
                response_streaming=False,
            )
        known = self._guarded.get(method)
        if known is None or known[0] is not handler:
            known = self._guarded[method] = (handler, self._guard(method, handler))
        return known[1]

    def _guard(self, method: str, handler: Handler) -> Handler:
        behaviour = behaviour_of(handler)
        streams = handler.request_streaming or handler.response_streaming

        def answer(raw: Any, context: grpc.ServicerContext) -> Any:
            with self._visit(method, context, streams=streams) as visit:
                response = behaviour(self._requests(handler, raw, context, visit), context)
                visit.said(response)
                return response

        def stream(raw: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with self._visit(method, context, streams=streams) as visit:
                for response in behaviour(self._requests(handler, raw, context, visit), context):
                    _welcome(context)
                    yield response

        # Always as a stream of requests: gRPC would wait for a single one, in a thread, before anybody is asked.
        return make_handler(
            stream if handler.response_streaming else answer,
            request_streaming=True,
            response_streaming=handler.response_streaming,
            serializer=handler.response_serializer,
        )

    @contextmanager
    def _visit(self, method: str, context: grpc.ServicerContext, *, streams: bool) -> Iterator[Visit]:
        """A call by somebody who may make it, written down when it ends."""
        visit = self._let_in(method, context, streams=streams)
        try:
            with ExitStack() as stack:
                try:
                    if method in CHANGES:
                        self._audit.check()
                    if streams:
                        stack.enter_context(self._quotas.stream(visit.caller))
                        stack.enter_context(self._looked_after(visit, context))
                except OverscanError as error:
                    refuse(context, error)
                yield visit
        except GeneratorExit:  # the caller went away
            visit.outcome = visit.outcome or "CANCELLED"
            raise
        except Exception:
            visit.outcome = visit.outcome or "ABORTED"
            raise
        finally:
            self._write_down(method, visit)

    def _let_in(
        self, method: str, context: grpc.ServicerContext, *, there: bool = True, streams: bool = False
    ) -> Visit:
        peer, token = context.peer(), _token(context)
        visit = None
        try:
            who = self._doorkeeper.admit(peer=peer, token=token)
            add_context(user=who.name)
            visit = let_in(context, Visit(caller=who, peer=peer, method=method, token=token))
            least = LEAST_ROLES.get(method)
            if least is None or not there:
                raise UnknownMethodError(
                    f"there is no method '{method[:200]}'.", next_step="Update the service or the client."
                )
            if who.role < least:
                raise NotAllowedError(
                    f"{method.rpartition('/')[2]} is for {least.word}s and above, and {who.name} is a {who.role.word}.",
                    next_step="Ask an admin to do it, or for another role.",
                    expected=least.word,
                    actual=who.role.word,
                )
            if not streams:  # which have a quota of their own: a transfer of small files makes very many
                self._quotas.call(who)
            return visit
        except OverscanError as error:
            if visit is None:
                self._refused(user="", peer=peer, method=method, outcome=error.record.code)
            else:
                visit.outcome = error.record.code
                self._write_down(method, visit)
            refuse(context, error)
        raise AssertionError("unreachable")

    def _requests(self, handler: Handler, raw: Any, context: grpc.ServicerContext, visit: Visit) -> Any:
        """The request, or the requests, parsed."""
        if not handler.request_streaming:
            return self._parsed(handler, self._first(raw, context, visit), context, visit)

        def parsed() -> Iterator[Any]:
            for one in raw:
                _welcome(context)
                yield self._parsed(handler, one, context, visit)

        return parsed()

    def _first(self, raw: Iterator[bytes], context: grpc.ServicerContext, visit: Visit) -> bytes:
        """The one request of a call, waited for only so long."""
        with self._lock:
            self._awaited[visit] = (context, time.monotonic() + _REQUEST_SECONDS_MAX)
        try:
            found = next(raw, None)
        finally:
            with self._lock:
                del self._awaited[visit]
        if found is None:
            refuse(context, InvalidRequestError("the call brought no request.", next_step="Update the client."))
        return found

    def _parsed(self, handler: Handler, raw: bytes, context: grpc.ServicerContext, visit: Visit) -> Any:
        try:
            try:
                request = handler.request_deserializer(raw) if handler.request_deserializer else raw
            except (DecodeError, ValueError) as error:
                raise InvalidRequestError(
                    "the request is no message of the kind that the method takes.", next_step="Update the client."
                ) from error
            if isinstance(request, Message):
                check_message(request)
            visit.asked(request)
            if visit.method in ANNOUNCED:
                self._write_change(visit, outcome="BEGUN")
        except OverscanError as error:
            refuse(context, error)
        return request

    def _write_change(self, visit: Visit, *, outcome: str, done: bool = False) -> None:
        self._audit.write(
            done=done,
            user=visit.caller.name or "(service)",
            role=visit.caller.role.word,
            **{"from": visit.peer},
            call=visit.method.rpartition("/")[2],
            job=visit.job,
            upload=visit.upload,
            detail=visit.detail,
            outcome=outcome,
        )

    def _write_down(self, method: str, visit: Visit) -> None:
        entry = {"job": visit.job, "upload": visit.upload, "detail": visit.detail}
        try:
            if visit.outcome in _REFUSALS:
                self._refused(user=visit.caller.name, peer=visit.peer, method=method, outcome=visit.outcome, **entry)
            elif method in CHANGES:
                self._write_change(visit, outcome=visit.outcome or "OK", done=True)
        except AuditError as error:  # what was done is done; from now on nothing else is
            _LOG.critical("%s The call was %s by '%s'.", error, method, visit.caller.name)

    def _refused(self, *, user: str, peer: str, method: str, outcome: str, **entry: str) -> None:
        call = method.rpartition("/")[2] if method in LEAST_ROLES else "(unknown)"
        try:
            self._audit.refused(user=user, peer=peer, call=call, outcome=outcome, **entry)
        except AuditError as error:
            _LOG.critical("%s Refused was %s by '%s' from %s.", error, call, user, peer)

    @contextmanager
    def _looked_after(self, visit: Visit, context: grpc.ServicerContext) -> Iterator[None]:
        with self._lock:
            if not visit.method.startswith(_OURS):
                others = sum(not open_.method.startswith(_OURS) for open_ in self._open)
                if others >= OTHER_STREAMS_MAX:
                    raise TooManyStreamsError(
                        f"{others} streams of gRPC's own services are open already.",
                        next_step="Close some, or ask Health/Check now and then.",
                    )
            self._open[visit] = context
        try:
            yield
        finally:
            with self._lock:
                del self._open[visit]

    def _look_after_streams(self) -> None:
        """End the streams of callers whose token was taken back."""
        late: dict[Visit, int] = {}
        while not self._ended.wait(_LOOK_SECONDS):
            with self._lock:
                streams, awaited = dict(self._open), list(self._awaited.values())
            for context, until in awaited:
                if time.monotonic() > until:
                    context.cancel()
            late = {visit: looks for visit, looks in late.items() if visit in streams}
            for visit, context in streams.items():
                who = self._doorkeeper.still(peer=visit.peer, token=visit.token)
                if who is None or who.name != visit.caller.name or who.role < LEAST_ROLES[visit.method]:
                    visit.revoked = True
                    late[visit] = late.get(visit, 0) + 1
                    if late[visit] > _LOOKS_TO_END:
                        context.cancel()


def _welcome(context: grpc.ServicerContext) -> None:
    try:
        check_welcome(context)
    except OverscanError as error:
        refuse(context, error)


def _token(context: grpc.ServicerContext) -> bytes:
    """The bearer token that a call shows; empty where none."""
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            given = value if isinstance(value, bytes) else value.encode()
            scheme, _, token = given.partition(b" ")
            return token if scheme == b"Bearer" else b""
    return b""
