"""What a host holds of a call and of a watch while the bridge works on them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable

from overscan_host._errors import BridgeError, Problem

if TYPE_CHECKING:
    from overscan_host._exchange import Exchange
    from overscan_host._process import Process
    from overscan_host._watches import Watches

_POLL_SECONDS = 0.2
"""Windows delivers Ctrl-C only between waits."""


class Call:
    """One question to the bridge. It is settled exactly once: by its answer, its time limit or `cancel`."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        number: int,
        method: str,
        timeout_seconds: float,
        settled: Callable[[Call], None] | None = None,
    ) -> None:
        self.method = method
        self.timeout_seconds = timeout_seconds
        self.result: Any = None
        """The answer, once `done` and without `error`."""
        self.error: BridgeError | None = None
        """Why there is no answer, once `done`."""
        self._exchange = exchange
        self._settled = settled
        self._done = threading.Event()
        self._lock = threading.Lock()
        # For the exchange, under its lock:
        self.number = number
        self.line = b""
        self.deadline = 0.0
        self.process: Process | None = None
        """The process it was sent to."""
        self.sent_times = 0
        self.sent_at = 0.0
        self.delivered = False
        """Whether the process may have read it; what nobody read can be sent again whatever it is."""

    @property
    def done(self) -> bool:
        """Whether it is settled; the callback may still wait for the main thread."""
        return self._done.is_set()

    def cancel(self) -> None:
        """Give up: `on_error` is called with the code ``CANCELLED``, and the bridge is told to stop working on it."""
        self._exchange.give_up(self)

    def wait(self, *, timeout_seconds: float | None = None) -> bool:
        """Wait until it is settled, on any thread but the host's main thread; whether it is."""
        left = timeout_seconds
        while left is None or left > 0:
            if self._done.wait(_POLL_SECONDS if left is None else min(left, _POLL_SECONDS)):
                return True
            left = None if left is None else left - _POLL_SECONDS
        return self.done

    def settle(self, result: Any = None, error: BridgeError | None = None) -> None:
        """For the exchange: the outcome. Whatever comes after the first is ignored."""
        with self._lock:
            if self.done:
                return
            self.result, self.error = result, error
            self._done.set()
        if self._settled is not None:
            self._settled(self)


class Watch:
    """Follows a job, over the ends of bridges and services, until it ends or `stop`."""

    def __init__(
        self,
        watches: Watches,
        *,
        job_id: str,
        on_event: Callable[[dict[str, Any]], None],
        on_state: Callable[[str, tuple[Problem, ...]], None],
        after_number: int,
    ) -> None:
        self.job_id = job_id
        self.number = after_number
        """Number of the last event received; a later watch goes on after it."""
        self.active = True
        """False once it was stopped or has ended."""
        self._watches = watches
        self._on_event = on_event
        self._on_state = on_state
        # For the exchange, under its lock:
        self.wire: int | None = None
        """The bridge's number for it."""
        self.lost = False

    def stop(self) -> None:
        """Follow no longer; no callback is called after this. The job goes on."""
        self.active = False
        self._watches.remove(self)

    def tell_event(self, event: dict[str, Any]) -> None:
        """For the queue, on the main thread."""
        if self.active:
            self._on_event(event)

    def tell_state(self, state: str, problems: tuple[Problem, ...]) -> None:
        """For the queue, on the main thread."""
        if self.active:
            self.active = state not in ("ended", "failed")
            self._on_state(state, problems)
