"""What one user may have at once, and what a request may hold."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from guarded import add_user, bearer, reason
from serving import Service, running_services

from overscan.v1 import frame_service_pb2 as frames
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.frame_service_pb2_grpc import FrameServiceStub
from overscan.v1.frames_pb2 import FrameRange, FrameSet
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

    def tried(number: int) -> str:
        try:
            return create(limited.ana, f"a{number}", seconds=30.0)
        except grpc.RpcError as error:
            assert reason(error) == "QUOTA"
            return ""

    with ThreadPoolExecutor(5) as pool:  # at once: while one is planned, no other slips past it
        made = [job_id for job_id in pool.map(tried, range(5)) if job_id]
    assert len(made) == 2
    time.sleep(1.5)
    jobs.CancelJob(pb.CancelJobRequest(job_id=made[0]), metadata=bearer(limited.ana), timeout=30)
    create(limited.ana, "a9", seconds=30.0)
    again = pb.RetryJobRequest(job_id=made[0])
    assert refused(lambda: jobs.RetryJob(again, metadata=bearer(limited.ana), timeout=30))[1] == "QUOTA"
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


def test_transfers_of_many_small_files_are_no_flood_of_calls(limited: Limited) -> None:
    service, ben = limited.service, bearer(limited.ben)
    time.sleep(1.0)
    stub = FrameServiceStub(service.channel)
    frame_set = FrameSet(ranges=[FrameRange(first=1, last=60, step=1)])
    request = frames.CreateUploadRequest(name="/p/a.%04d.exr", frames=frame_set)
    upload = stub.CreateUpload(request, metadata=ben, timeout=10).upload_id
    for frame in range(1, 61):
        data = str(frame).encode()
        chunk = frames.UploadFramesRequest(
            upload_id=upload, frame=frame, data=data, total_size=len(data), sha256=hashlib.sha256(data).digest()
        )
        assert stub.UploadFrames(iter([chunk]), metadata=ben, timeout=10).frames == 1


def test_calls_that_bring_no_request_keep_no_thread_from_others(limited: Limited) -> None:
    """Whoever has no token is refused before a request is waited for; there are far fewer threads than such calls."""
    over, service = threading.Event(), limited.service
    kinds = ("/overscan.v1.GenerationService/GetJob", "/overscan.v1.GenerationService/WatchJob", "/no/such")

    def nothing() -> Iterator[bytes]:
        over.wait(60)
        yield from ()

    channels = [grpc.insecure_channel(service.address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in kinds]
    calls = [channels[at % 3].stream_stream(kinds[at % 3])(nothing(), timeout=60) for at in range(150)]
    try:
        own = bearer(service.token)
        for _ in range(5):
            service.jobs.ListJobs(pb.ListJobsRequest(page_size=1), metadata=own, timeout=15)
        assert {call.code() for call in calls} == {grpc.StatusCode.UNAUTHENTICATED}
    finally:
        over.set()
        for channel in channels:
            channel.close()


def test_streams_of_grpcs_own_services_are_few(limited: Limited) -> None:
    service, own = limited.service, bearer(limited.service.token)
    health = health_pb2_grpc.HealthStub(service.channel)
    watches = [health.Watch(health_pb2.HealthCheckRequest(), metadata=own, timeout=60) for _ in range(16)]
    for watch in watches:
        next(watch)
    code, why, _ = refused(lambda: next(health.Watch(health_pb2.HealthCheckRequest(), metadata=own, timeout=10)))
    assert (code, why) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    for watch in watches:
        watch.cancel()


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
