"""Stands between callers and services, and translates paths both ways, so that nobody else has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from overscan.core.errors import OverscanError
from overscan.service._errors import seen_as
from overscan.service.calls.handlers import Handler, behaviour_of, make_handler
from overscan.service.calls.rpc import refuse
from overscan.service.paths.path_map import PathMap, platform_of
from overscan.service.paths.view import PathView
from overscan.service.transfers.uploads import Uploads

_OURS = "/overscan.v1."
_AS_THEY_ARE = ("/UploadFrames", "/DownloadFrame")
"""Messages that are bytes of files, and have no paths."""


class PathInterceptor(grpc.ServerInterceptor):
    """Comes after the guard: a stranger's paths are of no interest."""

    def __init__(self, *, path_map: PathMap, uploads: Uploads, home: Path) -> None:
        self._map = path_map
        self._uploads = uploads
        self._home = home
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The handler with a translator round it."""
        handler = continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or not method.startswith(_OURS):
            return handler
        known = self._wrapped.get(method)
        if known is None or known[0] is not handler:
            messages = not method.endswith(_AS_THEY_ARE)
            known = self._wrapped[method] = (handler, self._wrap(handler, messages=messages))
        return known[1]

    def _wrap(self, handler: Handler, *, messages: bool) -> Handler:
        behaviour = behaviour_of(handler)

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            with self._view(context) as view:
                if messages:
                    _inward(view, request, context)
                response = behaviour(request, context)
                if messages:
                    view.outward(response)
                return response

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with self._view(context) as view:
                if not messages:
                    yield from behaviour(request, context)
                    return
                _inward(view, request, context)
                for response in behaviour(request, context):
                    view.outward(response)
                    yield response

        return make_handler(
            stream if handler.response_streaming else answer,
            request_streaming=handler.request_streaming,
            response_streaming=handler.response_streaming,
            deserializer=handler.request_deserializer,
            serializer=handler.response_serializer,
        )

    @contextmanager
    def _view(self, context: grpc.ServicerContext) -> Iterator[PathView]:
        platform = platform_of(context.invocation_metadata())
        view = PathView(path_map=self._map, platform=platform, uploads=self._uploads, home=self._home)
        before = seen_as.get()
        seen_as.set(view.problem)
        try:
            yield view
        finally:
            seen_as.set(before)


def _inward(view: PathView, request: Any, context: grpc.ServicerContext) -> None:
    try:
        view.inward(request)
    except OverscanError as error:
        refuse(context, error)
