"""Puts the service together, runs it, and takes it apart again."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import threading

import grpc

from overscan.core.errors import OverscanError
from overscan.service._errors import StoreUnavailableError
from overscan.service._settings import Settings
from overscan.service.calls.admin import AdminServicer
from overscan.service.calls.endpoint import build_server
from overscan.service.calls.engines import EngineServicer
from overscan.service.calls.frames import FrameServicer, add_frames_to_server
from overscan.service.calls.gate import DrainGate
from overscan.service.calls.generation import GenerationServicer
from overscan.service.calls.observer import CallObserver
from overscan.service.calls.rpc import Activity
from overscan.service.operations.drain import Drain
from overscan.service.operations.exporter import start_exporter
from overscan.service.operations.notify import Notifier
from overscan.service.operations.readiness import Readiness
from overscan.service.operations.start_check import start_refusals
from overscan.service.paths.interceptor import PathInterceptor
from overscan.service.paths.path_map import PathMap
from overscan.service.retention.purge import Purger
from overscan.service.retention.tidy import Tidier
from overscan.service.scheduling.scheduler import Scheduler
from overscan.service.security.address import choose_address
from overscan.service.security.audit import AuditLog
from overscan.service.security.audit_gaps import close_gaps
from overscan.service.security.binding import Bound, bind, make_guard
from overscan.service.security.quotas import Quotas
from overscan.service.store.events import EventLog
from overscan.service.store.store import open_store
from overscan.service.transfers.places import make_places
from overscan.service.transfers.results import Results
from overscan.service.workers.devices import render_devices
from overscan.service.workers.inspector import Inspector
from overscan.service.workers.locks import FileLock
from overscan.service.workers.slots import Slot
from overscan.service.workers.worker import Stop
from overscan.v1.admin_service_pb2_grpc import add_AdminServiceServicer_to_server
from overscan.v1.engine_service_pb2_grpc import add_EngineServiceServicer_to_server
from overscan.v1.generation_service_pb2_grpc import add_GenerationServiceServicer_to_server

_LOG = logging.getLogger(__name__)
PROTOCOL = 1
EXIT_TAKEN = 75
"""EX_TEMPFAIL of sysexits.h: another service has this home or its job store, or the store cannot be reached."""
EXIT_REFUSED = 78
"""EX_CONFIG of sysexits.h: the service cannot run as it was told to."""
_LOOK_SECONDS = 0.2
_WARM_UP_SECONDS = 10.0
_TIDY_SECONDS = 24 * 3600.0
_CALLS_END_SECONDS_MAX = 1.0
_SLOTS_END_SECONDS_MAX = 10.0
"""For a slot to come to its end once its step has stopped."""


def serve(*, settings: Settings, version: str) -> int:
    """Run a service until it is told to end or has been idle for long enough; returns the exit code."""
    refused = start_refusals(settings=settings)
    for error in refused:
        _LOG.error("%s", error)
    if refused:
        return EXIT_REFUSED
    notifier = Notifier()
    lock = FileLock(path=settings.lock)
    try:
        settings.make_folders()
        if not lock.acquire(text=str(os.getpid())):
            _LOG.error("another service has %s: %s", settings.home, _who(settings, lock))
            return EXIT_TAKEN
        settings.discovery.unlink(missing_ok=True)  # of a service that was killed
        return _Service(settings=settings, version=version, notifier=notifier).run()
    except StoreUnavailableError as error:
        _LOG.error("%s", error)
        return EXIT_TAKEN  # for now: whoever starts services may try again
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

    def __init__(self, *, settings: Settings, version: str, notifier: Notifier) -> None:
        self._settings = settings
        self._version = version
        self._notifier = notifier
        self._listen = choose_address(settings=settings)
        self._quotas = Quotas(settings=settings)
        self._audit = AuditLog(path=settings.audit, bytes_max=settings.audit_bytes_max)
        self._guard = make_guard(settings=settings, listen=self._listen, quotas=self._quotas, audit=self._audit)
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        """What the system has sent; the one kind of queue that a signal's handler may put into."""
        self._ending = threading.Event()
        self._workers_fault = ""
        self._activity = Activity()
        self._store = open_store(settings)
        self._log = EventLog(store=self._store)
        self._places = make_places(settings)
        self._results = Results(store=self._store, places=self._places, settings=settings)
        self._scheduler = Scheduler(store=self._store, log=self._log, settings=settings, places=self._places)
        self._purger = Purger(
            store=self._store, settings=settings, uploads=self._places.uploads, still=self._scheduler.still
        )
        self._tidier = Tidier(
            store=self._store, settings=settings, places=self._places, results=self._results, purger=self._purger
        )
        self._drain = Drain(work=self._scheduler, seconds_max=settings.drain_seconds_max)
        devices = render_devices(settings.devices)
        self._inspector = Inspector(settings=settings, device=devices[0])
        self._slots = [
            Slot(number=number, scheduler=self._scheduler, settings=settings, device=devices[number % len(devices)])
            for number in range(settings.workers or len(devices))
        ]
        self._readiness = Readiness(
            settings=settings, store=self._store, drain=self._drain, workers_fault=lambda: self._workers_fault
        )
        self._server = self._build()

    def run(self) -> int:
        """Serve until the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self._signals.put(number))
        bound = bind(server=self._server, listen=self._listen, settings=self._settings)
        exporter = start_exporter(self._settings, store=self._store, slots=self._slots, readiness=self._readiness)
        close_gaps(log=self._audit, store=self._store, uploads=self._places.uploads)
        self._tidier.begin()
        self._scheduler.resume()  # before any call can ask to cancel what is not yet in the queue
        self._generation.start()
        self._server.start()
        self._readiness.start()
        self._publish(bound)
        where = " and ".join(filter(None, (bound.address, bound.public)))
        self._notifier.ready(status=f"serving at {where}")
        _LOG.info("serving %s at %s", self._settings.home, where)
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        threading.Thread(target=self._tidy, name="tidy", daemon=True).start()
        for slot in self._slots:
            slot.start()
        exit_code = self._wait()
        self._close()
        if exporter is not None:
            exporter.close()
        return exit_code

    def _build(self) -> grpc.Server:
        server = build_server(
            interceptors=[
                CallObserver(),
                self._guard,
                DrainGate(drain=self._drain),
                PathInterceptor(
                    path_map=PathMap(self._settings.path_maps),
                    uploads=self._places.uploads,
                    home=self._settings.home,
                ),
            ],
            healthy=self._readiness.health,
        )
        self._generation = GenerationServicer(
            store=self._store,
            log=self._log,
            scheduler=self._scheduler,
            inspector=self._inspector,
            activity=self._activity,
            places=self._places,
            quotas=self._quotas,
        )
        frames = FrameServicer(store=self._store, places=self._places, results=self._results, activity=self._activity)
        admin = AdminServicer(
            settings=self._settings,
            version=self._version,
            store=self._store,
            scheduler=self._scheduler,
            slots=self._slots,
            drain=self._drain,
            purger=self._purger,
            activity=self._activity,
        )
        add_GenerationServiceServicer_to_server(self._generation, server)
        add_EngineServiceServicer_to_server(EngineServicer(inspector=self._inspector, activity=self._activity), server)
        add_AdminServiceServicer_to_server(admin, server)
        add_frames_to_server(frames, server)
        return server

    def _publish(self, bound: Bound) -> None:
        """Let clients find the service, now that it answers."""
        text = json.dumps(
            {
                "address": bound.address,
                "public": bound.public,
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
        """List the engines before the first question about them, and find out whether a worker starts at all."""
        while not self._ending.is_set():
            try:
                self._inspector.engines(stop=Stop())
            except OverscanError as error:
                self._workers_fault = f"no worker starts: {error}"
            else:
                self._workers_fault = ""
                return
            if self._ending.wait(_WARM_UP_SECONDS):
                return
            _LOG.warning("the engines cannot be listed yet: %s", self._workers_fault)

    def _tidy(self) -> None:
        while True:
            try:
                self._tidier.run()
            except Exception:
                _LOG.exception("the home could not be tidied")
            if self._ending.wait(_TIDY_SECONDS):
                return

    def _wait(self) -> int:
        """Look after the service until it is to end; returns its exit code."""
        limit = self._settings.idle_exit_seconds
        while not self._drain.over():
            with contextlib.suppress(queue.Empty):
                self._take_signal(self._signals.get(timeout=_LOOK_SECONDS))
                continue
            self._scheduler.tick()
            # while there is work, somebody's next job would wait for it to start
            self._inspector.rest(keep_one=self._scheduler.has_work())
            self._notifier.beat()  # only now, so that a scheduler that hangs is noticed
            if self._store.taken:
                _LOG.error("another service has taken the job store")
                return EXIT_TAKEN
            if limit is None:
                continue
            if self._scheduler.has_work():
                self._activity.touch()
            elif self._activity.idle_seconds() >= limit:
                _LOG.info("idle for %g seconds", limit)
                return 0
        return 0

    def _take_signal(self, number: int) -> None:
        """The first signal drains, any more end the service at once."""
        name = signal.Signals(number).name
        if self._drain.closing:
            _LOG.info("%s again: ending at once", name)
            self._drain.hurry()
            return
        _LOG.info("%s: draining for at most %g seconds", name, self._settings.drain_seconds_max)
        self._notifier.stopping(status="draining")
        self._drain.begin(close=True)

    def _close(self) -> None:
        _LOG.info("closing")
        self._notifier.stopping(status="closing")
        self._ending.set()
        self._readiness.close()
        self._settings.discovery.unlink(missing_ok=True)
        self._activity.closing = True
        stopped = self._server.stop(_CALLS_END_SECONDS_MAX)
        self._log.wake_all()
        for slot in self._slots:
            slot.close()
        self._scheduler.close()
        self._generation.close(seconds_max=_SLOTS_END_SECONDS_MAX)
        self._inspector.close()
        for slot in self._slots:  # the home must not be another service's before they have written their last
            slot.join(self._settings.stop_seconds_max + _SLOTS_END_SECONDS_MAX)
        stopped.wait()
        self._places.uploads.close()
        self._store.close()
        if self._listen.socket_path is not None:
            self._listen.socket_path.unlink(missing_ok=True)


def _who(settings: Settings, lock: FileLock) -> str:
    """The process that holds the lock, and its address."""
    try:
        address = str(json.loads(settings.discovery.read_text())["address"])
    except (OSError, ValueError, KeyError):
        address = "not listening yet"
    return f"process {lock.holder() or 'unknown'} ({address})"
