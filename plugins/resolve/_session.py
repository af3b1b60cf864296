"""What one script in Resolve has once: the queue to its thread, and the bridge."""

from __future__ import annotations

import getpass
import tempfile
import threading
from pathlib import Path
from typing import Any

from overscan_host import Bridge, CallbackQueue, installation
from overscan_resolve._asking import text


class Session:
    """The helper and the queue of one script. Resolve's API is called on one thread, the one that made this.

    A window calls `queue.drain` from a timer; batch waits for `woken`.
    """

    def __init__(self, resolve: Any) -> None:
        self.woken = threading.Event()
        self.queue = CallbackQueue(self.woken.set)
        self._version = text(resolve, "GetVersionString") or "unknown"
        self._bridge: Bridge | None = None

    @property
    def bridge(self) -> Bridge:
        """The helper; started when it is first asked something. Raises `BridgeError` where none is installed."""
        if self._bridge is None:
            found = installation()
            self._bridge = Bridge(
                command=found.command,
                host="resolve",
                host_version=self._version,
                plugin_version=found.version,
                queue=self.queue,
                log_path=log_path(),
            )
        return self._bridge

    def wait(self, seconds: float) -> None:
        """Wait for news of the helper, and run what came."""
        self.woken.wait(seconds)
        self.woken.clear()
        self.queue.drain()

    def close(self) -> None:
        """End the helper; jobs go on in the service."""
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None


def log_path() -> Path:
    """What the helper says goes here."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = "user"
    return Path(tempfile.gettempdir()) / f"overscan-resolve-{user}" / "bridge.log"
