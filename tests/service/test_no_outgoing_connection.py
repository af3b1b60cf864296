"""Nothing leaves the machine: a whole job, watched by the kernel's own word for every network call."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from command_line import share_kernels
from serving import Service, with_gone

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.engine_service_pb2 import ListEnginesRequest
from overscan.v1.geometry_pb2 import Size
from overscan.v1.job_pb2 import JobSpec, JobState

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strace and network namespaces are Linux's")
LOCAL = re.compile(
    r"sa_family=AF_UNIX|sa_family=AF_NETLINK|sa_family=AF_UNSPEC"
    r'|inet_addr\("127\.[0-9.]+"\)|inet_pton\(AF_INET6, "(::1|::ffff:127\.[0-9.]+)"|inet_addr\("0\.0\.0\.0"\)'
)
"""Addresses of this machine: Unix sockets, the kernel, loopback."""
NAME_SERVER = re.compile(r"port=htons\((53|853|5353)\)")
"""Where names are looked up, on this machine or another."""
OUT = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg)\(.*sa_family=")


def works(*command: str) -> bool:
    """Whether a command can be run here."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0


def calls_out(trace: str) -> list[str]:
    """The lines of a trace that go to another machine, or look a name up."""
    calls = [line for line in trace.splitlines() if OUT.search(line)]
    return [line for line in calls if not LOCAL.search(line) or NAME_SERVER.search(line)]


@pytest.fixture
def wrapped(engine_path: str, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service under another program."""
    started: list[Service] = []

    def run(*wrapper: str) -> Service:
        home = tmp_path / "home"
        home.mkdir()
        share_kernels(home)
        log = (home / "service.log").open("ab")
        process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "overscan.service", "--home", str(home), "--workers", "1"],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": engine_path, "PYTHONSAFEPATH": "1"},
        )
        log.close()
        end = time.monotonic() + 60
        while not (home / "service.json").exists():
            assert process.poll() is None, (home / "service.log").read_text()
            assert time.monotonic() < end, "the service is not ready"
            time.sleep(0.05)
        found = json.loads((home / "service.json").read_text())
        service = Service(
            home=home,
            process=process,
            channel=grpc.insecure_channel(found["address"]),
            token=found["token"],
            address=found["address"],
        )
        started.append(service)
        return service

    yield run
    for service in started:
        service.channel.close()
        if service.process.poll() is None:
            children = service.workers()
            service.process.kill()
            service.process.wait()
            for child in children:
                with_gone(child)


def whole_job(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    """Engines listed, a job planned, rendered with a receipt, verified, and its result audited."""
    service.engines.ListEngines(ListEnginesRequest(), timeout=120)
    spec = make_spec(last=1003)
    spec.engine = "plate"
    spec.controls.Clear()
    spec.extend.format.size.CopyFrom(Size(width=16, height=12))
    planned = service.jobs.PlanJob(pb.PlanJobRequest(spec=spec), timeout=120).plan
    assert not planned.problems
    job = service.finish(service.create(spec).id)
    assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
    answers = list(service.jobs.VerifyOutput(pb.VerifyOutputRequest(path=spec.output.path), timeout=120))
    assert answers[-1].verification.differing == 0
    assert answers[-1].verification.frames == 3
    assert list(Path(spec.output.path).parent.glob("*.receipt.json"))


@pytest.mark.skipif(not works("strace", "-f", "--seccomp-bpf", "-o", "/dev/null"), reason="strace cannot be used here")
def test_a_whole_job_calls_no_other_machine(
    wrapped: Callable[..., Service], make_spec: Callable[..., JobSpec], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    service = wrapped("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=network", "-s", "200", "-o", str(trace))
    whole_job(service, make_spec)
    pid = json.loads((service.home / "service.json").read_text())["pid"]
    os.kill(pid, signal.SIGTERM)
    service.process.wait(timeout=60)
    said = trace.read_text(errors="replace")
    assert "AF_UNIX" in said  # it was watched
    assert len({line.split()[0] for line in said.splitlines()}) > 1  # workers, too
    assert calls_out(said) == []


@pytest.mark.slow
@pytest.mark.skipif(not works("unshare", "-r", "-n"), reason="no network namespaces here")
def test_a_whole_job_runs_where_there_is_no_network_at_all(
    wrapped: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    whole_job(wrapped("unshare", "-r", "-n"), make_spec)


@pytest.mark.skipif(not works("strace", "-f", "--seccomp-bpf", "-o", "/dev/null"), reason="strace cannot be used here")
def test_the_watch_sees_a_call_out_and_a_name_that_is_looked_up(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for code in (
        "import socket; s = socket.socket(); s.settimeout(0.2); s.connect_ex(('192.0.2.1', 80))",
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('192.0.2.1', 53))",
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect_ex(('127.0.0.53', 53))",
        "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.connect_ex(('2001:db8::1', 53))",
    ):
        subprocess.run(
            ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(trace), sys.executable, "-S", "-c", code],
            check=False,
            capture_output=True,
        )
        assert calls_out(trace.read_text()), code
