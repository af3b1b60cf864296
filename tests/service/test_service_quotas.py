"""What one user may have at once, and what a request may hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from guarded import add_user, bearer, reason
from serving import Service, running_services

from overscan.v1 import frame_service_pb2 as frames
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import JobSpec


@dataclass
class Limited:
    service: Service
    ana: str
    ben: str


@pytest.fixture(scope="module")
def limited(engine_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    """A service with small quotas, and two artists."""
    folder = tmp_path_factory.mktemp("limited")
    (folder / "home").mkdir()
    tokens = [add_user(folder / "home", name, "artist") for name in ("ana", "ben")]
    limits = {"jobs_per_user": 2, "frames_per_job": 5, "pixels_per_job": 600, "streams_per_user": 2}
    flags = [f"--set=quota_{name}={value}" for name, value in {**limits, "calls_per_second": 4}.items()]
    with running_services(engine_path, folder) as run:
        yield Limited(run("--address", "127.0.0.1:0", "--workers", "1", *flags), *tokens)


def refused(call: Callable[[], object]) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.RpcError) as refusal:
        call()
    return refusal.value.code(), reason(refusal.value), refusal.value.details()


def test_jobs_frames_and_pixels_are_limited_and_the_limit_is_named(
    limited: Limited, make_spec: Callable[..., JobSpec], tmp_path: Path
) -> None:
    jobs = limited.service.jobs

    def create(token: str, name: str, **options: object) -> str:
        request = pb.CreateJobRequest(spec=make_spec(name=name, **options))
        return jobs.CreateJob(request, metadata=bearer(token), timeout=60).job.id

    code, why, said = refused(lambda: create(limited.ana, "long", last=1006))
    assert (code, why) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA")
    assert "5 frames in a job" in said
    code, why, said = refused(lambda: create(limited.ana, "large", last=1005))  # 5 frames of 16x8
    assert why == "QUOTA"
    assert "600 pixels in a job" in said
    time.sleep(1.5)
    for number in (1, 2):
        create(limited.ana, f"a{number}", seconds=30.0)
    code, why, said = refused(lambda: create(limited.ana, "a3"))
    assert (code, why) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA")
    assert "2 jobs that have not ended" in said
    create(limited.ben, "b1", seconds=30.0)  # others are not held back
    own = pb.CreateJobRequest(spec=make_spec(name="own", last=1006))
    jobs.CreateJob(own, metadata=bearer(limited.service.token), timeout=60)  # nor is who runs the service


def test_streams_and_calls_are_limited(limited: Limited, make_spec: Callable[..., JobSpec]) -> None:
    service = limited.service
    spec = make_spec(name="watched", seconds=30.0)
    job = service.jobs.CreateJob(pb.CreateJobRequest(spec=spec), metadata=bearer(service.token), timeout=60).job
    request = pb.WatchJobRequest(job_id=job.id)
    watchers = [service.jobs.WatchJob(request, metadata=bearer(limited.ben)) for _ in range(2)]
    for watcher in watchers:
        next(watcher)
    code, why, said = refused(lambda: next(service.jobs.WatchJob(request, metadata=bearer(limited.ben))))
    assert (code, why) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA")
    assert "2 open streams" in said
    watchers[0].cancel()
    time.sleep(2.5)
    again = service.jobs.WatchJob(request, metadata=bearer(limited.ben))
    next(again)
    outcomes = []
    for _ in range(60):
        try:
            service.jobs.ListJobs(pb.ListJobsRequest(page_size=1), metadata=bearer(limited.ana), timeout=10)
        except grpc.RpcError as error:
            outcomes.append(reason(error))
    assert outcomes
    assert set(outcomes) == {"QUOTA"}
    time.sleep(1.0)
    service.jobs.ListJobs(pb.ListJobsRequest(page_size=1), metadata=bearer(limited.ana), timeout=10)
    for watcher in (*watchers, again):
        watcher.cancel()


def test_requests_that_hold_too_much_are_refused(limited: Limited, make_spec: Callable[..., JobSpec]) -> None:
    service, own = limited.service, bearer(limited.service.token)

    def plan(change: Callable[[JobSpec], object]) -> tuple[grpc.StatusCode, str, str]:
        spec = make_spec()
        change(spec)
        return refused(lambda: service.jobs.PlanJob(pb.PlanJobRequest(spec=spec), metadata=own, timeout=30))

    def deep(spec: JobSpec) -> None:
        value = spec.controls.parameters["x"]
        for _ in range(40):
            value = value.list_value.values.add()
        value.number_value = 1

    def tracks(spec: JobSpec) -> None:
        for number in range(30_000):
            spec.controls.trajectories.add(name=str(number)).points.add(frame=1)

    for change in (
        lambda spec: setattr(spec.controls, "prompt", "x" * 100_000),
        lambda spec: setattr(spec.plate, "path", "/" + "x" * 100_000),
        deep,
        tracks,
    ):
        code, why, said = plan(change)
        assert (code, why) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST"), said
    for data in (b"\xff" * 10, b"\x0a\xff\xff\xff\xff\x0f", b"\x08"):
        raw = service.channel.unary_unary("/overscan.v1.GenerationService/PlanJob")
        code, why, _ = refused(lambda raw=raw, data=data: raw(data, metadata=own, timeout=10))
        assert (code, why) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    raw = service.channel.unary_unary("/overscan.v1.GenerationService/PlanJob")
    with pytest.raises(grpc.RpcError) as refusal:
        raw(bytes(5 << 20), metadata=own, timeout=10)
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    upload = service.channel.stream_unary("/overscan.v1.FrameService/UploadFrames")
    chunk = frames.UploadFramesRequest(upload_id="x", data=bytes((1 << 20) + 1)).SerializeToString()
    code, why, _ = refused(lambda: upload(iter([chunk]), metadata=own, timeout=10))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
