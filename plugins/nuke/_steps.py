"""Work that is done in slices, so that the window stays alive, and straight through where there is no window.

A piece of work is a generator. It yields None where others may have a turn, `Ask` for an answer of the bridge, and
`Work` for something that must not run on the main thread, such as looking at a network drive; the answer is what the
``yield`` gives. The same generator runs in the window (`Task`) and in batch (`run_through`).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Generator

from overscan_host import Bridge, BridgeError, CallbackQueue
from overscan_nuke._refusals import StoppedError

Steps = Generator[Any, Any, Any]

_SLICE_SECONDS = 0.015


@dataclass(frozen=True)
class Ask:
    """A question to the bridge; the answer is its result, or `BridgeError` is raised at the ``yield``."""

    method: str
    params: dict[str, Any] = field(default_factory=dict)
    timeout_seconds: float = 60.0


@dataclass(frozen=True)
class Work:
    """A function without host calls, to run beside the main thread; what it returns or raises comes back."""

    function: Callable[[], Any]


class Task:
    """Runs steps on the main thread, a slice at a time."""

    def __init__(
        self,
        steps: Steps,
        *,
        bridge: Bridge,
        queue: CallbackQueue,
        finished: Callable[[Any, BaseException | None], None],
    ) -> None:
        """`finished` is called once, on the main thread, with what the steps return or raise."""
        self._steps = steps
        self._bridge = bridge
        self._queue = queue
        self._finished = finished
        self._over = False
        self._stop = False
        self._call: Any = None

    def start(self) -> None:
        """Begin with the next turn of the main thread."""
        self._queue.post(self._advance, None, None)

    def cancel(self) -> None:
        """Stop at the next opportunity; the steps see `StoppedError` and clean up."""
        self._stop = True
        call = self._call
        if call is not None:
            call.cancel()

    def _advance(self, value: Any, error: BaseException | None) -> None:
        if self._over:
            return
        self._call = None
        end = time.monotonic() + _SLICE_SECONDS
        if self._stop:
            error = StoppedError()
        while True:
            try:
                effect = self._steps.throw(error) if error is not None else self._steps.send(value)
            except StopIteration as stop:
                self._end(stop.value, None)
                return
            except Exception as problem:
                self._end(None, problem)
                return
            value, error = None, None
            if isinstance(effect, Ask):
                self._call = self._bridge.call(
                    effect.method,
                    effect.params,
                    on_result=lambda result: self._advance(result, None),
                    on_error=lambda problem: self._advance(None, problem),
                    timeout_seconds=effect.timeout_seconds,
                )
                return
            if isinstance(effect, Work):
                threading.Thread(target=self._work, args=(effect,), name="overscan-work", daemon=True).start()
                return
            if self._stop:
                error = StoppedError()
            elif time.monotonic() >= end:
                self._queue.post(self._advance, None, None)
                return

    def _work(self, work: Work) -> None:
        try:
            result = work.function()
        except Exception as problem:
            self._queue.post(self._advance, None, problem)
        else:
            self._queue.post(self._advance, result, None)

    def _end(self, result: Any, error: BaseException | None) -> None:
        self._over = True
        self._finished(result, error)


def run_through(steps: Steps, *, bridge: Bridge) -> Any:
    """Run steps to their end on this thread, the host's main thread in batch; returns what they return."""
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            effect = steps.throw(error) if error is not None else steps.send(value)
        except StopIteration as stop:
            return stop.value
        value, error = None, None
        try:
            if isinstance(effect, Ask):
                value = bridge.request(effect.method, effect.params, timeout_seconds=effect.timeout_seconds)
            elif isinstance(effect, Work):
                value = effect.function()
        except (BridgeError, OSError) as problem:
            error = problem
