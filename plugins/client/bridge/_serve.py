"""The bridge's loop: reads the host's messages, has them carried out, and ends with the host."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import IO, Any, NoReturn

from overscan.client._discovery import home_folder
from overscan.client.bridge._clients import Clients
from overscan.client.bridge._faults import (
    INVALID_PARAMETERS,
    INVALID_REQUEST,
    NOT_JSON,
    PROBLEM,
    UNKNOWN_METHOD,
    FaultError,
    cancelled,
    invalid,
    plain_error,
)
from overscan.client.bridge._hosts import process_is_there
from overscan.client.bridge._lines import LINE_BYTES_MAX, LineTooLongError, LineWriter, decode, read_line
from overscan.client.bridge._methods import METHODS
from overscan.client.bridge._parameters import Parameters
from overscan.client.bridge._requests import Request
from overscan.client.bridge._watches import Watches

PROTOCOL = 1
"""Version of the messages between host and bridge."""

_REQUESTS_AT_ONCE = 16
_LOOK_SECONDS = 1.0


def serve_bridge(*, requests: IO[bytes], answers: IO[bytes]) -> NoReturn:
    """Serve the host at the other end of a pair of pipes; end when it does."""
    with contextlib.suppress(OSError, BrokenPipeError):
        _Bridge(requests=requests, answers=answers).serve()
    sys.stderr.flush()
    os._exit(0)  # calls may be in flight: nobody wants their answers, and jobs are the service's


class _Bridge:
    def __init__(self, *, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._lines = requests
        self._writer = LineWriter(answers)
        self._clients = Clients()
        self._watches = Watches(clients=self._clients, notify=self._notify)
        self._pool = ThreadPoolExecutor(max_workers=_REQUESTS_AT_ONCE, thread_name_prefix="request")
        self._lock = threading.Lock()
        self._open: dict[int | str, Request] = {}
        self._greeted = False
        self._ending = False
        self._inline: dict[str, Callable[[Request], dict[str, Any]]] = {
            "hello": self._hello,
            "ping": self._ping,
            "shutdown": self._shutdown,
            "job.unwatch": self._unwatch,
        }

    def serve(self) -> None:
        """Answer until the host closes its end or says ``shutdown``."""
        while not self._ending:
            try:
                line = read_line(self._lines)
            except LineTooLongError:
                self._answer(None, error=invalid(INVALID_REQUEST, f"A line has more than {LINE_BYTES_MAX} bytes."))
                continue
            if line is None:
                return
            if line.strip():
                self._take(line)

    def _take(self, line: bytes) -> None:
        identity: int | str | None = None
        try:
            try:
                message = decode(line)
            except ValueError as error:
                raise invalid(NOT_JSON, f"A line is not JSON: {error}.") from None
            if not isinstance(message, dict):
                raise invalid(INVALID_REQUEST, "A message must be an object; batches are not for lines.")
            given = message.get("id")
            if given is not None and (not isinstance(given, (int, str)) or isinstance(given, bool)):
                raise invalid(INVALID_REQUEST, "The id must be a whole number or a text.")
            identity = given
            self._dispatch(identity, message)
        except FaultError as fault:
            self._answer(identity, error=fault)

    def _dispatch(self, identity: int | str | None, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
            raise invalid(INVALID_REQUEST, 'A message must have "jsonrpc": "2.0" and a method.')
        if not isinstance(parameters, dict):
            raise invalid(INVALID_PARAMETERS, f"The parameters of {method} must have names.")
        if method == "$/cancel":
            self._cancel(parameters)
            return
        request = Request(identity=identity, method=method, parameters=parameters, clients=self._clients)
        if method != "hello" and not self._greeted:
            raise invalid(INVALID_REQUEST, f"'hello' must come before {method}.")
        if method in self._inline:
            self._answer(identity, result=self._inline[method](request))
        elif method == "job.watch":
            self._watch(request)
        elif method in METHODS:
            with self._lock:
                if identity in self._open:
                    raise invalid(INVALID_REQUEST, f"There is a request {identity!r} already.")
                if identity is not None:
                    self._open[identity] = request
            self._pool.submit(self._carry_out, request)
        else:
            raise invalid(
                UNKNOWN_METHOD,
                f"There is no method '{method}'.",
                next_step="Lay the plugin down again with `overscan install`.",
            )

    def _carry_out(self, request: Request) -> None:
        try:
            if request.given_up:
                return
            parameters = Parameters(request.method, request.parameters)
            result = METHODS[request.method](request, parameters)
        except Exception as error:
            answer = plain_error(error)
            if answer["data"]["problems"][0]["code"] == "INTERNAL" and not request.given_up:
                traceback.print_exc()
            if request.settle():
                self._answer(request.identity, error=error)
        else:
            if request.settle():
                self._answer(request.identity, result=result)
        finally:
            if request.identity is not None:
                with self._lock:
                    if self._open.get(request.identity) is request:
                        del self._open[request.identity]

    def _cancel(self, parameters: dict[str, Any]) -> None:
        identity = parameters.get("id")
        with self._lock:
            request = self._open.pop(identity, None) if isinstance(identity, (int, str)) else None
        if request is not None:
            if request.settle():
                self._answer(request.identity, error=cancelled(request.method))
            request.give_up()

    def _hello(self, request: Request) -> dict[str, Any]:
        parameters = Parameters("hello", request.parameters)
        protocol = parameters.need("protocol", int)
        host, host_pid = parameters.need("host", str), parameters.need("host_pid", int)
        versions = [parameters.get("host_version", str), parameters.get("plugin_version", str)]
        if protocol != PROTOCOL:
            older = protocol < PROTOCOL
            raise FaultError(
                PROBLEM,
                "PROTOCOL_MISMATCH",
                f"The plugin in {host} (version {versions[1] or 'unknown'}) speaks protocol {protocol}, this Overscan "
                f"({_version()}) speaks {PROTOCOL}.",
                next_step=f"Lay the plugin down again with `overscan install {host}`, then restart {host}."
                if older
                else "Update Overscan to the version of the plugin, or lay the plugin down again with "
                f"`overscan install {host}`; then restart {host}.",
            )
        parameters.end()
        self._greeted = True
        print(f"{host} {versions[0]}, plugin {versions[1]}, process {host_pid}", file=sys.stderr, flush=True)  # noqa: T201
        threading.Thread(target=_end_with, args=(host_pid,), name="host", daemon=True).start()
        return {"protocol": PROTOCOL, "version": _version(), "pid": os.getpid(), "home": str(home_folder())}

    def _ping(self, request: Request) -> dict[str, Any]:
        Parameters("ping", request.parameters).end()
        return {}

    def _shutdown(self, request: Request) -> dict[str, Any]:
        Parameters("shutdown", request.parameters).end()
        self._ending = True
        return {}

    def _watch(self, request: Request) -> None:
        parameters = Parameters("job.watch", request.parameters)
        job_id, after = parameters.need("job_id", str), parameters.get("after_number", int) or 0
        parameters.end()
        number, begin = self._watches.add(job_id=job_id, after_number=after)
        self._answer(request.identity, result={"watch": number})
        begin()

    def _unwatch(self, request: Request) -> dict[str, Any]:
        parameters = Parameters("job.unwatch", request.parameters)
        number = parameters.need("watch", int)
        parameters.end()
        self._watches.remove(number)
        return {}

    def _answer(
        self, identity: int | str | None, *, result: dict[str, Any] | None = None, error: Exception | None = None
    ) -> None:
        if error is None and identity is None:  # a notification wants no answer; but what cannot be read gets one
            return
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": identity}
        if error is not None:
            answer["error"] = plain_error(error)
        else:
            answer["result"] = result
        try:
            self._writer.write(answer)
        except LineTooLongError:
            fault = invalid(
                INVALID_REQUEST,
                f"The answer has more than {LINE_BYTES_MAX} bytes.",
                next_step='Ask for less, e.g. with "brief" or a smaller "limit".',
            )
            self._writer.write({"jsonrpc": "2.0", "id": identity, "error": plain_error(fault)})

    def _notify(self, method: str, parameters: dict[str, Any]) -> None:
        self._writer.write({"jsonrpc": "2.0", "method": method, "params": parameters})


def _end_with(host_pid: int) -> None:
    """End the process when the host's has gone; the end of its pipe says so too, where nobody else holds it."""
    if not process_is_there(host_pid):  # a bridge in a container does not see the host
        return
    while process_is_there(host_pid):
        time.sleep(_LOOK_SECONDS)
    os._exit(0)


def _version() -> str:
    try:
        return version("overscan")
    except PackageNotFoundError:
        return ""
