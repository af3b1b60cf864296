"""Ctrl-C and SIGTERM as something to act on: the first asks, the second leaves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from overscan.cli._exit import ExitCode


class Interrupts:
    """While this context is open, the first Ctrl-C (or SIGTERM) calls `on_first`; the next raises KeyboardInterrupt.

    `on_first` runs inside the signal handler: it may do no more than put something into a `queue.SimpleQueue`.
    """

    def __init__(self, *, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._before: dict[int, Any] = {}
        self._received: int | None = None

    @property
    def received(self) -> bool:
        """Whether the first one came."""
        return self._received is not None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code for a command that was stopped this way."""
        return ExitCode.TERMINATED if self._received == signal.SIGTERM else ExitCode.INTERRUPTED

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # the only one that may set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._received is not None:
            raise KeyboardInterrupt
        self._received = number
        self._on_first()
