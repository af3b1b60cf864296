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

from overscan_host._bridge import Bridge
from overscan_host._errors import BridgeError
from overscan_host._queue import CallbackQueue
from overscan_host._refusals import StoppedError

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
        self._stop = False
        self._told = False
        self._call: Any = None

    def start(self) -> None:
        """Begin with the next turn of the main thread."""
        self._queue.post(self._advance, None, None)

    def cancel(self) -> None:
        """Stop: at their next ``yield`` the steps see `StoppedError`, once, and may clean up with more of them.

        An answer that is there already is delivered first: it may be of a job that has to be cancelled again.
        """
        self._stop = True
        call = self._call
        if call is not None:
            call.cancel()

    def _advance(self, value: Any, error: BaseException | None) -> None:
        self._call = None
        end = time.monotonic() + _SLICE_SECONDS
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
            if self._stop and not self._told:
                self._told = True
                error = StoppedError()
            elif isinstance(effect, Ask):
                self._call = self._bridge.call(
                    effect.method,
                    effect.params,
                    on_result=lambda result: self._advance(result, None),
                    on_error=self._refused,
                    timeout_seconds=effect.timeout_seconds,
                )
                return
            elif isinstance(effect, Work):
                threading.Thread(target=self._work, args=(effect,), name="overscan-work", daemon=True).start()
                return
            elif time.monotonic() >= end:
                self._queue.post(self._advance, None, None)
                return

    def _refused(self, problem: BridgeError) -> None:
        if self._stop and not self._told and problem.code == "CANCELLED":
            self._told = True
            self._advance(None, StoppedError())
        else:
            self._advance(None, problem)

    def _work(self, work: Work) -> None:
        try:
            result = work.function()
        except Exception as problem:
            self._queue.post(self._advance, None, problem)
        else:
            self._queue.post(self._advance, result, None)

    def _end(self, result: Any, error: BaseException | None) -> None:
        self._finished(result, error)


def run_through(steps: Steps, *, bridge: Bridge) -> Any:
    """Run steps to their end on this thread, the host's main thread in batch; returns what they return.

    With Ctrl-C the steps see `StoppedError` and clean up, and KeyboardInterrupt is raised then.
    """
    value: Any = None
    error: BaseException | None = None
    interrupted = False
    while True:
        try:
            effect = steps.throw(error) if error is not None else steps.send(value)
        except (StopIteration, StoppedError) as stop:
            if interrupted:
                raise KeyboardInterrupt from stop
            if isinstance(stop, StoppedError):
                raise
            return stop.value
        value, error = None, None
        try:
            if isinstance(effect, Ask):
                value = bridge.request(effect.method, effect.params, timeout_seconds=effect.timeout_seconds)
            elif isinstance(effect, Work):
                value = effect.function()
        except (BridgeError, OSError) as problem:
            error = problem
        except KeyboardInterrupt:
            if interrupted:
                raise
            error, interrupted = StoppedError(), True
