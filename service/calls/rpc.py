"""What every RPC has around it: errors become rich statuses, and open calls are counted."""

from __future__ import annotations

import functools
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import text_format
from google.protobuf.message import Message

from overscan.core.errors import OverscanError
from overscan.service._errors import (
    ServiceClosingError,
    TooManyStreamsError,
    UnauthenticatedError,
    to_status,
)
from overscan.service.security.audit import about
from overscan.service.security.roles import CHANGES
from overscan.service.security.users import Caller
from overscan.service.workers.worker import Stop

_LOG = logging.getLogger(__name__)
_Servicer = Any
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


@dataclass(slots=True, kw_only=True, eq=False)
class Visit:
    """A call, as the service's guard let it in."""

    caller: Caller
    peer: str = ""
    """Where it comes from, in gRPC's words."""
    method: str = ""
    token: bytes = field(default=b"", repr=False)
    revoked: bool = False
    """Whether the caller's token was taken back in the meantime."""
    outcome: str = ""
    """Code of the error that it ended with; empty while there is none."""
    job: str = ""
    upload: str = ""
    detail: str = ""
    """What else the audit log says of it."""

    def asked(self, request: object) -> None:
        """Note what a request is about."""
        self.job = self.job or str(getattr(request, "job_id", ""))
        self.upload = self.upload or str(getattr(request, "upload_id", ""))
        spec = getattr(request, "spec", None)
        if spec is not None:
            self.detail = about(spec)
        elif self.method in CHANGES and not self.job and not self.upload and isinstance(request, Message):
            self.detail = text_format.MessageToString(request, as_one_line=True)

    def said(self, response: object) -> None:
        """Note what a response is about: a request may name a job by the beginning of its id."""
        self.job = str(getattr(getattr(response, "job", None), "id", "")) or self.job
        self.upload = str(getattr(response, "upload_id", "")) or self.upload


_visits: weakref.WeakKeyDictionary[grpc.ServicerContext, Visit] = weakref.WeakKeyDictionary()


def let_in(context: grpc.ServicerContext, visit: Visit) -> Visit:
    """Note who makes a call. For the guard alone."""
    _visits[context] = visit
    return visit


def caller(context: grpc.ServicerContext) -> Caller:
    """Who makes a call; raises `KeyError` for one that no guard has let in."""
    return _visits[context].caller


def check_welcome(context: grpc.ServicerContext) -> None:
    """For a stream, now and then: raises `UnauthenticatedError` where its caller's token was taken back."""
    visit = _visits.get(context)
    if visit is not None and visit.revoked:
        raise UnauthenticatedError(
            "the token has ended, or was taken back or changed, while the stream was open.",
            next_step="Ask an admin for a new one.",
        )


def refuse(context: grpc.ServicerContext, error: OverscanError) -> NoReturn:
    """End a call with an error."""
    visit = _visits.get(context)
    if visit is not None:
        codes = [problem.code for problem in getattr(error, "problems", ())]
        visit.outcome = "OUTSIDE_ROOTS" if "OUTSIDE_ROOTS" in codes else error.record.code
    context.abort_with_status(to_status(error))
    raise AssertionError("unreachable")


class Activity:
    """Counts open calls, to know when the service is idle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._streams: dict[str, int] = {}
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
    def stream(self, *, most: int, kind: str = "watchers") -> Iterator[None]:
        """An open stream, which holds a thread; raises `TooManyStreamsError` where `most` of its kind are open."""
        with self._lock:
            count = self._streams.get(kind, 0)
            if count >= most:
                raise TooManyStreamsError(
                    f"{most} {kind} are open already.",
                    next_step="Close some, or try again when others have ended.",
                )
            self._streams[kind] = count + 1
        try:
            yield
        finally:
            with self._lock:
                self._streams[kind] -= 1


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
        kind = getattr(self, "streams_kind", "watchers")
        slot = self.activity.stream(most=self.streams_max, kind=kind)
        with self.activity.call(), _errors(self.activity, context), slot:
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
        refuse(context, error)
    except Exception as error:
        if context.code() is not None:  # type: ignore[attr-defined]  # what reads the requests has ended the call
            raise
        _LOG.exception("a call failed")
        fault = OverscanError(
            f"the service failed: {type(error).__name__}: {error}", next_step="See the service's log."
        )
        refuse(context, fault)
