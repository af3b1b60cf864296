"""Starts real service processes for tests and calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.engine_service_pb2_grpc import EngineServiceStub
from overscan.v1.generation_service_pb2_grpc import GenerationServiceStub
from overscan.v1.job_pb2 import Job, JobSpec, JobState, StepState

FIRST, LAST = 1001, 1012
READY_SECONDS_MAX = 20.0


def wait_for(what: Callable[[], object], *, seconds: float = 30.0) -> None:
    """Wait until `what` is true; fails the test after `seconds`."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@dataclass
class Service:
    """A service process and calls to it."""

    home: Path
    process: subprocess.Popen[bytes]
    channel: grpc.Channel
    token: str
    address: str
    jobs: GenerationServiceStub = field(init=False)
    engines: EngineServiceStub = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = GenerationServiceStub(self.channel)
        self.engines = EngineServiceStub(self.channel)

    def create(self, spec: JobSpec, request_id: str = "") -> Job:
        return self.jobs.CreateJob(pb.CreateJobRequest(spec=spec, request_id=request_id), timeout=60).job

    def get(self, job_id: str) -> Job:
        return self.jobs.GetJob(pb.GetJobRequest(job_id=job_id), timeout=30).job

    def watch(self, job_id: str, after: int = 0) -> Iterator[pb.WatchJobResponse]:
        return self.jobs.WatchJob(pb.WatchJobRequest(job_id=job_id, after_number=after), timeout=120)

    def finish(self, job_id: str) -> Job:
        """Watch a job to its end."""
        for _ in self.watch(job_id):
            pass
        return self.get(job_id)

    def wait_state(self, job_id: str, state: JobState) -> None:
        wait_for(lambda: self.get(job_id).state == state)

    def wait_step(self, job_id: str, step_id: str) -> None:
        """Wait until a worker is well inside a step."""
        running = StepState.STEP_STATE_RUNNING
        wait_for(lambda: {step.step_id: step.state for step in self.get(job_id).steps}[step_id] == running)
        time.sleep(0.3)

    def workers(self) -> list[psutil.Process]:
        """The living worker processes."""
        return [child for child in psutil.Process(self.process.pid).children() if child.status() != "zombie"]

    def renderer(self) -> psutil.Process:
        return next(child for child in self.workers() if "render-0" in " ".join(child.cmdline()))

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.channel.close()
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


def with_gone(process: psutil.Process) -> None:
    """Wait until a process is gone."""
    wait_for(lambda: not process.is_running() or process.status() == "zombie", seconds=10)


@contextmanager
def running_services(engine_path: str, folder: Path) -> Iterator[Callable[..., Service]]:
    """Starts services, and ends them at the end."""
    started: list[Service] = []

    def run(*flags: str, home: Path | None = None, **variables: str) -> Service:
        home = home or folder / "home"
        home.mkdir(exist_ok=True)
        discovery = home / "service.json"
        discovery.unlink(missing_ok=True)
        with (home / "service.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "overscan.service", "--private", "--home", str(home), *flags],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": engine_path, **variables},
            )
        end = time.monotonic() + READY_SECONDS_MAX
        while not discovery.exists():
            assert process.poll() is None, (home / "service.log").read_text()
            assert time.monotonic() < end, "the service is not ready"
            time.sleep(0.01)
        found = json.loads(discovery.read_text())
        channel = grpc.insecure_channel(found["address"])
        service = Service(home=home, process=process, channel=channel, token=found["token"], address=found["address"])
        started.append(service)
        return service

    try:
        yield run
    finally:
        for service in started:
            service.channel.close()
            if service.process.poll() is None:
                children = service.workers()
                service.process.kill()
                service.process.wait()
                for child in children:
                    with_gone(child)


def rendered(ledger: Path) -> list[int]:
    """The frames the engine rendered, in order, repeats included."""
    if not ledger.exists():
        return []
    return [int(line.split()[1]) for line in ledger.read_text().splitlines() if line.startswith("frame")]
