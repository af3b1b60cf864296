"""Brings what happens on other threads to the host's main thread."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from typing import Any, Callable, Hashable

_LOG = logging.getLogger("overscan")
_WAKE_AGAIN_SECONDS = 1.0


class CallbackQueue:
    """Callbacks that wait for the main thread, which runs them in the order they were posted. Thread-safe."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called, from any thread, when the queue is no longer empty: it has `drain` called soon.

        In Nuke: ``lambda: nuke.executeInMainThread(queue.drain)``. Where nothing drains within a second (some hosts
        lose such calls while they start), the next post wakes again.
        """
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Hashable, tuple[Callable[..., None], tuple[Any, ...]]] = OrderedDict()
        self._woken: float | None = None
        self._draining = False

    def __len__(self) -> int:
        return len(self._waiting)

    def post(self, callback: Callable[..., None], *args: Any, key: Hashable = None) -> None:
        """Have ``callback(*args)`` run on the main thread.

        Of callbacks with the same `key` that wait, only the last posted runs, in its own place: for progress and the
        like, of which only the newest counts.
        """
        place = object() if key is None else key
        with self._lock:
            self._waiting.pop(place, None)
            self._waiting[place] = (callback, args)
        self._wake_if_asleep()

    def drain(self, limit_seconds: float = 0.02) -> int:
        """Run what waits, at most about `limit_seconds` long; what is left comes with the next wake.

        To be called on the main thread. A callback that fails is logged and stops nothing. Called from within a
        callback (whose dialogue runs an event loop of its own) it does nothing, so that the order is kept. Returns
        how many callbacks were run.
        """
        with self._lock:
            if self._draining:
                return 0
            self._draining = True
            self._woken = None
        count = 0
        end = time.monotonic() + limit_seconds
        try:
            while True:
                with self._lock:
                    if not self._waiting:
                        break
                    _, (callback, args) = self._waiting.popitem(last=False)
                count += 1
                try:
                    callback(*args)
                except Exception:
                    _LOG.exception("a callback of Overscan failed")
                if time.monotonic() >= end:
                    break
        finally:
            with self._lock:
                self._draining = False
            self._wake_if_asleep()
        return count

    def _wake_if_asleep(self) -> None:
        now = time.monotonic()
        with self._lock:
            woken = self._woken is not None and now - self._woken < _WAKE_AGAIN_SECONDS
            if not self._waiting or self._draining or woken:
                return
            self._woken = now
        try:
            self._wake()
        except Exception:  # the host is ending, or not yet there
            _LOG.exception("the host's main thread cannot be woken")
            with self._lock:
                self._woken = None
