"""The conformance suite passes our service, and finds each rule that a lying one breaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import grpc
import postgres
import pytest
from command_line import share_kernels
from google.protobuf import any_pb2, descriptor_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from guarded import Authority, add_user
from lying_proxy import Lie, LyingProxy, RefusedError
from serving import Service, running_services

from overscan.service.conformance import Outcome, Target, Way, all_checks, run
from overscan.service.conformance._shot import FIRST
from overscan.v1 import admin_service_pb2 as admin_pb
from overscan.v1 import engine_service_pb2 as engine_pb
from overscan.v1 import frame_service_pb2 as frame_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2 import Role
from overscan.v1.job_pb2 import JobState


@pytest.fixture(scope="module")
def loopback(engine_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that wants a token."""
    folder = tmp_path_factory.mktemp("conformance")
    share_kernels(folder / "home")
    with running_services(engine_path, folder) as start:
        yield start(OVERSCAN_LISTEN="127.0.0.1:0")


@pytest.fixture(scope="module")
def proxy(loopback: Service) -> Iterator[LyingProxy]:
    made = LyingProxy(target=loopback.address)
    yield made
    made.close()


@pytest.fixture(scope="module")
def target(loopback: Service, proxy: LyingProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    way = Way(address=proxy.address, token=loopback.token, credentials=None)
    with Target(way=way, shared=tmp_path_factory.mktemp("shared")) as made:
        assert made.finished[0].state == JobState.JOB_STATE_SUCCEEDED
        yield made


def failures(target: Target, *only: str) -> dict[str, str]:
    return {one.name: one.detail for one in run(target=target, only=only) if one.outcome is Outcome.FAILED}


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "overscan.service.conformance", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, **variables},
    )


