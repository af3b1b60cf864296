"""Users and roles: who is let in, what they may do, and how fast a token that was taken back ends."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from guarded import add_user, bearer, reason, users
from serving import Service, running_services

from overscan.service.security.roles import CHANGES, LEAST_ROLES, Role
from overscan.v1 import admin_service_pb2 as admin
from overscan.v1 import engine_service_pb2 as engines
from overscan.v1 import frame_service_pb2 as frames
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2_grpc import AdminServiceStub
from overscan.v1.frame_service_pb2_grpc import FrameServiceStub
from overscan.v1.job_pb2 import JobSpec, JobState


@pytest.fixture(scope="module")
def peopled(engine_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service on loopback with a user of each role, and another artist; their tokens."""
    folder = tmp_path_factory.mktemp("peopled")
    home = folder / "home"
    home.mkdir()
    roles = {"vera": "viewer", "ana": "artist", "ben": "artist", "ada": "admin"}
    tokens = {name: add_user(home, name, role) for name, role in roles.items()}
    with running_services(engine_path, folder) as run:
        yield run("--address", "127.0.0.1:0", "--workers", "1"), tokens


def services() -> Iterator[tuple[str, bool]]:
    """Every method of every service that is served, by its full name."""
    pool = descriptor_pool.Default()
    for module in (pb, engines, frames, admin, health_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}", method.input_type is not None
    service = pool.FindServiceByName("grpc.reflection.v1alpha.ServerReflection")
    yield from ((f"/{service.full_name}/{method.name}", True) for method in service.methods)


def test_every_method_of_every_service_has_a_role() -> None:
    import grpc_reflection.v1alpha.reflection  # noqa: F401 (registers its descriptors)

    methods = {name for name, _ in services()}
    assert len(methods) > 20
    assert methods <= set(LEAST_ROLES)
    assert set(LEAST_ROLES) - methods <= {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}
    assert set(LEAST_ROLES) >= CHANGES
    assert all(LEAST_ROLES[method] >= Role.ARTIST for method in CHANGES)


@pytest.mark.parametrize("name", ["vera", "ana", "ada"])
def test_a_role_may_call_what_the_table_says_and_nothing_else(
    peopled: tuple[Service, dict[str, str]], name: str
) -> None:
    service, tokens = peopled
    role = {"vera": Role.VIEWER, "ana": Role.ARTIST, "ada": Role.ADMIN}[name]
    import grpc_reflection.v1alpha.reflection  # noqa: F401

    for method in sorted({name for name, _ in services()}):
        call = service.channel.stream_stream(method)
        outcome = None
        try:
            responses = call(iter([b""]), metadata=bearer(tokens[name]), timeout=3)
            next(responses)
            responses.cancel()
        except StopIteration:
            pass
        except grpc.RpcError as error:
            outcome = error.code()
        if method.endswith("/Drain") and outcome is None:
            own = bearer(service.token)
            AdminServiceStub(service.channel).Drain(admin.DrainRequest(undo=True), metadata=own, timeout=10)
        refused = outcome is grpc.StatusCode.PERMISSION_DENIED
        assert outcome is not grpc.StatusCode.UNAUTHENTICATED, method
        assert refused == (role < LEAST_ROLES[method]), (method, outcome)


