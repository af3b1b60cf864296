"""What an idle service holds: no library that only a worker or a certain setting needs, and no worker for long."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import psutil
from serving import Service, wait_for

from overscan.v1 import engine_service_pb2 as engine_pb

_FOREIGN = (
    *("numpy", "OpenImageIO", "PyOpenColorIO", "cv2", "numba", "av", "c2pa", "torch"),
    *("alembic", "cryptography", "prometheus_client", "psycopg", "multiprocessing.pool"),
)
_TELL = f"""
import builtins, sys
real, stack, found = builtins.__import__, [], {{}}
def tell(name, globals=None, *rest, **more):
    stack.append((globals or {{}}).get("__name__", "?"))
    if name in {_FOREIGN!r} and name not in found:
        found[name] = [module for module in stack if module.startswith("overscan")]
    try:
        return real(name, globals, *rest, **more)
    finally:
        stack.pop()
builtins.__import__ = tell
import overscan.service.__main__, overscan.service._server
for name, way in found.items():
    print(name, "by", " > ".join(way))
"""


def test_the_process_imports_nothing_that_it_may_never_need() -> None:
    told = subprocess.run([sys.executable, "-c", _TELL], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout == ""


def test_the_planning_worker_goes_when_nobody_asks_and_comes_back(start: Callable[..., Service]) -> None:
    service = start("--set", "inspector_idle_seconds_max=0.5")
    process = psutil.Process(service.process.pid)
    assert service.engines.ListEngines(engine_pb.ListEnginesRequest(), timeout=30).engines
    wait_for(lambda: not service.workers(), seconds=10)
    assert service.engines.ListEngines(engine_pb.ListEnginesRequest(), timeout=30).engines, "known without asking"
    assert not service.workers()
    assert process.memory_info().rss < 120_000_000


def test_a_job_starts_the_planning_worker_again(
    start: Callable[..., Service], make_spec: Callable[..., object]
) -> None:
    service = start("--set", "inspector_idle_seconds_max=0.3")
    service.engines.ListEngines(engine_pb.ListEnginesRequest(), timeout=30)
    wait_for(lambda: not service.workers(), seconds=10)
    done = service.finish(service.create(make_spec(last=1001)).id)  # type: ignore[arg-type]
    assert done.progress == 1.0
