"""The process: readiness, address, token, one per home, idle exit, graceful end."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from serving import Service, wait_for, with_gone

from overscan.v1 import engine_service_pb2 as engine_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import JobSpec, JobState, StepState


@pytest.fixture
def service(shared_service: Service) -> Service:
    """One for all that only look at it."""
    return shared_service


def run_once(engine_path: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "overscan.service", *flags],
        env={**os.environ, "PYTHONPATH": engine_path},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_is_healthy_when_the_discovery_file_is_there(service: Service) -> None:
    health = health_pb2_grpc.HealthStub(service.channel)
    for name in ("", "overscan.v1.GenerationService", "overscan.v1.EngineService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    found = json.loads((service.home / "service.json").read_text())
    assert found["pid"] == service.process.pid
    assert found["protocol"] == 1
    assert found["token"] == ""


def test_lists_its_services_by_reflection(service: Service) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(service.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(stub.ServerReflectionInfo(iter([request]), timeout=10))
    names = {entry.name for entry in answer.list_services_response.service}
    ours = {f"overscan.v1.{name}Service" for name in ("Admin", "Engine", "Frame", "Generation")}
    assert ours | {"grpc.health.v1.Health"} <= names


def test_needs_no_pixel_library_itself(service: Service) -> None:
    service.engines.ListEngines(engine_pb.ListEnginesRequest(), timeout=30)
    loaded = Path(f"/proc/{service.process.pid}/maps")
    if not loaded.exists():
        pytest.skip("needs /proc")
    text = loaded.read_text()
    assert not [name for name in ("numpy", "OpenImageIO", "cv2", "llvmlite", "torch") if f"/{name}/" in text]


def test_socket_and_discovery_file_are_closed_to_others(service: Service) -> None:
    socket = Path(service.address.removeprefix("unix://"))
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    for name in ("service.json", "jobs.sqlite"):
        assert stat.S_IMODE((service.home / name).stat().st_mode) == 0o600


def test_result_files_do_not_get_the_sockets_mask(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    spec = make_spec(last=1001)
    service.finish(service.create(spec).id)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(Path(spec.output.path % 1001).stat().st_mode) == 0o666 & ~mask


def test_loopback_wants_the_token(start: Callable[..., Service]) -> None:
    service = start("--address", "127.0.0.1:0")
    assert service.address.startswith("127.0.0.1:")
    assert len(service.token) >= 32
    request = pb.ListJobsRequest()
    for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", service.token),)):
        with pytest.raises(grpc.RpcError) as refusal:
            service.jobs.ListJobs(request, metadata=metadata, timeout=10)
        assert refusal.value.code() == grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError) as refusal:
        list(service.jobs.WatchJob(pb.WatchJobRequest(job_id="0" * 32), timeout=10))
    assert refusal.value.code() == grpc.StatusCode.UNAUTHENTICATED
    bearer = (("authorization", f"Bearer {service.token}"),)
    assert not service.jobs.ListJobs(request, metadata=bearer, timeout=10).jobs


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("0.0.0.0:0", "tls_certificate"),
        ("192.168.1.4:5000", "tls_certificate"),
        ("example.com:5000", "tls_certificate"),
        ("nonsense", "no address"),
        ("unix:relative.sock", "no address"),
        ("unix:/tmp/" + "x" * 120, "too long"),
    ],
)
def test_refuses_addresses(engine_path: str, tmp_path: Path, address: str, words: str) -> None:
    ended = run_once(engine_path, "--home", str(tmp_path / "home"), "--address", address)
    assert ended.returncode == 78
    assert words in ended.stderr
    assert not (tmp_path / "home" / "service.json").exists()


def test_takes_no_socket_that_somebody_serves(service: Service, engine_path: str, tmp_path: Path) -> None:
    ended = run_once(engine_path, "--home", str(tmp_path / "other"), "--address", service.address)
    assert ended.returncode == 78
    assert "serves" in ended.stderr
    service.jobs.ListJobs(pb.ListJobsRequest(), timeout=10)


def test_one_service_per_home(service: Service, engine_path: str) -> None:
    ended = run_once(engine_path, "--home", str(service.home))
    assert ended.returncode == 75
    assert str(service.process.pid) in ended.stderr
    assert service.address in ended.stderr
    service.jobs.ListJobs(pb.ListJobsRequest(), timeout=10)


def test_says_that_the_job_store_is_damaged(engine_path: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"no database" * 1000)
    ended = run_once(engine_path, "--home", str(tmp_path))
    assert ended.returncode == 78
    assert str(tmp_path / "jobs.sqlite") in ended.stderr
    assert "Traceback" not in ended.stderr


def test_says_that_the_home_cannot_be_used(engine_path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run_once(engine_path, "--home", str(tmp_path / "file" / "home"))
    assert ended.returncode == 78
    assert "cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_says_which_flag_is_wrong(engine_path: str, tmp_path: Path) -> None:
    ended = run_once(engine_path, "--home", str(tmp_path), "--workers", "0")
    assert ended.returncode == 78
    assert "workers" in ended.stderr


def test_ends_when_idle_but_not_under_a_job_or_a_watcher(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start("--idle-exit", "1")
    job = service.create(make_spec(last=1001, seconds=2.5))
    kinds = [answer.event.WhichOneof("event") for answer in service.watch(job.id)]
    assert kinds[-1] == "state_changed"
    assert service.get(job.id).state == JobState.JOB_STATE_SUCCEEDED
    assert service.process.wait(timeout=15) == 0
    assert not (service.home / "service.json").exists()
    assert not Path(service.address.removeprefix("unix://")).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_gracefully_and_goes_on_later(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path, number: int
) -> None:
    service = start()
    job = service.create(make_spec(last=1006, seconds=0.3))
    wait_for(lambda: ledger.exists())
    children = service.workers()
    assert len(children) == 2
    assert service.stop(number) == 0
    assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    assert not (service.home / "service.json").exists()

    again = start(home=service.home)
    done = again.finish(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    frames = [line.split()[1] for line in ledger.read_text().splitlines()]
    assert sorted(frames) == [str(frame) for frame in range(1001, 1007)], "a finished frame was rendered again"
    assert all(step.state == StepState.STEP_STATE_DONE for step in done.steps)


def test_a_watcher_is_told_that_the_service_closes(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start()
    job = service.create(make_spec(last=1002, seconds=30))
    stream = service.watch(job.id)
    next(stream)
    service.process.send_signal(signal.SIGTERM)
    with pytest.raises(grpc.RpcError) as ended:
        list(stream)
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    assert service.process.wait(timeout=15) == 0


def test_workers_die_with_a_killed_service(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    service = start()
    service.create(make_spec(last=1004, seconds=0.2, stubborn=True))
    wait_for(lambda: ledger.exists())
    children = service.workers()
    assert len(children) == 2
    service.process.kill()
    service.process.wait()
    for child in children:
        with_gone(child)


def test_a_worker_left_behind_is_killed_before_the_next_works(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    """Where the kernel does not take a worker with its service, its lock gives it away."""
    first = start()
    first.stop()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, time\n"
            "from pathlib import Path\n"
            "from overscan.service.workers.locks import FileLock\n"
            "lock = FileLock(path=Path(sys.argv[1]))\n"
            "assert lock.acquire(text=str(os.getpid()))\n"
            "print('held', flush=True)\n"
            "time.sleep(60)\n",
            str(first.home / "run" / "worker-render-0.lock"),
        ],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    service = start(home=first.home)
    job = service.create(make_spec(last=1001))
    assert service.finish(job.id).state == JobState.JOB_STATE_SUCCEEDED
    assert holder.wait(timeout=5) == -signal.SIGKILL
    assert psutil.pid_exists(service.process.pid)