def test_nobody_without_a_token_learns_anything(peopled: tuple[Service, dict[str, str]]) -> None:
    service, tokens = peopled
    wrong = tokens["ana"][:-1] + ("A" if tokens["ana"][-1] != "A" else "B")
    known = "/overscan.v1.GenerationService/ListJobs"
    for method, metadata in (
        (known, ()),
        (known, bearer(wrong)),
        (known, (("authorization", tokens["ana"]),)),
        ("/overscan.v1.Nothing/Here", bearer(tokens["ana"] + "x")),
        ("/x", bearer("")),
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            service.channel.unary_unary(method)(b"", metadata=metadata, timeout=10)
        assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert reason(refusal.value) == "UNAUTHENTICATED"
    with pytest.raises(grpc.RpcError) as refusal:
        service.channel.unary_unary("/overscan.v1.Nothing/Here")(b"", metadata=bearer(tokens["ana"]), timeout=10)
    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_wrong_tokens_are_slowed_and_right_ones_are_not(peopled: tuple[Service, dict[str, str]]) -> None:
    service, tokens = peopled
    stub = health_pb2_grpc.HealthStub(service.channel)
    took = []
    for _ in range(12):
        begun = time.monotonic()
        with pytest.raises(grpc.RpcError):
            stub.Check(health_pb2.HealthCheckRequest(), metadata=bearer("no"), timeout=10)
        took.append(time.monotonic() - begun)
        if took[-1] > 1.0:
            break
    assert took[-1] > 1.0
    begun = time.monotonic()
    stub.Check(health_pb2.HealthCheckRequest(), metadata=bearer(tokens["vera"]), timeout=10)
    assert time.monotonic() - begun < 1.0
    assert "its token is" in (service.home / "service.log").read_text()


def test_artists_change_their_own_jobs_only(
    peopled: tuple[Service, dict[str, str]], make_spec: Callable[..., JobSpec]
) -> None:
    service, tokens = peopled
    request = pb.CreateJobRequest(spec=make_spec(seconds=5.0))
    job = service.jobs.CreateJob(request, metadata=bearer(tokens["ana"]), timeout=60).job
    assert job.user == "ana"
    stub = FrameServiceStub(service.channel)
    for name in ("vera", "ben"):
        assert service.jobs.GetJob(pb.GetJobRequest(job_id=job.id), metadata=bearer(tokens[name])).job.user == "ana"
        for call, message in (
            (service.jobs.CancelJob, pb.CancelJobRequest(job_id=job.id)),
            (service.jobs.PauseJob, pb.PauseJobRequest(job_id=job.id)),
            (service.jobs.ResumeJob, pb.ResumeJobRequest(job_id=job.id)),
            (service.jobs.RetryJob, pb.RetryJobRequest(job_id=job.id)),
            (service.jobs.MoveJob, pb.MoveJobRequest(job_id=job.id, first=True)),
        ):
            with pytest.raises(grpc.RpcError) as refusal:
                call(message, metadata=bearer(tokens[name]), timeout=10)
            assert refusal.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert reason(refusal.value) == "NOT_ALLOWED"
        for fetch in (
            lambda own: stub.ListResultFiles(frames.ListResultFilesRequest(job_id=job.id), metadata=own, timeout=10),
            lambda own: next(
                stub.DownloadFrame(frames.DownloadFrameRequest(job_id=job.id, frame=1001), metadata=own, timeout=10)
            ),
        ):
            with pytest.raises(grpc.RpcError) as refusal:
                fetch(bearer(tokens[name]))
            assert reason(refusal.value) == "NOT_ALLOWED"
    cancelled = service.jobs.CancelJob(pb.CancelJobRequest(job_id=job.id), metadata=bearer(tokens["ada"]), timeout=10)
    assert cancelled.job.state == JobState.JOB_STATE_CANCELLED
    found = [json.loads(line) for line in (service.home / "audit.log").read_text().splitlines()]
    said = [(line.get("user"), line["call"], line["outcome"], line.get("job", "")) for line in found]
    assert ("ana", "CreateJob", "OK", job.id) in said
    assert ("ben", "CancelJob", "NOT_ALLOWED", job.id) in said
    assert ("vera", "PauseJob", "NOT_ALLOWED", "") in said  # not even parsed
    assert ("ada", "CancelJob", "OK", job.id) in said
    text = (service.home / "audit.log").read_text() + (service.home / "service.log").read_text()
    assert not any(token in text for token in tokens.values())
    checked = users(service.home, "audit")[0]
    assert checked["problems"] == []


def test_what_removes_something_is_in_the_log_before_it_begins(peopled: tuple[Service, dict[str, str]]) -> None:
    service, tokens = peopled
    request = admin.PurgeRequest(show="no-such-show")
    AdminServiceStub(service.channel).Purge(request, metadata=bearer(tokens["ada"]), timeout=10)
    found = [json.loads(line) for line in (service.home / "audit.log").read_text().splitlines()]
    purges = [line for line in found if line["call"] == "Purge" and line.get("user") == "ada" and line.get("detail")]
    assert [(line["outcome"], line["detail"]) for line in purges[-2:]] == [
        ("BEGUN", 'show: "no-such-show"'),
        ("OK", 'show: "no-such-show"'),
    ]


def test_only_those_who_may_call_are_told_of_a_drain(
    peopled: tuple[Service, dict[str, str]], make_spec: Callable[..., JobSpec]
) -> None:
    service, tokens = peopled
    own, stub = bearer(service.token), AdminServiceStub(service.channel)
    stub.Drain(admin.DrainRequest(), metadata=own, timeout=10)
    try:
        request = pb.CreateJobRequest(spec=make_spec())
        for metadata, code in (
            (bearer("no"), "UNAUTHENTICATED"),
            (bearer(tokens["vera"]), "NOT_ALLOWED"),
            (bearer(tokens["ana"]), "SERVICE_CLOSING"),
        ):
            with pytest.raises(grpc.RpcError) as refusal:
                service.jobs.CreateJob(request, metadata=metadata, timeout=30)
            assert reason(refusal.value) == code
    finally:
        stub.Drain(admin.DrainRequest(undo=True), metadata=own, timeout=10)
    found = [json.loads(line) for line in (service.home / "audit.log").read_text().splitlines()]
    last = [line for line in found if line["call"] != "Drain"][-1]
    assert (last["user"], last["call"], last["outcome"]) == ("ana", "CreateJob", "SERVICE_CLOSING")


def test_a_caller_is_told_who_they_are(peopled: tuple[Service, dict[str, str]]) -> None:
    service, tokens = peopled
    stub = AdminServiceStub(service.channel)
    mine = stub.GetCaller(admin.GetCallerRequest(), metadata=bearer(tokens["ana"]), timeout=10)
    assert (mine.user, mine.role) == ("ana", admin.Role.ROLE_ARTIST)
    own = stub.GetCaller(admin.GetCallerRequest(), metadata=bearer(service.token), timeout=10)
    assert (own.user, own.role) == ("", admin.Role.ROLE_ADMIN)


def test_a_token_that_is_taken_back_ends_open_streams(
    peopled: tuple[Service, dict[str, str]], make_spec: Callable[..., JobSpec]
) -> None:
    service, tokens = peopled
    token = add_user(service.home, "victor", "viewer")
    time.sleep(1.2)
    spec = make_spec(seconds=30.0)
    job = service.jobs.CreateJob(pb.CreateJobRequest(spec=spec), metadata=bearer(tokens["ana"]), timeout=60).job
    ended: dict[str, tuple[float, grpc.RpcError]] = {}

    def watch(name: str, call: grpc.UnaryStreamMultiCallable, message: object) -> None:
        try:
            for _ in call(message, metadata=bearer(token), timeout=60):
                pass
        except grpc.RpcError as error:
            ended[name] = (time.monotonic(), error)

    health = health_pb2_grpc.HealthStub(service.channel)
    threads = [
        threading.Thread(target=watch, args=("job", service.jobs.WatchJob, pb.WatchJobRequest(job_id=job.id))),
        threading.Thread(target=watch, args=("health", health.Watch, health_pb2.HealthCheckRequest())),
    ]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    assert not ended
    users(service.home, "remove", "victor")
    removed = time.monotonic()
    for thread in threads:
        thread.join(timeout=20)
    assert set(ended) == {"job", "health"}
    assert max(when for when, _ in ended.values()) - removed < 8
    assert ended["job"][1].code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError) as refusal:
        service.jobs.GetJob(pb.GetJobRequest(job_id=job.id), metadata=bearer(token), timeout=10)
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
    service.jobs.CancelJob(pb.CancelJobRequest(job_id=job.id), metadata=bearer(tokens["ana"]), timeout=10)


