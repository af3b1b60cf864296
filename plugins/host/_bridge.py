"""The bridge as a host sees it: questions, answers and watches, over any number of lives of the process."""

from __future__ import annotations

import atexit
import logging
import os
import uuid
import weakref
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from overscan_host._calls import Call, Watch
from overscan_host._errors import BridgeError, Problem
from overscan_host._exchange import PROTOCOL, Exchange
from overscan_host._queue import CallbackQueue
from overscan_host._watches import Watches

_LOG = logging.getLogger("overscan")


class Bridge:
    """Starts ``overscan bridge`` when it is needed, starts it again when it dies, and ends it with the host.

    `call`, `watch` and their objects' methods never block and may be used on any thread. `on_result`, `on_error`,
    `on_event` and `on_state` run on the main thread, through `queue`.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        host: str,
        host_version: str,
        plugin_version: str,
        queue: CallbackQueue,
        log_path: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`host` is a word such as ``nuke``. The bridge's log goes to `log_path`, or a temporary file.

        The bridge gets `environment` as it is, or `clean_environment` of this process's where None. Nothing is
        started yet.
        """
        hello = {
            "protocol": PROTOCOL,
            "host": host,
            "host_version": host_version,
            "plugin_version": plugin_version,
            "host_pid": os.getpid(),
        }
        self._queue = queue
        self._watches = Watches(queue=queue)
        self._exchange = Exchange(
            command=command,
            environment=environment,
            log_path=None if log_path is None else Path(log_path),
            hello=hello,
            watches=self._watches,
        )
        _close_at_exit(self)

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        on_result: Callable[[Any], None] | None = None,
        on_error: Callable[[BridgeError], None] | None = None,
        timeout_seconds: float = 60.0,
    ) -> Call:
        """Ask the bridge; exactly one of `on_result` and `on_error` is called later, once.

        Where the bridge dies, what can be asked twice is asked again; `job.create` gets a ``request_id`` for this
        where `params` have none.
        """

        def settled(call: Call) -> None:
            if call.error is None:
                if on_result is not None:
                    self._queue.post(on_result, call.result)
            elif on_error is not None:
                self._queue.post(on_error, call.error)
            elif call.error.code != "CANCELLED":
                _LOG.error("%s: %s", method, call.error)

        return self._exchange.ask(method, _repeatable(method, params), timeout_seconds=timeout_seconds, settled=settled)

    def request(self, method: str, params: Mapping[str, Any] | None = None, *, timeout_seconds: float = 60.0) -> Any:
        """Ask the bridge and wait for the answer: for batch, and for threads other than a GUI's main thread.

        Raises `BridgeError`.
        """
        call = self._exchange.ask(method, _repeatable(method, params), timeout_seconds=timeout_seconds)
        try:
            call.wait()
        except BaseException:  # Ctrl-C
            call.cancel()
            raise
        if call.error is not None:
            raise call.error
        return call.result

    def watch(
        self,
        job_id: str,
        *,
        on_event: Callable[[dict[str, Any]], None],
        on_state: Callable[[str, tuple[Problem, ...]], None],
        after_number: int = 0,
    ) -> Watch:
        """Follow a job: `on_event` gets each event after number `after_number` once, in order.

        Of progress and previews that wait for the main thread only the newest is kept; states, frames and warnings
        all come. `on_state` is told ``lost`` (with why) when bridge or service are gone, ``restored`` when they are
        back, and as the last ``ended`` (the job has) or ``failed`` (with why).
        """
        watch = Watch(self._watches, job_id=job_id, on_event=on_event, on_state=on_state, after_number=after_number)
        self._watches.add(watch)
        return watch

    def close(self, *, timeout_seconds: float = 5.0) -> None:
        """End the bridge, within about `timeout_seconds`. Jobs go on in the service; calls in flight are cancelled."""
        self._exchange.close(timeout_seconds=timeout_seconds)

    @property
    def process_id(self) -> int | None:
        """The bridge's process id; None while none runs."""
        process = self._exchange.process
        return None if process is None else process.pid


def _repeatable(method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    facts = dict(params or {})
    if method == "job.create" and not facts.get("request_id"):
        facts["request_id"] = str(uuid.uuid4())
    return facts


def _close_at_exit(bridge: Bridge) -> None:
    known = weakref.ref(bridge)

    def close() -> None:
        alive = known()
        if alive is not None:
            alive.close(timeout_seconds=1.0)

    atexit.register(close)
