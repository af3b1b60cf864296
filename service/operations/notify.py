"""Tells systemd how the service is doing: one datagram a message, as ``man sd_notify`` has it."""

from __future__ import annotations

import logging
import os
import socket
import time

_LOG = logging.getLogger(__name__)
_SEND_SECONDS_MAX = 1.0


class Notifier:
    """Speaks to whoever started the service and wants to know; to nobody where nobody does."""

    def __init__(self) -> None:
        # Workers must not speak for the service, so the variables end here.
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        meant = os.environ.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        period = os.environ.pop("WATCHDOG_USEC", "")
        self._beat_seconds = int(period) / 1e6 / 3 if meant and period.isdecimal() and int(period) > 0 else None
        self._next_beat = 0.0

    def ready(self, *, status: str) -> None:
        """The service answers calls."""
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self, *, status: str) -> None:
        """The service is on its way out."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def say(self, *, status: str) -> None:
        """What `systemctl status` shows."""
        self._send(f"STATUS={status}")

    def beat(self) -> None:
        """The service is alive; call it often, it speaks when it has to."""
        if self._beat_seconds is not None and time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + self._beat_seconds
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.settimeout(_SEND_SECONDS_MAX)
                out.connect(address)
                out.sendall(message.encode())
        except OSError as error:
            _LOG.warning("systemd cannot be told '%s': %s", message.splitlines()[0], error)
