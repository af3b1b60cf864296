"""What a service that has nothing to do costs, and how soon it answers: ``python benchmarks/idle.py``.

Ready means that gRPC's health service says SERVING for GenerationService, timed from the start of the process. Memory
is that of the service and of all processes it started, resident; what they share is counted once for each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

READY_SECONDS_MAX = 30.0
_READY_LIMIT_SECONDS = 1.5
_RESIDENT_LIMIT_BYTES = 120_000_000
_GOING_SECONDS_MAX = 60.0
_CALLS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One start of a service."""

    ready_seconds: float
    processor_seconds: float
    """Processor time until then, which a busy machine hardly changes."""
    planning_bytes: int
    """Of all processes while the worker that plans is there: it lists the engines at the start."""
    idle_bytes: int
    """Of all processes once it has gone."""
    idle_processes: int
    called_bytes: int
    """After a few hundred calls, idle again."""


def main() -> int:
    """Measure, print, and say by the exit code whether both limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5, metavar="N", help="starts of the service; medians are shown")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of words")
    given = parser.parse_args()
    found = [_measure() for _ in range(given.times)]
    middle = {
        name: statistics.median(getattr(one, name) for one in found)
        for name in (
            "ready_seconds",
            "processor_seconds",
            "planning_bytes",
            "idle_bytes",
            "idle_processes",
            "called_bytes",
        )
    }
    if given.json:
        lines = [json.dumps({"times": given.times, **middle})]
    else:
        lines = [
            f"medians of {given.times} starts, {psutil.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
            f"  ready after             {middle['ready_seconds']:.2f} s   (limit {_READY_LIMIT_SECONDS} s), "
            f"{middle['processor_seconds']:.2f} s of processor time",
            f"  idle                    {middle['idle_bytes'] / 1e6:.0f} MB "
            f"in {middle['idle_processes']:g} process(es)   (limit {_RESIDENT_LIMIT_BYTES / 1e6:.0f} MB)",
            f"  idle, after {_CALLS} calls   {middle['called_bytes'] / 1e6:.0f} MB",
            f"  while its worker plans  {middle['planning_bytes'] / 1e6:.0f} MB; the worker goes when nobody asks",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    good = middle["ready_seconds"] < _READY_LIMIT_SECONDS and middle["called_bytes"] < _RESIDENT_LIMIT_BYTES
    return 0 if good else 1


def _measure() -> Measured:
    with tempfile.TemporaryDirectory(prefix="oi-") as folder:
        home = Path(folder)
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "overscan.service", "--private", "--home", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            health = _ready(process, home)
            ready_seconds = time.monotonic() - begun
            spent = psutil.Process(process.pid).cpu_times()
            planning = 0
            _until(lambda: _resident(process)[1] > 1)  # the worker that lists the engines, and plans
            until = time.monotonic() + _GOING_SECONDS_MAX
            while _resident(process)[1] > 1 and time.monotonic() < until:
                planning = max(planning, _resident(process)[0])
                time.sleep(0.1)
            idle, count = _resident(process)
            for _ in range(_CALLS):
                health.Check(health_pb2.HealthCheckRequest(), timeout=10)
            return Measured(
                ready_seconds=ready_seconds,
                processor_seconds=spent.user + spent.system,
                planning_bytes=planning,
                idle_bytes=idle,
                idle_processes=count,
                called_bytes=_resident(process)[0],
            )
        finally:
            process.terminate()
            process.wait(timeout=30)


def _until(what: Callable[[], bool]) -> None:
    """Wait until something is so, but not for ever."""
    until = time.monotonic() + READY_SECONDS_MAX
    while not what() and time.monotonic() < until:
        time.sleep(0.01)


def _ready(process: subprocess.Popen[bytes], home: Path) -> health_pb2_grpc.HealthStub:
    discovery = home / "service.json"
    until = time.monotonic() + READY_SECONDS_MAX
    while not discovery.exists():
        if process.poll() is not None or time.monotonic() > until:
            sys.exit("the service does not start; run `overscan serve` to see why")
        time.sleep(0.002)
    health = health_pb2_grpc.HealthStub(grpc.insecure_channel(json.loads(discovery.read_text())["address"]))
    wanted = health_pb2.HealthCheckRequest(service="overscan.v1.GenerationService")
    while health.Check(wanted, timeout=10, wait_for_ready=True).status != health_pb2.HealthCheckResponse.SERVING:
        if time.monotonic() > until:
            sys.exit("the service is not ready; its log says why")
        time.sleep(0.01)
    return health


def _resident(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Bytes of the service and its children, and how many they are."""
    service = psutil.Process(process.pid)
    total = count = 0
    for one in (service, *service.children(recursive=True)):
        try:
            total += one.memory_info().rss
            count += 1
        except psutil.Error:
            continue
    return total, count


if __name__ == "__main__":
    sys.exit(main())
