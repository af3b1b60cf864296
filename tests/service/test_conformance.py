"""The conformance suite passes our service, and finds each rule that a lying one breaks."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, descriptor_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from lying_proxy import Lie, LyingProxy, RefusedError
from serving import Service, running_services

from overscan.service.conformance import Outcome, Target, all_checks, run
from overscan.service.conformance._shot import FIRST
from overscan.v1 import admin_service_pb2 as admin_pb
from overscan.v1 import engine_service_pb2 as engine_pb
from overscan.v1 import frame_service_pb2 as frame_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import JobState


@pytest.fixture(scope="module")
def loopback(engine_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that wants a token."""
    folder = tmp_path_factory.mktemp("conformance")
    (folder / "home" / "cache").mkdir(parents=True)
    kernels = Path(os.environ["NUMBA_CACHE_DIR"]).resolve()
    kernels.mkdir(parents=True, exist_ok=True)
    (folder / "home" / "cache" / "numba").symlink_to(kernels)  # what other tests have compiled
    with running_services(engine_path, folder) as start:
        yield start(OVERSCAN_LISTEN="127.0.0.1:0")


@pytest.fixture(scope="module")
def proxy(loopback: Service) -> Iterator[LyingProxy]:
    made = LyingProxy(target=loopback.address)
    yield made
    made.close()


@pytest.fixture(scope="module")
def target(loopback: Service, proxy: LyingProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with Target(address=proxy.address, token=loopback.token, shared=tmp_path_factory.mktemp("shared")) as made:
        assert made.finished[0].state == JobState.JOB_STATE_SUCCEEDED
        yield made


def failures(target: Target, *only: str) -> dict[str, str]:
    return {one.name: one.detail for one in run(target=target, only=only) if one.outcome is Outcome.FAILED}


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "overscan.service.conformance", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_our_service_conforms_with_shared_storage(loopback: Service, tmp_path: Path) -> None:
    done = command("--address", loopback.address, "--token", loopback.token, "--shared", str(tmp_path), "--intrusive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("skip")] == [
        line for line in done.stdout.splitlines() if "admin.only_admins" in line
    ]
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
