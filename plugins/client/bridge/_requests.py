"""Requests at work: each runs on a thread of its own and can be given up."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from overscan.client._client import Client
from overscan.client.bridge._clients import Clients
from overscan.client.bridge._faults import cancelled


class Request:
    """A request of the host's, from the thread that listens to the thread that carries it out."""

    def __init__(
        self, *, identity: int | str | None, method: str, parameters: dict[str, Any], clients: Clients
    ) -> None:
        self.identity = identity
        """The host's name for it; None where it wants no answer."""
        self.method = method
        self.parameters = parameters
        self._clients = clients
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._settled = False
        self.given_up = False
        """Whether the host no longer waits for it."""

    def settle(self) -> bool:
        """Claim the right to answer it; whether nobody has before."""
        with self._lock:
            mine, self._settled = not self._settled, True
            return mine

    def give_up(self) -> None:
        """Break off what it is doing."""
        with self._lock:
            self.given_up = True
            client = self._client
        if client is not None:
            client.close()

    @contextlib.contextmanager
    def client(self, *, finishes: bool = False) -> Iterator[Client]:
        """A connection for it, which `give_up` breaks off unless it `finishes` whatever happens."""
        client = self._clients.lend()
        with self._lock:
            if self.given_up:
                self._clients.give_back(client)
                raise cancelled(self.method)
            self._client = None if finishes else client
        try:
            yield client
        except RuntimeError:  # what a closed client says
            if self.given_up:
                raise cancelled(self.method) from None
            raise
        finally:
            with self._lock:
                self._client = None
                usable = finishes or not self.given_up
            if usable:
                self._clients.give_back(client)
