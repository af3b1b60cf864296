"""The watches of a host, set up anew whenever the bridge was started anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from overscan_host._calls import Call, Watch
from overscan_host._errors import Problem
from overscan_host._queue import CallbackQueue
from overscan_host._wire import problems_of

if TYPE_CHECKING:
    from overscan_host._exchange import Exchange

_SECONDS_MAX = 30.0
_LEFT_TO_THE_EXCHANGE = ("BRIDGE_ENDED", "CANCELLED")
"""Errors after which a watch is set up again, or nobody wants it any more."""


class Watches:
    """All watches of a host; the exchange's lock guards them."""

    def __init__(self, *, queue: CallbackQueue) -> None:
        self._queue = queue
        self._watches: list[Watch] = []
        self._exchange: Exchange

    def bind(self, exchange: Exchange) -> None:
        """Use this exchange."""
        self._exchange = exchange

    @property
    def wanted(self) -> bool:
        """Whether there are any, so that a bridge is needed."""
        return bool(self._watches)

    def add(self, watch: Watch) -> None:
        """Begin to watch, now or as soon as there is a bridge."""
        with self._exchange.lock:
            if self._exchange.closed:
                watch.active = False
                return
            self._watches.append(watch)
            running = self._exchange.process is not None
        if running:
            self._attach(watch)
        else:
            self._exchange.wake()

    def remove(self, watch: Watch) -> None:
        """Watch no longer."""
        with self._exchange.lock:
            if watch in self._watches:
                self._watches.remove(watch)
            number, watch.wire = watch.wire, None
        if number is not None:
            self._unwatch(number)

    def close(self) -> None:
        """Drop all, without a word."""
        with self._exchange.lock:
            for watch in self._watches:
                watch.active = False
            self._watches.clear()

    def attach_all(self) -> None:
        """A bridge is there: set them up in it."""
        with self._exchange.lock:
            watches = list(self._watches)
        for watch in watches:
            self._attach(watch)

    def detach_all(self) -> list[Watch]:
        """The bridge is gone, and with it its numbers; returns the watches it had."""
        with self._exchange.lock:
            for watch in self._watches:
                watch.wire = None
                watch.lost = True
            return list(self._watches)

    def tell_lost(self, watches: list[Watch], problems: tuple[Problem, ...]) -> None:
        """Say that the bridge is gone; another is being started."""
        for watch in watches:
            self._queue.post(watch.tell_state, "lost", problems)

    def fail(self, problems: tuple[Problem, ...], *, only: Watch | None = None) -> None:
        """Give up all, or one."""
        with self._exchange.lock:
            failing = [watch for watch in self._watches if only is None or watch is only]
            for watch in failing:
                self._watches.remove(watch)
        for watch in failing:
            self._queue.post(watch.tell_state, "failed", problems)

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """The bridge says something about one of them."""
        given, state = params.get("event"), str(params.get("state"))
        event: dict[str, Any] = given if isinstance(given, dict) else {}
        with self._exchange.lock:
            watch = next((watch for watch in self._watches if watch.wire == params.get("watch")), None)
            if watch is None or watch.wire is None:
                return
            if method == "job.event":
                number = event.get("number", 0)
                if not isinstance(number, int) or number <= watch.number:
                    return
                watch.number = number
            elif method != "job.watch_state":
                return
            elif state in ("ended", "failed"):
                self._watches.remove(watch)
        if method == "job.event":
            self._queue.post(watch.tell_event, event, key=_mergeable(watch, event))
        else:
            self._queue.post(watch.tell_state, state, problems_of(params.get("problems")))

    def _attach(self, watch: Watch) -> None:
        params = {"job_id": watch.job_id, "after_number": watch.number}

        def settled(call: Call) -> None:
            if call.error is None:
                self._attached(watch, call.result.get("watch") if isinstance(call.result, dict) else None)
            elif call.error.code not in _LEFT_TO_THE_EXCHANGE:
                self.fail(call.error.problems, only=watch)

        self._exchange.ask("job.watch", params, timeout_seconds=_SECONDS_MAX, settled=settled, start=False)

    def _attached(self, watch: Watch, number: int | None) -> None:
        with self._exchange.lock:
            wanted = watch in self._watches
            restored, watch.lost = watch.lost and wanted, False
            # One that was added while the bridge came up may have been set up twice.
            needless = watch.wire if wanted else number
            watch.wire = number if wanted else None
        if restored:
            self._queue.post(watch.tell_state, "restored", ())
        if needless is not None:
            self._unwatch(needless)

    def _unwatch(self, number: int) -> None:
        self._exchange.ask("job.unwatch", {"watch": number}, timeout_seconds=_SECONDS_MAX, start=False)


def _mergeable(watch: Watch, event: dict[str, Any]) -> tuple[int, str] | None:
    kind = next((kind for kind in ("step_progress", "preview") if kind in event), None)
    return None if kind is None else (id(watch), kind)
