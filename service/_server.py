"""Puts the service together, runs it, and takes it apart again."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from overscan.core.errors import OverscanError
from overscan.service._address import choose_address
from overscan.service._devices import render_devices
from overscan.service._engines import EngineServicer
from overscan.service._errors import AddressError
from overscan.service._events import EventLog
from overscan.service._generation import STREAMS_MAX, GenerationServicer
from overscan.service._inspector import Inspector
from overscan.service._locks import FileLock
from overscan.service._rpc import Activity, TokenInterceptor
from overscan.service._scheduler import Scheduler
from overscan.service._settings import Settings
from overscan.service._slots import Slot
from overscan.service._store import Store
from overscan.service._workers import Stop
from overscan.v1 import engine_service_pb2, generation_service_pb2
from overscan.v1.engine_service_pb2_grpc import add_EngineServiceServicer_to_server
from overscan.v1.generation_service_pb2_grpc import add_GenerationServiceServicer_to_server

_LOG = logging.getLogger(__name__)
PROTOCOL = 1
EXIT_TAKEN = 75
"""EX_TEMPFAIL of sysexits.h: another service has this home."""
EXIT_REFUSED = 78
"""EX_CONFIG of sysexits.h: the service cannot run as it was told to."""
_CALL_THREADS = STREAMS_MAX + 32
_METADATA_BYTES_MAX = 1 << 20
_LOOK_SECONDS = 0.2
_TIDY_SECONDS = 24 * 3600.0
_CALLS_END_SECONDS_MAX = 1.0
_SLOTS_END_SECONDS_MAX = 10.0
"""For a slot to come to its end once its step has stopped."""


def serve(*, settings: Settings, version: str) -> int:
    """Run a service until it is told to end or has been idle for long enough; returns the exit code."""
    lock = FileLock(path=settings.lock)
    try:
        settings.make_folders()
        if not lock.acquire(text=str(os.getpid())):
            _LOG.error("another service has %s: %s", settings.home, _who(settings, lock))
            return EXIT_TAKEN
        settings.discovery.unlink(missing_ok=True)  # of a service that was killed
        return _Service(settings=settings, version=version).run()
    except OverscanError as error:
        _LOG.error("%s", error)
        return EXIT_REFUSED
    except OSError as error:
        _LOG.error("the home %s cannot be used: %s", settings.home, error)
        return EXIT_REFUSED
    finally:
        lock.release()


class _Service:
    """The parts of a running service."""

    def __init__(self, *, settings: Settings, version: str) -> None:
        self._settings = settings
        self._version = version
        self._listen = choose_address(listen=settings.listen, home=settings.home)
        self._end = threading.Event()
        self._activity = Activity()
        self._store = Store(path=settings.database)
        self._log = EventLog(store=self._store)
        self._scheduler = Scheduler(store=self._store, log=self._log, settings=settings)
        devices = render_devices(settings.devices)
        self._inspector = Inspector(settings=settings, device=devices[0])
        self._slots = [
            Slot(number=number, scheduler=self._scheduler, settings=settings, device=devices[number % len(devices)])
            for number in range(settings.workers or len(devices))
        ]
        self._health = health.HealthServicer()
        self._server = self._build()

    def run(self) -> int:
        """Serve until the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end.set())
        address = self._bind()
        self._scheduler.resume()  # before any call can ask to cancel what is not yet in the queue
        self._server.start()
        self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        for name in _service_names():
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._publish(address)
        _LOG.info("serving %s at %s", self._settings.home, address)
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        threading.Thread(target=self._tidy, name="tidy", daemon=True).start()
        for slot in self._slots:
            slot.start()
        self._wait()
        self._close()
        return 0

    def _build(self) -> grpc.Server:
        token = self._listen.token
        server = grpc.server(
            ThreadPoolExecutor(max_workers=_CALL_THREADS, thread_name_prefix="call"),
            interceptors=[TokenInterceptor(token=token)] if token else [],
            options=[
                ("grpc.so_reuseport", 0),  # else two services could share a port and take each other's calls
                ("grpc.max_metadata_size", _METADATA_BYTES_MAX),  # rich errors travel as metadata
            ],
        )
        generation = GenerationServicer(
            store=self._store,
            log=self._log,
            scheduler=self._scheduler,
            inspector=self._inspector,
            activity=self._activity,
        )
        add_GenerationServiceServicer_to_server(generation, server)
        add_EngineServiceServicer_to_server(EngineServicer(inspector=self._inspector, activity=self._activity), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*_service_names(), health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        return server

    def _bind(self) -> str:
        """Bind the address and say what it is now."""
        listen = self._listen
        # The socket must never be open to others, not even before a chmod; and no file of a worker may get this mask.
        mask = os.umask(0o177) if listen.socket_path is not None else None
        try:
            port = self._server.add_insecure_port(listen.target)
        except RuntimeError as error:
            port, reason = 0, str(error)
        else:
            reason = "it is taken or not allowed"
        finally:
            if mask is not None:
                os.umask(mask)
        if port == 0:
            raise AddressError(
                f"the service cannot listen at {listen.target}: {reason}.",
                next_step="Give another --address.",
                actual=listen.target,
            )
        if listen.socket_path is not None:
            return f"unix://{listen.socket_path}"
        return f"{listen.host}:{port}"

    def _publish(self, address: str) -> None:
        """Let clients find the service, now that it answers."""
        text = json.dumps(
            {
                "address": address,
                "token": self._listen.token,
                "pid": os.getpid(),
                "version": self._version,
                "protocol": PROTOCOL,
            }
        )
        beside = self._settings.discovery.with_suffix(f".{os.getpid()}")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        beside.replace(self._settings.discovery)

    def _warm_up(self) -> None:
        """Load the engines before the first question about them."""
        try:
            self._inspector.engines(stop=Stop())
        except OverscanError as error:
            _LOG.warning("the engines cannot be listed yet: %s", error)

    def _tidy(self) -> None:
        while True:
            try:
                self._scheduler.tidy()
            except Exception:
                _LOG.exception("the home could not be tidied")
            if self._end.wait(_TIDY_SECONDS):
                return

    def _wait(self) -> None:
        limit = self._settings.idle_exit_seconds
        while not self._end.wait(_LOOK_SECONDS):
            self._scheduler.tick()
            if limit is None:
                continue
            if self._scheduler.has_work():
                self._activity.touch()
            elif self._activity.idle_seconds() >= limit:
                _LOG.info("idle for %g seconds", limit)
                return

    def _close(self) -> None:
        _LOG.info("closing")
        self._health.enter_graceful_shutdown()
        self._settings.discovery.unlink(missing_ok=True)
        self._activity.closing = True
        stopped = self._server.stop(_CALLS_END_SECONDS_MAX)
        self._log.wake_all()
        for slot in self._slots:
            slot.close()
        self._scheduler.close()
        self._inspector.close()
        for slot in self._slots:  # the home must not be another service's before they have written their last
            slot.join(self._settings.stop_seconds_max + _SLOTS_END_SECONDS_MAX)
        stopped.wait()
        self._store.close()
        if self._listen.socket_path is not None:
            self._listen.socket_path.unlink(missing_ok=True)


def _service_names() -> tuple[str, ...]:
    return (
        generation_service_pb2.DESCRIPTOR.services_by_name["GenerationService"].full_name,
        engine_service_pb2.DESCRIPTOR.services_by_name["EngineService"].full_name,
    )


def _who(settings: Settings, lock: FileLock) -> str:
    """The process that holds the lock, and its address."""
    try:
        address = str(json.loads(settings.discovery.read_text())["address"])
    except (OSError, ValueError, KeyError):
        address = "not listening yet"
    return f"process {lock.holder() or 'unknown'} ({address})"
