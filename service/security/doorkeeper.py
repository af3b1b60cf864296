"""Knows who calls by where they come from and by the token they show, and slows those down who try tokens."""

from __future__ import annotations

import hmac
import logging
import threading
import time

from overscan.service._errors import UnauthenticatedError
from overscan.service.security.audit import host_of
from overscan.service.security.users import ADMIN_OF_THIS_MACHINE, Caller, UserBook

_LOG = logging.getLogger(__name__)
_TRIES_FREE = 3
"""Wrong tokens from one host that are not yet slowed."""
_FORGET_SECONDS = 60.0
_PAUSE_SECONDS_MAX = 2.0
_PAUSING_MAX = 8
"""Calls held back at once: each holds a thread, and those are for callers who may."""
_HOSTS_REMEMBERED_MAX = 10_000


class Doorkeeper:
    """Decides who a caller is."""

    def __init__(self, *, token: str, private_socket: bool, book: UserBook | None = None) -> None:
        """`token` is that of whoever runs the service, empty for none; with `private_socket` nobody else can open the
        Unix socket."""
        self._token = token.encode()
        self._private_socket = private_socket
        self._book = book
        self._lock = threading.Lock()
        self._tries: dict[str, tuple[int, float]] = {}
        self._pausing = threading.Semaphore(_PAUSING_MAX)

    def admit(self, *, peer: str, token: bytes) -> Caller:
        """Who calls, `peer` being gRPC's word for where from; raises `UnauthenticatedError`, perhaps after a pause."""
        who, why = self._known(peer, token)
        if who is not None:
            return who
        self._count(host_of(peer), why if token else "missing")
        raise UnauthenticatedError(
            "the token is wrong, has ended or was taken back." if token else "the call shows no token.",
            next_step="Ask an admin for a token (`overscan users add`), and set OVERSCAN_TOKEN or OVERSCAN_TOKEN_FILE; "
            "the account that runs the service finds its own in service.json.",
        )

    def still(self, *, peer: str, token: bytes) -> Caller | None:
        """Who a caller is now, None where they are nobody any more."""
        return self._known(peer, token)[0]

    def _known(self, peer: str, token: bytes) -> tuple[Caller | None, str]:
        if self._private_socket and peer.startswith("unix:"):
            return ADMIN_OF_THIS_MACHINE, ""
        if self._token and hmac.compare_digest(token, self._token):
            return ADMIN_OF_THIS_MACHINE, ""
        if self._book is None or not token:
            return None, "wrong"
        return self._book.caller(token)

    def _count(self, host: str, why: str) -> None:
        now = time.monotonic()
        with self._lock:
            tries, last = self._tries.get(host, (0, now))
            tries = 1 if now - last > _FORGET_SECONDS else tries + 1
            if len(self._tries) >= _HOSTS_REMEMBERED_MAX:
                self._tries.clear()
            self._tries[host] = (tries, now)
        if tries <= _TRIES_FREE or tries % 100 == 0:
            _LOG.warning("refused a call from %s: its token is %s (try %d within a minute)", host, why, tries)
        pause = min(0.05 * 2.0 ** min(tries - _TRIES_FREE, 10), _PAUSE_SECONDS_MAX) if tries > _TRIES_FREE else 0.0
        if pause and self._pausing.acquire(blocking=False):
            try:
                time.sleep(pause)
            finally:
                self._pausing.release()