def skipped(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The checks that were not made."""
    return {line.split()[1] for line in done.stdout.splitlines() if line.startswith("skip ")}


def test_our_service_conforms_with_shared_storage(loopback: Service, tmp_path: Path) -> None:
    done = command("--address", loopback.address, "--token", loopback.token, "--shared", str(tmp_path), "--intrusive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert skipped(done) == {"roles.admins_only", "roles.viewer_changes_nothing", "roles.own_jobs_only"}
    assert not list(tmp_path.iterdir())
    left = loopback.jobs.ListJobs(pb.ListJobsRequest(), metadata=[("authorization", f"Bearer {loopback.token}")])
    assert not [job.id for job in left.jobs if job.spec.labels.show.startswith("conformance-")]


def test_our_service_conforms_without_shared_storage(loopback: Service) -> None:
    done = command("--address", loopback.address, "--token", loopback.token, "--only", "jobs", "--only", "transfers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok   jobs.plate_is_sacred" in done.stdout
    assert not [one for one in (loopback.home / "uploads").rglob("*") if one.is_file() and "pool" not in one.parts]
    assert not [one for one in (loopback.home / "results").rglob("*") if one.is_file()]


def test_a_proxy_that_changes_nothing_is_not_noticed(target: Target, proxy: LyingProxy) -> None:
    proxy.lie = None
    assert failures(target, "discovery", "errors", "engines", "plans", "events") == {}


@dataclass(frozen=True)
class Studio:
    """A service that other machines can call, by mutual TLS alone, with a user of each role."""

    address: str
    tokens: Mapping[str, Path]
    variables: Mapping[str, str]
    """What the caller's own certificate is, and who signed the service's."""

    def run(self, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return command(*arguments, OVERSCAN_TOKEN_FILE=str(self.tokens[user]), **self.variables)


@pytest.fixture(scope="module")
def studio(engine_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    home, authority = folder / "home", Authority.make(folder)
    (folder / "shots").mkdir()
    share_kernels(home)
    tokens = {}
    for user, role in (("vera", "viewer"), ("ana", "artist"), ("ben", "artist"), ("ada", "admin")):
        tokens[user] = folder / f"{user}.token"
        tokens[user].write_text(add_user(home, user, role) + "\n")
    certificate, key = authority.issue("service", hosts=["localhost"])
    own, own_key = authority.issue("caller")
    with running_services(engine_path, folder) as start:
        service = start(
            *("--address", "0.0.0.0:0", "--set", f"roots_write=[{json.dumps(str(folder / 'shots'))}]"),
            *("--set", f"tls_certificate={certificate}", "--set", f"tls_key={key}"),
            *("--set", f"tls_client_ca={authority.path}"),
        )
        port = json.loads((service.home / "service.json").read_text())["public"].rpartition(":")[2]
        yield Studio(
            address=f"https://localhost:{port}",
            tokens=tokens,
            variables={
                "OVERSCAN_ADDRESS": f"https://localhost:{port}",
                "OVERSCAN_TLS_CA": str(authority.path),
                "OVERSCAN_CLIENT_CERTIFICATE": str(own),
                "OVERSCAN_CLIENT_KEY": str(own_key),
            },
        )


def test_an_admin_checks_by_mutual_tls(studio: Studio) -> None:
    done = studio.run("ada", "--only", "discovery", "--only", "roles", "--only", "admin.p")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("called as ada, an admin\n")
    assert skipped(done) == {"roles.admins_only", "roles.viewer_changes_nothing", "roles.own_jobs_only"} | (
        skipped(done) & {"roles.jobs_are_seen"}  # where no job has ended yet
    )


def test_a_viewer_is_refused_what_they_must_not_and_the_rest_is_skipped(studio: Studio) -> None:
    done = studio.run("vera")
    assert done.returncode == 0, done.stdout + done.stderr
    beyond = {one.name for one in all_checks() if one.role > Role.ROLE_VIEWER}
    assert len(beyond) > 50
    assert skipped(done) - {"roles.jobs_are_seen"} == beyond
    assert "it takes an artist, and the caller is a viewer" in done.stdout
    assert "ok   roles.viewer_changes_nothing" in done.stdout
    assert "ok   roles.admins_only" in done.stdout


def test_an_artist_is_refused_what_is_others(studio: Studio) -> None:
    made = studio.run("ben", "--only", "events.ended")
    assert made.returncode == 0, made.stdout + made.stderr
    done = studio.run("ana", "--only", "roles", "--only", "admin", "--only", "errors", "--only", "transfers.run")
    assert done.returncode == 0, done.stdout + done.stderr
    admins = {one.name for one in all_checks() if one.role > Role.ROLE_ARTIST}
    assert skipped(done) == admins | {"roles.viewer_changes_nothing"}
    assert "it takes an admin, and the caller is an artist" in done.stdout
    assert "only admins may purge" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("user", ["ana", "ada"])
def test_our_service_conforms_by_mutual_tls(studio: Studio, user: str) -> None:
    done = studio.run(user)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(postgres.programs() is None, reason=postgres.INSTALL)
def test_our_service_conforms_with_its_jobs_in_postgresql(start: Callable[..., Service], tmp_path: Path) -> None:
    share_kernels(tmp_path / "home")
    server = postgres.make_server()
    try:
        server.start()
        service = start(OVERSCAN_DATABASE_URL=server.url, OVERSCAN_DATABASE_PASSWORD=postgres.PASSWORD)
        done = command("--address", service.address, "--intrusive")
        assert done.returncode == 0, done.stdout + done.stderr
        assert server.sql("SELECT count(*) FROM jobs") == "0", "the suite takes its jobs away"
        service.stop()
    finally:
        postgres.remove(server)


def test_who_cannot_call_is_told_why(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("ovs_wrong")
    for arguments, word in (
        (("--token-file", str(tmp_path / "token")), "the token is wrong"),
        (("--token-file", str(tmp_path / "none")), "cannot be read"),
        (("--client-certificate", str(tmp_path / "none")), "cannot be read"),
        (
            ("--address", "render7:50051", "--tls-ca", "", "--client-certificate", "", "--client-key", ""),
            "in the clear",
        ),
    ):
        done = studio.run("ana", *arguments)
        assert done.returncode == 2, done.stdout
        assert word in done.stderr


def test_every_check_says_what_it_checks() -> None:
    names = [one.name for one in all_checks()]
    assert len(names) == len(set(names)) > 60
    assert all(one.rule.endswith(".") and len(one.rule) <= 120 for one in all_checks())


def test_the_command_lists_its_checks_and_refuses_unknown_ones() -> None:
    listed = command("--list")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [one.name for one in all_checks()]
    assert command("--address", "unix:///nowhere", "--only", "no.such.check").returncode == 2
    assert command().returncode == 2


# ---- lies


def each(change: Callable[[Any], Any]) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """Change each answer in place."""

    def answers(given: Iterable[Any]) -> Iterator[Any]:
        for one in given:
            change(one)
            yield one

    return answers


def trailing(change: Callable[[status_pb2.Status], status_pb2.Status | None]) -> Callable[[RefusedError], RefusedError]:
    """Change the rich status that a refusal carries; None takes it away."""

    def refusal(refused: RefusedError) -> RefusedError:
        kept = tuple(item for item in refused.trailing if item[0] != "grpc-status-details-bin")
        for key, value in refused.trailing:
            if key == "grpc-status-details-bin":
                status = change(status_pb2.Status.FromString(value))
                if status is not None:
                    kept += ((key, status.SerializeToString()),)
        return RefusedError(refused.code, refused.details, kept)

    return refusal


def infos(change: Callable[[error_details_pb2.ErrorInfo], None]) -> Callable[[RefusedError], RefusedError]:
    """Change each ErrorInfo of a refusal."""

    def changed(status: status_pb2.Status) -> status_pb2.Status:
        for n, detail in enumerate(status.details):
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                change(info)
                packed = any_pb2.Any()
                packed.Pack(info)
                status.details[n].CopyFrom(packed)
        return status

    return trailing(changed)


def without_bad_request(status: status_pb2.Status) -> status_pb2.Status:
    kept = [one for one in status.details if not one.Is(error_details_pb2.BadRequest.DESCRIPTOR)]
    del status.details[:]
    status.details.extend(kept)
    return status


def lost_method(answer: reflection_pb2.ServerReflectionResponse) -> None:
    files = answer.file_descriptor_response.file_descriptor_proto
    for n, data in enumerate(files):
        file = descriptor_pb2.FileDescriptorProto.FromString(data)
        for service in file.service:
            del service.method[-1]
        files[n] = file.SerializeToString()


def refuse(_: Any) -> Any:
    raise RefusedError(grpc.StatusCode.UNIMPLEMENTED, "not here")


def set_field(name: str, value: Any) -> Callable[[Any], None]:
    """Set a dotted field."""

    def change(message: Any) -> None:
        *path, last = name.split(".")
        for part in path:
            message = getattr(message, part)
        setattr(message, last, value)

    return change


def drop_frames(answers: Iterable[Any]) -> Iterator[Any]:
    return (one for one in answers if one.event.WhichOneof("event") != "frame_finished")


def drop_verifying(answers: Iterable[Any]) -> Iterator[Any]:
    verifying = JobState.JOB_STATE_VERIFYING
    return (one for one in answers if one.event.state_changed.state != verifying)


def twice(answers: Iterable[Any]) -> Iterator[Any]:
    return chain.from_iterable((one, one) for one in answers)


def reverse_engines(answer: Any) -> None:
    found = list(answer.engines)[::-1]
    del answer.engines[:]
    answer.engines.extend([*found, *found[:1]])


def weights(answer: Any) -> None:
    for step in answer.plan.steps:
        step.weight *= 2


def wrong_hash(answer: Any) -> None:
    if answer.sha256:
        answer.sha256 = bytes(32)


def more_there(answer: Any) -> None:
    for frame in answer.frames:
        frame.size += 7


def real_purge(message: admin_pb.PurgeRequest) -> None:
    message.dry_run = False


def forgotten(message: pb.MoveJobRequest) -> None:
    message.ClearField("priority")


def no_dependency(message: pb.CreateJobRequest) -> None:
    del message.spec.depends_on[:]


def new_id(message: pb.CreateJobRequest) -> None:
    message.request_id = str(uuid.uuid4())


def swap_first(answers: Iterable[Any]) -> Iterator[Any]:
    found = list(answers)
    for one in found:
        one.files.extend(list(one.files)[:1])
    return iter(found)


LIES: dict[str, tuple[str, Lie]] = {
    "a service is not serving": (
        "discovery.health",
        Lie("/Check", answered=health_pb2.HealthCheckResponse, answers=each(set_field("status", 2))),
    ),
    "reflection lists a service of its own": (
        "discovery.services",
        Lie(
            "Info",
            answered=reflection_pb2.ServerReflectionResponse,
            answers=each(lambda one: one.list_services_response.service.add(name="studio.Secret")),
        ),
    ),
    "reflection has lost a method": (
        "discovery.methods",
        Lie("Info", answered=reflection_pb2.ServerReflectionResponse, answers=each(lost_method)),
    ),
    "a method is not there": ("discovery.implemented", Lie("/MoveJob", request=refuse)),
    "unknown fields are an error": ("wire.unknown_fields", Lie("/ListJobs", request=refuse)),
    "requests of any size are answered": (
        "wire.too_large",
        Lie("/GetJob", request=lambda _: b"", refusal=lambda _: [b""]),
    ),
    "any token will do": ("wire.token", Lie(metadata=lambda _: LIES_TOKEN)),
    "errors have no details": ("errors.unknown_job", Lie("/GetJob", refusal=trailing(lambda _: None))),
    "errors have another status": (
        "errors.unknown_job",
        Lie("/CancelJob", refusal=lambda one: RefusedError(grpc.StatusCode.INTERNAL, one.details)),
    ),
    "errors are of another domain": (
        "errors.unknown_engine",
        Lie("/GetEngine", refusal=infos(set_field("domain", "example.com"))),
    ),
    "errors have another reason": ("errors.empty_job", Lie("/PlanJob", refusal=infos(set_field("reason", "OOPS")))),
    "errors do not say what to do": (
        "errors.page_token",
        Lie("/ListJobs", refusal=infos(lambda info: info.metadata.pop("next_step"))),
    ),
    "errors name no fields": ("errors.all_problems", Lie("/CreateJob", refusal=trailing(without_bad_request))),
    "errors show the service's code": (
        "errors.empty_job",
        Lie("/PlanJob", refusal=lambda one: RefusedError(one.code, 'File "x.py", line 3, in f', one.trailing)),
    ),
    "engines come in any order": (
        "engines.list",
        Lie("/ListEngines", answered=engine_pb.ListEnginesResponse, answers=each(reverse_engines)),
    ),
    "an engine is described in two ways": (
        "engines.get",
        Lie("/GetEngine", answered=engine_pb.GetEngineResponse, answers=each(set_field("engine.title", "Other"))),
    ),
    "weights of steps are anything": (
        "plans.whole",
        Lie("/PlanJob", answered=pb.PlanJobResponse, answers=each(weights)),
    ),
    "a request makes a job each time": ("jobs.once", Lie("/CreateJob", asked=pb.CreateJobRequest, request=new_id)),
    "a page is always the first": (
        "jobs.list",
        Lie("/ListJobs", asked=pb.ListJobsRequest, request=lambda one: one.ClearField("page_token")),
    ),
    "lists are of all states": (
        "jobs.filter",
        Lie("/ListJobs", asked=pb.ListJobsRequest, request=lambda one: one.ClearField("states")),
    ),
    "events come twice": ("events.numbers", Lie("/WatchJob", answered=pb.WatchJobResponse, answers=twice)),
    "a state is left out": ("events.states", Lie("/WatchJob", answered=pb.WatchJobResponse, answers=drop_verifying)),
    "frames are forgotten": ("events.replay", Lie("/WatchJob", answered=pb.WatchJobResponse, answers=drop_frames)),
    "watchers begin at the beginning": (
        "events.resume",
        Lie("/WatchJob", asked=pb.WatchJobRequest, request=set_field("after_number", 0)),
    ),
    "cancelling does nothing": ("states.cancel", Lie("/CancelJob", answers=lambda _: [b""])),
    "pausing does nothing": (
        "states.pause",
        Lie("/PauseJob", asked=pb.PauseJobRequest, request=set_field("job_id", "no-such-job"), refusal=lambda _: [b""]),
    ),
    "a move is forgotten": ("states.move", Lie("/MoveJob", asked=pb.MoveJobRequest, request=forgotten)),
    "dependencies are forgotten": (
        "states.depends",
        Lie("/CreateJob", asked=pb.CreateJobRequest, request=no_dependency),
    ),
    "hashes are not looked at": (
        "transfers.wrong_hash",
        Lie("/UploadFrames", refusal=lambda _: [frame_pb.UploadFramesResponse(frames=1).SerializeToString()]),
    ),
    "more has arrived than has": (
        "transfers.resume_upload",
        Lie("/GetUpload", answered=frame_pb.GetUploadResponse, answers=each(more_there)),
    ),
    "downloads have another hash": (
        "transfers.download",
        Lie("/DownloadFrame", answered=frame_pb.DownloadFrameResponse, answers=each(wrong_hash)),
    ),
    "downloads begin at the beginning": (
        "transfers.resume_download",
        Lie("/DownloadFrame", asked=frame_pb.DownloadFrameRequest, request=set_field("offset", 0)),
    ),
    "a file is listed twice": (
        "transfers.list",
        Lie("/ListResultFiles", answered=frame_pb.ListResultFilesResponse, answers=swap_first),
    ),
    "callers have no role": (
        "admin.caller",
        Lie("/GetCaller", answered=admin_pb.GetCallerResponse, answers=each(set_field("role", 0))),
    ),
    "a viewer may do anything": (
        "roles.viewer_changes_nothing",
        Lie("/GetCaller", answered=admin_pb.GetCallerResponse, answers=each(set_field("role", 1))),
    ),
    "an artist may do anything": (
        "roles.admins_only",
        Lie("/GetCaller", answered=admin_pb.GetCallerResponse, answers=each(set_field("role", 2))),
    ),
    "a dry run removes": ("admin.purge", Lie("/Purge", asked=admin_pb.PurgeRequest, request=real_purge)),
}
LIES_TOKEN: list[tuple[str, Any]] = []


@pytest.mark.parametrize("what", LIES)
def test_a_lie_is_found(what: str, target: Target, proxy: LyingProxy, loopback: Service) -> None:
    check, lie = LIES[what]
    LIES_TOKEN[:] = [("authorization", f"Bearer {loopback.token}")]
    proxy.lie = lie
    try:
        found = failures(target, check)
    finally:
        proxy.lie = None
    assert check in found, f"not found: {what}"


def test_a_sample_that_was_changed_is_found(target: Target, proxy: LyingProxy) -> None:
    from overscan.core.plates import read_frame, write_frame

    proxy.lie = None
    assert failures(target, "jobs.plate_is_sacred") == {}
    path = Path(target.finished[0].spec.output.path % FIRST)
    kept = path.read_bytes()
    frame = read_frame(path, number=FIRST)
    frame.parts[0].planes["G"][3, 5] += 1
    write_frame(frame, path=path, overwrite=True)
    assert failures(target, "jobs.plate_is_sacred").keys() == {"jobs.plate_is_sacred"}
    path.write_bytes(kept)
