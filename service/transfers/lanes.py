"""One thing that is done to bytes in their order, beside the coming of more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor

_WAITING_MAX = 8
"""Chunks that a lane takes before who brings them has to wait."""


class Lane:
    """Does `do` to all that is put into it, one after the other; what it waits for, other lanes do not.

    After a failure nothing more is done, until `wait` has raised it.
    """

    def __init__(self, *, do: Callable[[memoryview], object], helpers: Executor) -> None:
        self._do = do
        self._helpers = helpers
        self._changed = threading.Condition()
        self._waiting: deque[memoryview] = deque()
        self._busy = False
        self._error: BaseException | None = None

    @property
    def failed(self) -> bool:
        """Whether something went wrong that `wait` has not raised yet."""
        return self._error is not None

    def put(self, data: memoryview) -> None:
        """Have it done some time; waits where much is waiting already."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < _WAITING_MAX)
            if self._error is None:
                self._waiting.append(data)
                if not self._busy:
                    self._helpers.submit(self._go)
                    self._busy = True

    def wait(self) -> None:
        """Until all is done; raises what went wrong, once."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy)
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _go(self) -> None:
        """Do some of what waits, then let other lanes have the thread: there are more of them than threads."""
        for _ in range(_WAITING_MAX):
            with self._changed:
                self._changed.notify_all()
                if not self._waiting:
                    self._busy = False
                    return
                data = self._waiting.popleft()
            try:
                self._do(data)
            except BaseException as error:
                self._fail(error)
        try:
            self._helpers.submit(self._go)
        except RuntimeError as error:  # the process ends
            self._fail(error)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = error
            self._waiting.clear()