def test_a_rotated_token_overlaps_and_an_old_one_ends(peopled: tuple[Service, dict[str, str]]) -> None:
    service, _ = peopled
    home = service.home
    first = add_user(home, "rita", "artist", "--days", "0.00001")  # ended before it is used
    time.sleep(1.2)
    with pytest.raises(grpc.RpcError):
        service.jobs.ListJobs(pb.ListJobsRequest(), metadata=bearer(first), timeout=10)
    second = str(users(home, "rotate", "rita")[0]["token"])
    time.sleep(1.2)
    service.jobs.ListJobs(pb.ListJobsRequest(), metadata=bearer(second), timeout=10)
    third = str(users(home, "rotate", "rita", "--overlap", "1")[0]["token"])
    time.sleep(1.2)
    for token in (second, third):
        service.jobs.ListJobs(pb.ListJobsRequest(), metadata=bearer(token), timeout=10)
    kept = (home / "users.json").read_text()
    assert not any(token in kept for token in (first, second, third))
    assert stat.S_IMODE((home / "users.json").stat().st_mode) == 0o600


def test_a_file_of_users_that_others_can_read_lets_nobody_in(
    peopled: tuple[Service, dict[str, str]],
) -> None:
    service, tokens = peopled
    service.jobs.ListJobs(pb.ListJobsRequest(), metadata=bearer(tokens["ana"]), timeout=10)
    (service.home / "users.json").chmod(0o644)
    time.sleep(1.2)
    with pytest.raises(grpc.RpcError) as refusal:
        service.jobs.ListJobs(pb.ListJobsRequest(), metadata=bearer(tokens["ana"]), timeout=10)
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
    service.jobs.ListJobs(pb.ListJobsRequest(), metadata=bearer(service.token), timeout=10)
    assert "chmod 600" in (service.home / "service.log").read_text()
    (service.home / "users.json").chmod(0o600)
    time.sleep(1.2)
    service.jobs.ListJobs(pb.ListJobsRequest(), metadata=bearer(tokens["ana"]), timeout=10)


@pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")
def test_a_shared_socket_wants_a_token_and_a_private_one_does_not(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    token = add_user(home, "ana", "artist")
    service = start("--address", f"unix:{tmp_path}/s.sock", "--set", "socket_mode=660")
    assert stat.S_IMODE((tmp_path / "s.sock").stat().st_mode) == 0o660
    with pytest.raises(grpc.RpcError) as refusal:
        service.jobs.ListJobs(pb.ListJobsRequest(), timeout=10)
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
    service.jobs.ListJobs(pb.ListJobsRequest(), metadata=bearer(token), timeout=10)
    service.jobs.ListJobs(pb.ListJobsRequest(), metadata=bearer(service.token), timeout=10)
    service.stop()
    private = start("--address", f"unix:{tmp_path}/p.sock")
    assert stat.S_IMODE((tmp_path / "p.sock").stat().st_mode) == 0o600
    private.jobs.ListJobs(pb.ListJobsRequest(), timeout=10)


def test_the_command_prints_a_token_once(tmp_path: Path) -> None:
    environment = {**os.environ, "OVERSCAN_HOME": str(tmp_path / "home"), "PYTHONSAFEPATH": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "overscan.cli", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )

    added = run("users", "add", "ana", "--role", "artist")
    token = added.stdout.strip()
    assert added.returncode == 0
    assert token.startswith("ovs_")
    listed = run("users", "list")
    assert "ana" in listed.stdout
    assert token[-4:] in listed.stdout
    assert token not in listed.stdout
    assert run("users", "add", "../ana", "--role", "artist").returncode == 2
    assert run("audit", "verify").returncode == 0


def test_the_log_says_who_called(peopled: tuple[Service, dict[str, str]]) -> None:
    service, tokens = peopled
    asked = (*bearer(tokens["ben"]), ("overscan-request-id", "who-called"))
    with pytest.raises(grpc.RpcError):
        service.jobs.GetJob(pb.GetJobRequest(job_id="f" * 32), metadata=asked, timeout=10)
    (line,) = [one for one in (service.home / "service.log").read_text().splitlines() if "who-called" in one]
    assert "GetJob: NOT_FOUND" in line
    assert " user=ben" in line
