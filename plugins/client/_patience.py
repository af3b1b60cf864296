"""Goes on with a transfer whose connection was cut, for as long as that makes sense."""

from __future__ import annotations

import threading
import time

from overscan.client._errors import ServiceError, ServiceUnreachableError

_FIRST_PAUSE_SECONDS = 0.1
_MOST_PAUSE_SECONDS = 2.0


class Patience:
    """Says whether to try again, and waits in between. What moves on earns new patience."""

    def __init__(self, *, seconds: float, stop: threading.Event) -> None:
        self._seconds = seconds
        self._stop = stop
        self.renew()

    def renew(self) -> None:
        """Something has arrived."""
        self._give_up = time.monotonic() + self._seconds
        self._pause = _FIRST_PAUSE_SECONDS

    def wait(self, error: ServiceError) -> None:
        """Wait before the next try; raises `error` where another makes no sense or too much time has gone by."""
        again = error.connection_lost or isinstance(error, ServiceUnreachableError) or error.code == "TOO_MANY_STREAMS"
        if not again or time.monotonic() > self._give_up or self._stop.wait(self._pause):
            raise error
        self._pause = min(2 * self._pause, _MOST_PAUSE_SECONDS)
