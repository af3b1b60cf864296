"""What whoever leaves a service running relies on: drain, readiness, logs, metrics, and what systemd is told."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from prometheus_client.parser import text_string_to_metric_families
from serving import Service, wait_for

from overscan.v1 import admin_service_pb2 as admin_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2_grpc import AdminServiceStub
from overscan.v1.job_pb2 import JobSpec, JobState, StepState

_SERVICES = ("GenerationService", "EngineService", "FrameService", "AdminService")
_SERVING = health_pb2.HealthCheckResponse.SERVING


def ready(service: Service) -> dict[str, bool]:
    stub = health_pb2_grpc.HealthStub(service.channel)
    return {
        name: stub.Check(
            health_pb2.HealthCheckRequest(service=f"overscan.v1.{name}" if name else ""), timeout=10
        ).status
        == _SERVING
        for name in ("", *_SERVICES)
    }


def admin(service: Service) -> AdminServiceStub:
    return AdminServiceStub(service.channel)


def drain(service: Service, **fields: object) -> admin_pb.DrainResponse:
    return admin(service).Drain(admin_pb.DrainRequest(**fields), timeout=10)  # type: ignore[arg-type]


def status(service: Service) -> admin_pb.GetStatusResponse:
    return admin(service).GetStatus(admin_pb.GetStatusRequest(), timeout=10)


def log(service: Service) -> str:
    return (service.home / "service.log").read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_drain_holds_work_back_and_can_be_undone(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    service = start()
    running = service.create(make_spec(last=1004, seconds=0.4))
    wait_for(ledger.exists)
    queued = service.create(make_spec(last=1002, name="later"))
    assert drain(service).running_steps == 1
    assert ready(service) == {
        "": True,
        "GenerationService": False,
        "EngineService": True,
        "FrameService": True,
        "AdminService": True,
    }
    with pytest.raises(grpc.RpcError) as refused:
        service.create(make_spec(last=1002, name="refused"))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "drained" in refused.value.details()
    wait_for(lambda: not drain(service).running_steps)
    assert status(service).draining
    assert [step.state for step in service.get(running.id).steps].count(StepState.STEP_STATE_DONE) >= 1, (
        "the step that ran was let run"
    )
    before = ledger.read_text()
    time.sleep(0.8)
    assert ledger.read_text() == before, "work was given out"
    assert service.get(queued.id).state == JobState.JOB_STATE_QUEUED
    drain(service, undo=True)
    assert all(ready(service).values())
    assert service.finish(queued.id).state == JobState.JOB_STATE_SUCCEEDED
    assert service.finish(running.id).state == JobState.JOB_STATE_SUCCEEDED


def test_sigterm_lets_the_step_end_and_a_watcher_sees_it(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    service = start("--set", "drain_seconds_max=20")
    job = service.create(make_spec(last=1008, seconds=0.2, chunk=4))
    stream = service.watch(job.id)
    wait_for(ledger.exists)
    service.process.send_signal(signal.SIGTERM)
    seen = []
    with pytest.raises(grpc.RpcError) as ended:
        for answer in stream:
            seen.append(answer.event)
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    assert service.process.wait(timeout=20) == 0
    finished = [event.frame_finished.frame for event in seen if event.HasField("frame_finished")]
    assert len(finished) >= 4, "the running step was cut off"
    again = start(home=service.home)
    assert again.finish(job.id).state == JobState.JOB_STATE_SUCCEEDED
    frames = [line.split()[1] for line in ledger.read_text().splitlines() if line.startswith("frame")]
    assert sorted(frames) == [str(frame) for frame in range(1001, 1009)], "a frame was rendered twice"


def test_new_jobs_are_refused_while_sigterm_drains_and_a_second_signal_ends_at_once(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    service = start("--set", "drain_seconds_max=60")
    service.create(make_spec(last=1002, seconds=20))
    wait_for(lambda: status(service).workers[0].job_id)
    service.process.send_signal(signal.SIGTERM)
    wait_for(lambda: not ready(service)["GenerationService"], seconds=10)
    with pytest.raises(grpc.RpcError) as refused:
        service.create(make_spec(last=1001, name="refused"))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    with pytest.raises(grpc.RpcError) as too_late:
        drain(service, undo=True)
    assert too_late.value.code() == grpc.StatusCode.UNAVAILABLE
    assert service.process.poll() is None
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(timeout=15) == 0
    assert "ending at once" in log(service)


def test_drain_with_close_ends_the_service(service: Service) -> None:
    drain(service, close=True, seconds_max=5)
    assert service.process.wait(timeout=10) == 0


@pytest.mark.parametrize("fields", [{"undo": True, "close": True}, {"seconds_max": -1.0}, {"seconds_max": 1e9}])
def test_refuses_drains_that_mean_nothing(shared_service: Service, fields: dict[str, object]) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        drain(shared_service, **fields)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_says_how_it_is_doing(start: Callable[..., Service], make_spec: Callable[..., JobSpec]) -> None:
    service = start()
    job = service.create(make_spec(last=1002, seconds=5))
    wait_for(lambda: status(service).workers[0].job_id == job.id)
    found = status(service)
    assert found.jobs["JOB_STATE_RUNNING"] == 1
    assert found.jobs["JOB_STATE_FAILED"] == 0
    assert found.home_bytes_free > 0
    assert abs(found.start_time.ToSeconds() - time.time()) < 60
    (worker,) = found.workers
    assert worker.name == "render-0"
    assert worker.step_id
    assert worker.pid in [child.pid for child in service.workers()]
    wait_for(lambda: status(service).workers[0].memory_bytes > 10_000_000)


def test_a_full_disk_makes_it_not_ready_and_alive(start: Callable[..., Service]) -> None:
    service = start("--set", f"home_bytes_min={1 << 60}")
    found = ready(service)
    assert found[""] and found["EngineService"] and found["AdminService"]
    assert not found["GenerationService"] and not found["FrameService"]
    assert "not ready: " in log(service) and "home_bytes_min" in log(service)


def test_a_home_that_cannot_be_written_makes_it_not_ready_until_it_can(service: Service) -> None:
    shutil.rmtree(service.home / "run")
    wait_for(lambda: not ready(service)["GenerationService"], seconds=10)
    assert ready(service)[""]
    assert "cannot be written" in log(service)
    (service.home / "run").mkdir()
    wait_for(lambda: ready(service)["GenerationService"], seconds=10)
    assert "ready again" in log(service)


def test_a_health_watcher_hears_of_a_drain(service: Service) -> None:
    stub = health_pb2_grpc.HealthStub(service.channel)
    stream = stub.Watch(health_pb2.HealthCheckRequest(service="overscan.v1.GenerationService"), timeout=20)
    assert next(stream).status == _SERVING
    drain(service)
    assert next(stream).status == health_pb2.HealthCheckResponse.NOT_SERVING
    drain(service, undo=True)
    assert next(stream).status == _SERVING
    stream.cancel()


def test_reflection_describes_every_service(shared_service: Service) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(shared_service.channel)
    wanted = [*(f"overscan.v1.{name}" for name in _SERVICES), "grpc.health.v1.Health"]
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        *(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in wanted),
    ]
    listed, *described = stub.ServerReflectionInfo(iter(requests), timeout=10)
    assert set(wanted) <= {entry.name for entry in listed.list_services_response.service}
    assert all(answer.file_descriptor_response.file_descriptor_proto for answer in described)


def test_every_answer_has_the_calls_id(shared_service: Service) -> None:
    _, call = shared_service.jobs.ListJobs.with_call(
        pb.ListJobsRequest(), metadata=(("overscan-request-id", "farm-42"),), timeout=10
    )
    assert ("overscan-request-id", "farm-42") in [tuple(entry) for entry in call.trailing_metadata()]
    with pytest.raises(grpc.RpcError) as refused:
        shared_service.jobs.GetJob(
            pb.GetJobRequest(job_id="0" * 32), metadata=(("overscan-request-id", "no id at all"),), timeout=10
        )
    given = dict(tuple(entry) for entry in refused.value.trailing_metadata())["overscan-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", given), "what is no id is replaced"
    details = rpc_status.from_call(refused.value)
    info = error_details_pb2.ErrorInfo()
    assert details is not None and details.details[0].Unpack(info)
    assert (info.reason, info.metadata["request_id"]) == ("UNKNOWN_JOB", given)


def test_logs_are_one_json_object_a_line_with_ids(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start("--set", "log_format=json", "--log-level", "DEBUG", "--set", "log_to=both")
    request = pb.CreateJobRequest(spec=make_spec(last=1002))
    job = service.jobs.CreateJob(request, metadata=(("overscan-request-id", "shot-7"),), timeout=60).job
    service.finish(job.id)
    with pytest.raises(grpc.RpcError):
        service.get("0" * 32)
    assert service.stop() == 0
    records = [json.loads(line) for line in log(service).splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(record) for record in records)
    called = [record for record in records if record.get("request_id") == "shot-7"]
    assert any("CreateJob: OK" in record["message"] for record in called)
    assert any("GetJob: NOT_FOUND" in record["message"] and record["level"] == "INFO" for record in records)
    assert any(record.get("job_id") == job.id or job.id in record["message"] for record in records)
    rotated = service.home / "logs" / "service.log"
    assert [json.loads(line) for line in rotated.read_text().splitlines()] == records
    assert rotated.stat().st_mode & 0o077 == 0


def test_a_workers_log_has_the_same_form_and_says_whose_it_is(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start("--set", "log_format=json")
    job = service.finish(service.create(make_spec(last=1001, raise_frame=1001)).id)
    assert job.state == JobState.JOB_STATE_FAILED
    records = [
        json.loads(line)
        for path in (service.home / "logs").glob("worker-render-*.log")
        for line in path.read_text().splitlines()
    ]
    (fault,) = [record for record in records if "exception" in record]
    assert fault["job_id"] == job.id
    assert fault["worker"] == "render-0"
    assert fault["step_id"]
    assert "ValueError" in fault["exception"] and "Traceback" in fault["exception"]


def test_metrics_count_what_happens(start: Callable[..., Service], make_spec: Callable[..., JobSpec]) -> None:
    port = free_port()
    service = start("--set", f"metrics_listen=127.0.0.1:{port}")
    service.finish(service.create(make_spec(last=1004)).id)
    with pytest.raises(grpc.RpcError):
        service.get("0" * 32)
    with pytest.raises(grpc.RpcError):
        service.channel.unary_unary("/overscan.v1.Nonsense/Do")(b"", timeout=10)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}

    def value(family: str, sample: str, **labels: str) -> float:
        return sum(
            found.value
            for found in families[family].samples
            if found.name == sample and labels.items() <= found.labels.items()
        )

    calls = "overscan_rpc_duration_seconds"
    assert value(calls, f"{calls}_count", method="GenerationService/CreateJob", code="OK") == 1
    assert value(calls, f"{calls}_count", method="GenerationService/GetJob", code="NOT_FOUND") == 1
    assert value(calls, f"{calls}_count", method="unknown", code="UNIMPLEMENTED") == 1
    assert value("overscan_jobs", "overscan_jobs", state="succeeded") == 1
    assert value("overscan_jobs", "overscan_jobs", state="failed") == 0
    assert value("overscan_frames_finished", "overscan_frames_finished_total", engine="copycat") == 4
    steps = "overscan_step_duration_seconds"
    assert value(steps, f"{steps}_count", engine="copycat", outcome="done") >= 2
    assert value(steps, f"{steps}_count", outcome="failed") == 0
    waits = "overscan_job_queue_wait_seconds"
    assert value(waits, f"{waits}_count") == 1
    store = "overscan_store_write_duration_seconds"
    assert value(store, f"{store}_count") > 5
    assert value("overscan_worker_starts", "overscan_worker_starts_total", worker="render-0") == 1
    assert value("overscan_worker_deaths", "overscan_worker_deaths_total") == 0
    assert value("overscan_home_free_bytes", "overscan_home_free_bytes") > 0
    assert value("process_resident_memory_bytes", "process_resident_memory_bytes") > 0
    assert value("overscan_fault", "overscan_fault") == 0
    for family in families.values():
        assert family.documentation
        for found in family.samples:
            assert str(service.home) not in str(found.labels)


@pytest.mark.parametrize(
    ("listen", "words"),
    [("0.0.0.0:0", "metrics_public"), ("studio.example:80", "metrics_public"), ("9464", "no address for metrics")],
)
def test_metrics_are_not_served_to_other_machines_unasked(
    engine_path: str, tmp_path: Path, listen: str, words: str
) -> None:
    from test_service_process import run_once

    ended = run_once(engine_path, "--home", str(tmp_path / "home"), "--set", f"metrics_listen={listen}")
    assert ended.returncode == 78
    assert words in ended.stderr
    assert not (tmp_path / "home" / "service.json").exists()


def test_the_commands_look_after_a_service_whose_socket_others_share(start: Callable[..., Service]) -> None:
    """As in the container's recipe and the systemd unit: the service's own account has its token from the home."""
    service = start("--set", "socket_mode=666")

    def overscan(*words: str) -> tuple[int, list[dict[str, object]]]:
        ended = subprocess.run(
            [sys.executable, "-m", "overscan.cli", *words, "--json"],
            env={**os.environ, "OVERSCAN_HOME": str(service.home)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]

    code, (found, summary) = overscan("status")
    assert (code, summary["ok"], found["ready"], found["draining"]) == (0, True, True, False)
    assert overscan("drain", "--wait")[0] == 0
    code, (found, summary) = overscan("status")
    assert (code, found["not_ready"], found["draining"]) == (6, ["GenerationService"], True)
    assert overscan("drain", "--undo")[0] == 0
    assert overscan("drain", "--undo", "--close")[0] == 2
    assert overscan("status")[0] == 0
    assert overscan("drain", "--close")[0] == 0
    assert service.process.wait(timeout=15) == 0
    code, (*_, summary) = overscan("status")
    assert code == 6, "a service is not started to be asked how it is"


def test_tells_systemd_when_it_is_ready_alive_and_ending(start: Callable[..., Service], tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(10)
        service = start(NOTIFY_SOCKET=str(address), WATCHDOG_USEC="600000")
        said = [manager.recv(4096).decode()]
        assert said[0].startswith("READY=1\nSTATUS=serving at unix:")
        while said.count("WATCHDOG=1") < 3:
            said.append(manager.recv(4096).decode())
        for worker in service.workers():
            assert "NOTIFY_SOCKET" not in worker.environ()
        assert service.stop() == 0
        while not said[-1].startswith("STOPPING=1"):
            said.append(manager.recv(4096).decode())
