"""A TCP proxy that cuts connections in the middle, as networks do."""

from __future__ import annotations

import contextlib
import random
import socket
import threading


class CutWire:
    """Passes bytes on to `port`, and cuts every connection after a random number of them.

    The first `cuts` connections are cut after 1 byte to `most_bytes` bytes, counted in both directions.
    """

    def __init__(self, *, port: int, seed: int, cuts: int, most_bytes: int) -> None:
        self._port = port
        self._random = random.Random(seed)
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._left = cuts
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                service = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                client.close()
                continue
            with self._lock:
                allowed = self._random.randint(1, self._most_bytes) if self._left > 0 else None
                self._left -= 1
            count = [0]
            for source, target in ((client, service), (service, client)):
                threading.Thread(target=self._pass, args=(source, target, count, allowed), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, count: list[int], allowed: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    count[0] += len(data)
                    cut = allowed is not None and count[0] >= allowed
                if cut:
                    with self._lock:
                        self.cuts += 1
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
