"""Jobs: created once, listed, watched, cancelled, retried, verified."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from serving import FIRST, Service, rendered, wait_for

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import FrameState, Job, JobSpec, JobState, StepState


@pytest.fixture
def service(shared_service: Service) -> Service:
    """One for all: each test minds its own jobs, and leaves none that runs."""
    return shared_service


def status_of(call: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code()


def cancel(service: Service, job_id: str) -> Job:
    return service.jobs.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=30).job


def retry(service: Service, job_id: str) -> Job:
    return service.jobs.RetryJob(pb.RetryJobRequest(job_id=job_id), timeout=30).job


def test_a_job_runs_and_is_verified(service: Service, make_spec: Callable[..., JobSpec], plate: str) -> None:
    spec = make_spec()
    job = service.finish(service.create(spec).id)
    assert job.state == JobState.JOB_STATE_SUCCEEDED
    assert job.progress == 1.0
    assert job.verification.frames == 4
    assert job.verification.samples == 4 * 16 * 8 * 3
    assert job.verification.differing == 0
    assert {frame.state for frame in job.frames} == {FrameState.FRAME_STATE_VERIFIED}
    assert {step.state for step in job.steps} == {StepState.STEP_STATE_DONE}
    assert {warning.code for warning in job.warnings} == {"A_COPY", "COPIED"}
    assert job.create_time.ToNanoseconds() <= job.start_time.ToNanoseconds() < job.end_time.ToNanoseconds()
    for frame in job.frames:
        assert Path(frame.path).read_bytes() == Path(plate % frame.frame).read_bytes()
    assert not (service.home / "jobs" / job.id).exists()


def test_a_request_creates_one_job_however_often_it_is_sent(
    service: Service, make_spec: Callable[..., JobSpec]
) -> None:
    spec, request_id = make_spec(last=1002), str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: service.create(spec, request_id), range(8)))
    assert len({job.id for job in jobs}) == 1
    service.finish(jobs[0].id)
    again = service.create(spec, request_id)
    assert again.id == jobs[0].id
    assert again.state == JobState.JOB_STATE_SUCCEEDED
    assert again.request_id == request_id
    other = make_spec(last=1003)
    assert status_of(lambda: service.create(other, request_id)) == grpc.StatusCode.ALREADY_EXISTS
    listed = service.jobs.ListJobs(pb.ListJobsRequest(), timeout=10).jobs
    assert [job.id for job in listed if job.request_id == request_id] == [again.id]


def test_two_jobs_do_not_write_the_same_files(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    first = service.create(make_spec(last=1002, seconds=30))
    clash = make_spec(last=1003)
    assert status_of(lambda: service.create(clash)) == grpc.StatusCode.FAILED_PRECONDITION
    apart = make_spec(last=1004)
    apart.plate.frames.ranges[0].first = 1003
    second = service.create(apart)
    cancel(service, first.id)
    assert service.finish(second.id).state == JobState.JOB_STATE_SUCCEEDED


def test_a_job_is_found_by_the_beginning_of_its_id(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    ids = [service.create(make_spec(last=1001, name=f"out{number}")).id for number in range(20)]
    assert service.get(ids[0][:20]).id == ids[0]
    firsts = [one[0] for one in ids]
    shared = next(letter for letter in firsts if firsts.count(letter) > 1)
    for unknown in (shared, "", "xyz", "%", ids[0] + "0"):
        assert status_of(lambda unknown=unknown: service.get(unknown)) == grpc.StatusCode.NOT_FOUND
    for job_id in ids:
        cancel(service, job_id)


def test_lists_jobs_in_pages_and_by_labels_and_states(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    ids = []
    for number in range(5):
        spec = make_spec(last=1001, name=f"out{number}")
        spec.labels.show = "moon" if number % 2 else "sun"
        spec.labels.shot = f"sh{number:03d}"
        spec.labels.artist = "lister"
        ids.append(service.create(spec).id)
    for job_id in ids:
        service.finish(job_id)
    found: list[str] = []
    token = ""
    pages = 0
    while pages == 0 or token:
        request = pb.ListJobsRequest(page_size=2, page_token=token)
        request.labels.artist = "lister"
        page = service.jobs.ListJobs(request, timeout=10)
        found += [job.id for job in page.jobs]
        assert not any(job.steps or job.frames or job.plan.steps for job in page.jobs)
        token, pages = page.next_page_token, pages + 1
    assert (found, pages) == (ids[::-1], 3)
    request = pb.ListJobsRequest()
    request.labels.show = "moon"
    assert [job.id for job in service.jobs.ListJobs(request, timeout=10).jobs] == [ids[3], ids[1]]
    request.labels.shot = "sh001"
    assert [job.id for job in service.jobs.ListJobs(request, timeout=10).jobs] == [ids[1]]
    request = pb.ListJobsRequest(states=[JobState.JOB_STATE_FAILED, JobState.JOB_STATE_RUNNING])
    request.labels.artist = "lister"
    assert not service.jobs.ListJobs(request, timeout=10).jobs
    for token in ("x", "-1", "9" * 40):
        bad = pb.ListJobsRequest(page_token=token)
        assert status_of(lambda bad=bad: service.jobs.ListJobs(bad, timeout=10)) == grpc.StatusCode.INVALID_ARGUMENT


def test_a_watcher_sees_all_that_happens_and_resumes(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    job = service.create(make_spec(last=1006, seconds=0.15, chunk=2))
    events = [answer.event for answer in service.watch(job.id)]
    numbers = [event.number for event in events]
    assert numbers == sorted(set(numbers))
    states = [event.state_changed.state for event in events if event.HasField("state_changed")]
    assert states == [
        JobState.JOB_STATE_QUEUED,
        JobState.JOB_STATE_RUNNING,
        JobState.JOB_STATE_VERIFYING,
        JobState.JOB_STATE_SUCCEEDED,
    ]
    frames = [event.frame_finished.frame for event in events if event.HasField("frame_finished")]
    assert frames == list(range(FIRST, 1007))
    progress = [event.step_progress for event in events if event.HasField("step_progress")]
    assert progress
    jobs = [said.job for said in progress]
    assert jobs == sorted(jobs)
    assert all(0 <= said.job <= 1 for said in progress)
    assert any(said.HasField("seconds_left") and said.seconds_left < 60 for said in progress)

    cut = next(
        event.number for event in events if event.HasField("frame_finished") and event.frame_finished.frame == 1003
    )
    resumed = [answer.event for answer in service.watch(job.id, after=cut)]
    kept = [event for event in events if event.number > cut and not event.HasField("step_progress")]
    assert [event for event in resumed if not event.HasField("step_progress")] == kept
    assert not list(service.watch(job.id, after=numbers[-1]))


def test_a_long_step_says_what_it_is_even_if_its_engine_says_nothing(
    service: Service, make_spec: Callable[..., JobSpec]
) -> None:
    job = service.create(make_spec(last=1001, seconds=1.0))
    events = [answer.event for answer in service.watch(job.id)]
    before = events[: next(index for index, event in enumerate(events) if event.HasField("frame_finished"))]
    said = [(event.step_progress.step_id, event.step_progress.message) for event in before]
    assert ("render-0", "Copy") in said


def test_cancel_is_quick_keeps_frames_and_retry_goes_on(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    job = service.create(make_spec(last=1006, seconds=0.25))
    wait_for(lambda: len(rendered(ledger)) >= 2)
    begun = time.monotonic()
    cancelled = cancel(service, job.id)
    assert time.monotonic() - begun < 2.0
    assert cancelled.state == JobState.JOB_STATE_CANCELLED
    before = rendered(ledger)
    finished = [frame.frame for frame in cancelled.frames if frame.state == FrameState.FRAME_STATE_FINISHED]
    assert finished == before
    assert cancel(service, job.id).state == JobState.JOB_STATE_CANCELLED
    again = retry(service, job.id)
    assert again.id == job.id
    assert retry(service, job.id).id == job.id
    done = service.finish(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert rendered(ledger) == list(range(FIRST, 1007))
    assert retry(service, job.id).state == JobState.JOB_STATE_SUCCEEDED
    assert cancel(service, job.id).state == JobState.JOB_STATE_SUCCEEDED


def test_a_step_that_does_not_stop_is_killed(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    job = service.create(make_spec(last=1002, seconds=60, stubborn=True))
    service.wait_step(job.id, "render-0")
    worker = service.renderer()
    begun = time.monotonic()
    assert cancel(service, job.id).state == JobState.JOB_STATE_CANCELLED
    assert time.monotonic() - begun < 3.0
    assert not worker.is_running() or worker.status() == "zombie"
    other = service.create(make_spec(last=1001))
    assert service.finish(other.id).state == JobState.JOB_STATE_SUCCEEDED


def test_a_queued_job_is_cancelled_at_once_and_priority_goes_first(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    first = service.create(make_spec(last=1001, seconds=2, name="a"))
    service.wait_step(first.id, "render-0")
    low, high, gone = (make_spec(last=1001, name=name) for name in ("low", "high", "gone"))
    high.priority = 5
    low_id, high_id, gone_id = (service.create(spec).id for spec in (low, high, gone))
    assert cancel(service, gone_id).state == JobState.JOB_STATE_CANCELLED
    for job_id in (first.id, low_id, high_id):
        assert service.finish(job_id).state == JobState.JOB_STATE_SUCCEEDED
    assert service.get(high_id).end_time.ToNanoseconds() < service.get(low_id).start_time.ToNanoseconds()
    assert service.get(gone_id).state == JobState.JOB_STATE_CANCELLED
    assert len(rendered(ledger)) == 3


def test_planning_does_not_wait_for_a_render(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    job = service.create(make_spec(last=1001, seconds=60, stubborn=True))
    service.wait_state(job.id, JobState.JOB_STATE_RUNNING)
    request = pb.PlanJobRequest(spec=make_spec(name="other"))
    assert service.jobs.PlanJob(request, timeout=30).plan.feasible
    cancel(service, job.id)


def test_several_workers_share_a_job(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    service = start("--workers", "2")
    job = service.finish(service.create(make_spec(last=1008, seconds=0.2)).id)
    assert job.state == JobState.JOB_STATE_SUCCEEDED
    workers = {line.split()[3] for line in ledger.read_text().splitlines()}
    assert len(workers) == 2
    assert sorted(rendered(ledger)) == list(range(FIRST, 1009))


def test_a_full_disk_fails_the_job_and_retry_finishes_it(
    service: Service, make_spec: Callable[..., JobSpec], tmp_path: Path, ledger: Path
) -> None:
    full = tmp_path / "full"
    job = service.create(make_spec(full_while=str(full), seconds=0.1))
    wait_for(lambda: len(rendered(ledger)) >= 1)
    full.touch()
    failed = service.finish(job.id)
    assert failed.state == JobState.JOB_STATE_FAILED
    assert failed.error.code == "DISK_FULL"
    assert failed.error.next_step == "Free some space."
    assert [step.state for step in failed.steps].count(StepState.STEP_STATE_FAILED) == 1
    assert FrameState.FRAME_STATE_FAILED in {frame.state for frame in failed.frames}
    full.unlink()
    before = rendered(ledger)
    retry(service, job.id)
    done = service.finish(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert not done.HasField("error")
    assert rendered(ledger) == list(range(FIRST, 1005))
    assert len(before) < 4


def test_an_engine_that_raises_fails_its_job_only(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    failed = service.finish(service.create(make_spec(raise_frame=1002, name="bad")).id)
    assert failed.state == JobState.JOB_STATE_FAILED
    assert failed.error.code == "STEP_FAILED"
    assert "a bug in the engine" in failed.error.message
    good = service.finish(service.create(make_spec(name="good")).id)
    assert good.state == JobState.JOB_STATE_SUCCEEDED


def test_a_changed_plate_fails_the_job_and_retry_renders_that_frame_again(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    failed = service.finish(service.create(make_spec(tamper_frame=1002)).id)
    assert failed.state == JobState.JOB_STATE_FAILED
    assert failed.error.code == "PLATE_CHANGED"
    assert failed.error.frame == 1002
    assert failed.verification.differing > 0
    assert failed.verification.first_difference
    states = {frame.frame: frame.state for frame in failed.frames}
    assert states[1002] == FrameState.FRAME_STATE_FAILED
    assert states[1003] == FrameState.FRAME_STATE_VERIFIED
    retry(service, failed.id)
    done = service.finish(failed.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert done.verification.differing == 0
    assert rendered(ledger) == [1001, 1002, 1003, 1004, 1002]


def test_retry_renders_frames_again_whose_files_are_gone(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    spec = make_spec(last=1006, seconds=0.2)
    job = service.create(spec)
    wait_for(lambda: len(rendered(ledger)) >= 3)
    cancel(service, job.id)
    Path(spec.output.path % 1002).unlink()
    retry(service, job.id)
    done = service.finish(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert done.verification.frames == 6
    assert sorted(rendered(ledger)) == sorted([*range(FIRST, 1007), 1002])


def test_a_result_is_verified_on_request(service: Service, make_spec: Callable[..., JobSpec], tmp_path: Path) -> None:
    relative = pb.VerifyOutputRequest(path="out.%04d.exr")
    assert status_of(lambda: list(service.jobs.VerifyOutput(relative, timeout=30))) == grpc.StatusCode.INVALID_ARGUMENT
    missing = pb.VerifyOutputRequest(path=str(tmp_path / "nothing.%04d.exr"))
    assert status_of(lambda: list(service.jobs.VerifyOutput(missing, timeout=30))) == grpc.StatusCode.NOT_FOUND
    spec = make_spec()
    service.finish(service.create(spec).id)
    foreign = pb.VerifyOutputRequest(path=spec.plate.path, plate_path=spec.plate.path)
    assert status_of(lambda: list(service.jobs.VerifyOutput(foreign, timeout=30))) == grpc.StatusCode.INVALID_ARGUMENT
