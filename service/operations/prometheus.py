"""Keeps the service's numbers, and serves them in Prometheus' text format.

Names follow https://prometheus.io/docs/practices/naming: a prefix, base units, ``_total`` for what only grows. No
metric names a job, a file or a user.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, Metric

from overscan.core.errors import OverscanError
from overscan.service._settings import Settings
from overscan.service.operations.readiness import Readiness
from overscan.service.security.address import is_loopback
from overscan.service.store.job_counts import count_jobs
from overscan.service.store.store import Store
from overscan.service.workers.slots import Slot

_LOG = logging.getLogger(__name__)
_CACHE_LOOK_SECONDS = 60.0
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_SLOW = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
_STATE_PREFIX = "JOB_STATE_"


class Exporter:
    """The numbers, and the HTTP server that gives them away. Is a `Sink` of `operations.metrics`."""

    def __init__(self, *, settings: Settings, store: Store, slots: Sequence[Slot], readiness: Readiness) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks for
        registry = self._registry = CollectorRegistry(auto_describe=True)
        self._settings = settings
        self._server: WSGIServer | None = None
        self._histograms = {
            "rpc": Histogram(
                "overscan_rpc_duration_seconds",
                "Time to answer a call, by method and gRPC status.",
                ("method", "code"),
                buckets=_QUICK,
                registry=registry,
            ),
            "step": Histogram(
                "overscan_step_duration_seconds",
                "Time that a worker was on a step, by engine, kind of step and outcome.",
                ("engine", "kind", "outcome"),
                buckets=_SLOW,
                registry=registry,
            ),
            "queue_wait": Histogram(
                "overscan_job_queue_wait_seconds",
                "Time between the creation of a job and its first step.",
                buckets=_SLOW,
                registry=registry,
            ),
            "store_write": Histogram(
                "overscan_store_write_duration_seconds",
                "Time of a write transaction of the job store, waiting for its turn included.",
                buckets=_QUICK,
                registry=registry,
            ),
        }
        self._counters = {
            "frames": Counter(
                "overscan_frames_finished", "Frames in their output folders.", ("engine",), registry=registry
            ),
            "bytes": Counter(
                "overscan_frame_bytes", "Bytes of frames moved over the wire.", ("direction",), registry=registry
            ),
            "worker_starts": Counter(
                "overscan_worker_starts", "Worker processes started.", ("worker",), registry=registry
            ),
            "worker_deaths": Counter(
                "overscan_worker_deaths", "Workers that ended amid their work.", ("worker",), registry=registry
            ),
        }
        ProcessCollector(registry=registry)
        registry.register(_State(settings=settings, store=store, slots=slots, readiness=readiness))

    def count(self, name: str, amount: float, labels: dict[str, str]) -> None:
        """Add to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def time(self, name: str, seconds: float, labels: dict[str, str]) -> None:
        """Add to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(seconds)

    def serve(self, *, host: str, port: int) -> None:
        """Answer ``GET /metrics``: by TLS where the service has a certificate and other machines may ask.

        Raises `OSError` where the port is taken.
        """
        settings = self._settings
        certificate, key = settings.tls_certificate, settings.tls_key
        secure = not is_loopback(host) and certificate is not None and key is not None
        self._server, _ = start_http_server(
            port,
            addr=host,
            registry=self._registry,
            certfile=str(certificate) if secure else None,
            keyfile=str(key) if secure else None,
        )
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if secure else "http"
        _LOG.info("metrics are at %s://%s:%d/metrics", scheme, shown, self._server.server_port)

    def close(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _State:
    """What is looked up when Prometheus asks."""

    def __init__(self, *, settings: Settings, store: Store, slots: Sequence[Slot], readiness: Readiness) -> None:
        self._settings = settings
        self._store = store
        self._slots = slots
        self._readiness = readiness
        self._lock = threading.Lock()
        self._cache_bytes = 0
        self._next_look = 0.0

    def describe(self) -> list[Metric]:
        """Nothing ahead of time: what there is, `collect` says."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The state of now."""
        try:
            jobs = GaugeMetricFamily("overscan_jobs", "Jobs by state.", labels=["state"])
            for state, count in count_jobs(self._store).items():
                jobs.add_metric([state.removeprefix(_STATE_PREFIX).lower()], count)
            yield jobs
        except OverscanError as error:  # the other numbers are wanted most when something is wrong
            _LOG.warning("jobs cannot be counted: %s", error)
        yield from self._workers()
        faults = self._readiness.faults()
        fault = GaugeMetricFamily("overscan_fault", "1 where this stands in the way of work.", labels=["fault"])
        for name in ("store", "room", "workers", "draining"):
            fault.add_metric([name], float(name in faults))
        yield fault
        try:
            free = shutil.disk_usage(self._settings.home).free
            yield GaugeMetricFamily("overscan_home_free_bytes", "Room on the home's disk.", value=free)
        except OSError as error:
            _LOG.warning("the home's disk cannot be looked at: %s", error)
        yield GaugeMetricFamily("overscan_cache_bytes", "Size of the cache, up to a minute ago.", value=self._cache())

    def _workers(self) -> Iterator[Metric]:
        busy = GaugeMetricFamily("overscan_worker_busy", "1 while a worker is on a step.", labels=["worker", "device"])
        silence = GaugeMetricFamily(
            "overscan_worker_heartbeat_age_seconds",
            "Time since a worker's last sign of life.",
            labels=["worker", "device"],
        )
        memory = GaugeMetricFamily(
            "overscan_worker_resident_bytes", "Memory that a worker holds.", labels=["worker", "device"]
        )
        for slot in self._slots:
            state = slot.status()
            labels = [state.name, state.device]
            busy.add_metric(labels, float(bool(state.job_id)))
            silence.add_metric(labels, state.silent_seconds)
            memory.add_metric(labels, state.memory_bytes)
        yield from (busy, silence, memory)

    def _cache(self) -> int:
        with self._lock:
            if time.monotonic() >= self._next_look:
                self._cache_bytes = _size(self._settings.cache)
                self._next_look = time.monotonic() + _CACHE_LOOK_SECONDS
            return self._cache_bytes


def _size(folder: Path) -> int:
    """Bytes of all files below `folder`; those that go away meanwhile do not count."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:
                continue
    return total
