"""Whether the service can do what it is for, as gRPC's health service tells it.

The empty name stands for the process: it serves until it ends. Each service has its own answer, which a load balancer
or a monitor asks for.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from grpc_health.v1 import health, health_pb2
from sqlalchemy.exc import SQLAlchemyError

from overscan.core.errors import OverscanError
from overscan.service._settings import Settings
from overscan.service.operations.drain import Drain
from overscan.service.store.store import Store

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0
_PROBE = b"overscan\n"

GENERATION = "overscan.v1.GenerationService"
ENGINES = "overscan.v1.EngineService"
FRAMES = "overscan.v1.FrameService"
ADMIN = "overscan.v1.AdminService"
SERVICES = (GENERATION, ENGINES, FRAMES, ADMIN)
_NEEDS = {
    GENERATION: ("store", "room", "workers", "draining"),
    FRAMES: ("store", "room"),
    ENGINES: ("workers",),
    ADMIN: (),
}
"""What each service cannot do without."""


class Readiness:
    """Looks at what the service needs every few seconds, and keeps gRPC's health service informed."""

    def __init__(self, *, settings: Settings, store: Store, drain: Drain, workers_fault: Callable[[], str]) -> None:
        """`workers_fault` says why no worker can start; empty where one can."""
        self._settings = settings
        self._store = store
        self._drain = drain
        self._workers_fault = workers_fault
        # A watcher of the other kind is called back outside of the interceptors.
        self.health = health.HealthServicer(experimental_non_blocking=False)
        self._lock = threading.Lock()
        self._faults: dict[str, str] = {}
        self._end = threading.Event()
        for name in ("", *SERVICES):
            self.health.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
        drain.on_change(self.update)

    def start(self) -> None:
        """Begin to serve, and to look."""
        self.health.set("", health_pb2.HealthCheckResponse.SERVING)
        self.look()
        threading.Thread(target=self._keep_looking, name="readiness", daemon=True).start()

    def close(self) -> None:
        """Say that nothing is served any more."""
        self._end.set()
        self.health.enter_graceful_shutdown()

    def faults(self) -> dict[str, str]:
        """What stands in the way: ``store``, ``room``, ``workers`` or ``draining``, and why."""
        with self._lock:
            return dict(self._faults)

    def look(self) -> None:
        """Look at everything now."""
        found = {
            "store": _store_fault(self._store),
            "room": _room_fault(self._settings.home, self._settings.home_bytes_min),
            "workers": self._workers_fault(),
        }
        self._set({name: why for name, why in found.items() if why})

    def update(self) -> None:
        """A drain has begun or was undone: what else was found still holds."""
        with self._lock:
            faults = {name: why for name, why in self._faults.items() if name != "draining"}
        self._set(faults)

    def _keep_looking(self) -> None:
        while not self._end.wait(_LOOK_SECONDS):
            try:
                self.look()
            except Exception:  # a service that no longer looks would say for ever what it last saw
                _LOG.exception("the service could not look whether it is ready")

    def _set(self, faults: dict[str, str]) -> None:
        if self._drain.draining:
            faults["draining"] = "no work is given out"
        with self._lock:
            for name in faults.keys() - self._faults.keys():
                _LOG.log(logging.INFO if name == "draining" else logging.WARNING, "not ready: %s", faults[name])
            for name in self._faults.keys() - faults.keys():
                _LOG.info("ready again: %s is over", name)
            self._faults = faults
            for service, needs in _NEEDS.items():
                lacking = any(name in faults for name in needs)
                status = health_pb2.HealthCheckResponse
                self.health.set(service, status.NOT_SERVING if lacking else status.SERVING)


def _store_fault(store: Store) -> str:
    try:
        with store.write():
            pass
    except (OverscanError, SQLAlchemyError, OSError) as error:
        return f"the job store cannot be written: {error}"
    return ""


def _room_fault(home: Path, bytes_min: int) -> str:
    """Why the home takes no files: it cannot be written, or has less room than it should."""
    probe = home / "run" / f"probe-{os.getpid()}"
    try:
        probe.write_bytes(_PROBE)
        probe.unlink()
        free = shutil.disk_usage(home).free
    except OSError as error:
        return f"the home {home} cannot be written: {error.strerror or error}"
    if free < bytes_min:
        return f"{free:,} bytes are free on the disk of {home}, fewer than home_bytes_min, {bytes_min:,}"
    return ""
