"""Connections to the service: one for each request at work, so that each can be broken off by itself."""

from __future__ import annotations

import threading

from overscan.client._client import Client

_IDLE_MAX = 4


class Clients:
    """Lends clients. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._idle: list[Client] = []

    def lend(self) -> Client:
        """A client that is connected to the service, which is started where none runs. Raises `ServiceError`."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        client = Client()
        with self._opening:  # one after another: where there is no service, one start is enough
            client.open()
        return client

    def give_back(self, client: Client) -> None:
        """Take back a client that nobody has closed."""
        with self._lock:
            if len(self._idle) < _IDLE_MAX:
                self._idle.append(client)
                return
        client.close()
