"""Watches: the events of a job, passed on to the host until the job ends, over restarts of the service."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from overscan.client._client import Client
from overscan.client._errors import ServiceError, ServiceUnreachableError
from overscan.client._writing import to_plain
from overscan.client.bridge._clients import Clients
from overscan.client.bridge._faults import plain_error, plain_problems

_PATIENCE_SECONDS = 120.0
"""How long a service may be gone before its watches fail."""
_PAUSE_SECONDS_MIN = 0.1
_PAUSE_SECONDS_MAX = 2.0

Notify = Callable[[str, dict[str, Any]], None]


class Watches:
    """All watches of the host."""

    def __init__(self, *, clients: Clients, notify: Notify) -> None:
        self._clients = clients
        self._notify = notify
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._open: dict[int, _Watch] = {}

    def add(self, *, job_id: str, after_number: int) -> tuple[int, Callable[[], None]]:
        """A new watch: its number, and what begins it, for after the host has been told the number."""
        number = next(self._numbers)
        watch = _Watch(
            number=number, job_id=job_id, after_number=after_number, clients=self._clients, notify=self._notify
        )
        with self._lock:
            self._open[number] = watch

        def run() -> None:
            try:
                watch.run()
            finally:
                with self._lock:
                    self._open.pop(number, None)

        return number, threading.Thread(target=run, name=f"watch-{number}", daemon=True).start

    def remove(self, number: int) -> None:
        """Stop a watch; one that has ended is fine too."""
        with self._lock:
            watch = self._open.pop(number, None)
        if watch is not None:
            watch.stop()


class _Watch:
    def __init__(self, *, number: int, job_id: str, after_number: int, clients: Clients, notify: Notify) -> None:
        self._number = number
        self._job_id = job_id
        self._last = after_number
        self._clients = clients
        self._notify = notify
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()
        with self._lock:
            if self._client is not None:
                self._client.close()

    def run(self) -> None:
        """Pass events on until the job ends or `stop`."""
        lost_since: float | None = None
        pause = _PAUSE_SECONDS_MIN
        while not self._stopped.is_set():
            try:
                client = self._connect()
                client.get(job_id=self._job_id)  # the service answers, started anew where need be, and knows the job
                if lost_since is not None:
                    lost_since, pause = None, _PAUSE_SECONDS_MIN
                    self._tell("restored")
                for event in client.watch(job_id=self._job_id, after_number=self._last, patience_seconds=0.0):
                    self._last = event.number
                    self._notify("job.event", {"watch": self._number, "event": to_plain(event, defaults=True)})
                return self._tell("ended")
            except ServiceError as error:
                gone = error.connection_lost or isinstance(error, ServiceUnreachableError)
                now = time.monotonic()
                if not gone or (lost_since is not None and now - lost_since > _PATIENCE_SECONDS):
                    return self._tell("failed", plain_problems(error))
                if lost_since is None:
                    lost_since = now
                    self._tell("lost", plain_problems(error))
            except Exception as error:
                if not self._stopped.is_set():  # else it is the closed client that says so
                    traceback.print_exc()
                    with contextlib.suppress(OSError):  # the host no longer reads
                        self._tell("failed", plain_error(error)["data"]["problems"])
                return None
            finally:
                self._disconnect()
            self._stopped.wait(pause)
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)
        return None

    def _connect(self) -> Client:
        client = self._clients.lend()
        with self._lock:
            self._client = client
            if self._stopped.is_set():
                client.close()
        return client

    def _disconnect(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _tell(self, state: str, problems: list[dict[str, Any]] | None = None) -> None:
        if not self._stopped.is_set():
            facts: dict[str, Any] = {"watch": self._number, "state": state}
            self._notify("job.watch_state", facts if problems is None else {**facts, "problems": problems})
