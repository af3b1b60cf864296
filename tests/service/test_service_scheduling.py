"""Pause, resume, move, dependencies and limits, by a real service."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from serving import FIRST, Service, rendered, wait_for

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import FrameState, Job, JobSpec, JobState

QUEUED, RUNNING, SUCCEEDED = JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_RUNNING, JobState.JOB_STATE_SUCCEEDED
FAILED, CANCELLED = JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED
PAUSED, WAITING = JobState.JOB_STATE_PAUSED, JobState.JOB_STATE_WAITING

Make = Callable[..., JobSpec]


def pause(service: Service, job_id: str) -> Job:
    return service.jobs.PauseJob(pb.PauseJobRequest(job_id=job_id), timeout=30).job


def resume(service: Service, job_id: str) -> Job:
    return service.jobs.ResumeJob(pb.ResumeJobRequest(job_id=job_id), timeout=30).job


def move(service: Service, job_id: str, **where: object) -> Job:
    return service.jobs.MoveJob(pb.MoveJobRequest(job_id=job_id, **where), timeout=30).job  # type: ignore[arg-type]


def cancel(service: Service, job_id: str) -> Job:
    return service.jobs.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=30).job


def retry(service: Service, job_id: str) -> Job:
    return service.jobs.RetryJob(pb.RetryJobRequest(job_id=job_id), timeout=30).job


def refused(call: Callable[[], object]) -> str:
    """What a call that must be refused says."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() in (
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
    )
    return str(caught.value.details())


def states(service: Service, job_id: str) -> list[int]:
    """The states that a job which has ended went through."""
    events = (answer.event for answer in service.watch(job_id))
    return [event.state_changed.state for event in events if event.HasField("state_changed")]


def test_a_paused_job_keeps_its_frames_frees_its_worker_and_goes_on(
    service: Service, make_spec: Make, ledger: Path
) -> None:
    job = service.create(make_spec(last=1006, seconds=0.3))
    wait_for(lambda: len(rendered(ledger)) >= 2)
    worker = service.renderer()
    begun = time.monotonic()
    paused = pause(service, job.id)
    assert time.monotonic() - begun < 3.0
    assert paused.state == PAUSED
    kept = [frame.frame for frame in paused.frames if frame.state == FrameState.FRAME_STATE_FINISHED]
    assert kept == rendered(ledger)
    assert pause(service, job.id).state == PAUSED
    wait_for(lambda: not worker.is_running() or worker.status() == "zombie")  # and with it all that it had loaded
    other = service.create(make_spec(last=1001, name="other", ledger=""))
    assert service.finish(other.id).state == SUCCEEDED
    assert rendered(ledger) == kept
    assert resume(service, job.id).state in (QUEUED, RUNNING)
    resume(service, job.id)
    assert service.finish(job.id).state == SUCCEEDED
    assert rendered(ledger) == list(range(FIRST, 1007))
    said = states(service, job.id)
    assert said[:4] == [QUEUED, RUNNING, PAUSED, QUEUED]
    assert "has ended" in refused(lambda: pause(service, job.id))
    assert "has ended" in refused(lambda: resume(service, job.id))
    assert "has ended" in refused(lambda: move(service, job.id, first=True))


def test_what_waits_and_what_is_paused_outlives_the_service(
    start: Callable[..., Service], make_spec: Make, ledger: Path
) -> None:
    service = start()
    running = service.create(make_spec(last=1004, seconds=0.3, name="running"))
    service.wait_step(running.id, "render-0")
    last, first, paused = (service.create(make_spec(last=1001, name=name)) for name in ("last", "first", "paused"))
    waiting = make_spec(last=1001, name="waiting")
    waiting.depends_on.append(last.id)
    waiting_id = service.create(waiting).id
    assert pause(service, paused.id).state == PAUSED
    assert pause(service, running.id).state == PAUSED
    pause(service, last.id)
    move(service, first.id, priority=3)
    move(service, last.id, before_job_id=paused.id)
    service.stop(signal.SIGKILL)
    again = start(home=service.home)
    assert again.finish(first.id).state == SUCCEEDED
    assert again.get(first.id).spec.priority == 3
    assert [again.get(job.id).state for job in (running, last, paused)] == [PAUSED] * 3
    held = again.get(waiting_id)
    assert (held.state, last.id in held.held_by) == (WAITING, True)
    for job in (running, paused, last):
        resume(again, job.id)
    for job_id in (running.id, last.id, paused.id, waiting_id):
        assert again.finish(job_id).state == SUCCEEDED
    started = {job.id: again.get(job.id).start_time.ToNanoseconds() for job in (last, paused)}
    assert started[last.id] < started[paused.id]


def test_a_job_paused_while_the_service_dies_stays_paused(start: Callable[..., Service], make_spec: Make) -> None:
    service = start(OVERSCAN_STOP_SECONDS_MAX="30")
    job = service.create(make_spec(last=1002, seconds=60, stubborn=True))
    service.wait_step(job.id, "render-0")
    call = service.jobs.PauseJob.future(pb.PauseJobRequest(job_id=job.id), timeout=30)
    wait_for(lambda: marked_as_paused(service, job.id))
    assert service.get(job.id).state == RUNNING  # it does not stop
    assert not call.done()
    service.stop(signal.SIGKILL)
    again = start(home=service.home)
    assert again.get(job.id).state == PAUSED
    assert cancel(again, job.id).state == CANCELLED


def marked_as_paused(service: Service, job_id: str) -> bool:
    with closing(sqlite3.connect(service.home / "jobs.sqlite")) as store:
        return bool(store.execute("select paused from jobs where id = ?", (job_id,)).fetchone()[0])


def test_a_job_moves_among_its_artists_own(service: Service, make_spec: Make, ledger: Path) -> None:
    blocking = service.create(make_spec(last=1003, seconds=1, name="blocking", ledger=""))
    service.wait_step(blocking.id, "render-0")
    jobs = {name: service.create(make_spec(last=1001, name=name)).id for name in "abcd"}
    foreign = make_spec(last=1001, name="foreign")
    foreign.labels.artist = "eve"
    foreign_id = service.create(foreign).id
    move(service, jobs["d"], first=True)
    move(service, jobs["a"], last=True)
    move(service, jobs["c"], before_job_id=jobs["b"])
    assert "no unfinished job" in refused(lambda: move(service, jobs["a"], before_job_id=foreign_id))
    assert "only be true" in refused(lambda: move(service, jobs["a"], first=False))
    for job_id in (*jobs.values(), foreign_id):
        assert service.finish(job_id).state == SUCCEEDED
    ended = sorted(jobs, key=lambda name: service.get(jobs[name]).end_time.ToNanoseconds())
    assert ended == list("dcba")


def test_another_artists_preview_goes_between_the_steps_of_a_long_job(
    start: Callable[..., Service], make_spec: Make, ledger: Path
) -> None:
    service = start("--workers", "2")
    long = make_spec(last=1012, seconds=0.5, name="long")
    long.labels.artist = "ada"
    long_id = service.create(long).id
    wait_for(lambda: len(rendered(ledger)) >= 2)
    preview = make_spec(last=1001, name="preview", ledger="")
    preview.labels.artist = "bob"
    done = service.finish(service.create(preview).id)
    assert done.state == SUCCEEDED
    assert service.get(long_id).state == RUNNING
    cancel(service, long_id)


def test_a_job_is_planned_when_what_it_depends_on_is_done(
    service: Service, make_spec: Make, tmp_path: Path, ledger: Path
) -> None:
    first = make_spec(last=1004, seconds=0.2, name="first")
    first_id = service.create(first).id
    second = make_spec(last=1004, name="second", ledger="")
    second.plate.path = first.output.path  # which is not there yet
    second.depends_on.append(first_id)
    planned = service.jobs.PlanJob(pb.PlanJobRequest(spec=second), timeout=30).plan
    assert planned.feasible
    assert not planned.steps
    assert [notice.code for notice in planned.warnings] == ["PLANNED_LATER"]
    job = service.create(second, "once")
    assert (job.state, job.HasField("plan"), len(job.steps)) == (WAITING, False, 0)
    assert first_id in job.held_by
    assert service.create(second, "once").id == job.id
    done = service.finish(job.id)
    assert done.state == SUCCEEDED
    assert [step.step_id for step in done.steps] == ["prepare", *(f"render-{number}" for number in range(4))]
    assert done.plan.decision.allowed
    assert done.verification.frames == 4
    assert service.get(first_id).end_time.ToNanoseconds() < done.start_time.ToNanoseconds()
    assert states(service, job.id)[:2] == [WAITING, QUEUED]
    again = make_spec(last=1004, name="third", ledger="")
    again.depends_on.append(first_id)
    assert service.create(again).state in (QUEUED, RUNNING)  # nothing to wait for
    assert service.create(second, "once").id == job.id
    for folder in (tmp_path / "home" / "jobs").iterdir():
        assert folder.name != job.id


def test_what_can_never_run_is_refused_before_it_waits(service: Service, make_spec: Make) -> None:
    first_id = service.create(make_spec(last=1004, seconds=30)).id
    spec = make_spec(name="second")
    spec.depends_on.append(first_id)
    spec.controls.parameters["mode"].string_value = "none of them"
    assert "none of them" in refused(lambda: service.create(spec))
    spec.controls.parameters["mode"].string_value = "good"
    spec.depends_on.append("0" * 32)
    assert "no job" in refused(lambda: service.create(spec))
    del spec.depends_on[:]
    cancel(service, first_id)
    spec.depends_on.append(first_id)
    assert f"{first_id}, which this one depends on, was cancelled" in refused(lambda: service.create(spec))


def test_a_failed_dependency_fails_all_that_need_it_and_retries_work_in_any_order(
    service: Service, make_spec: Make, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.touch()
    ids: list[str] = []
    for name in ("one", "two", "three"):
        spec = make_spec(last=1002, name=name, ledger="", full_while=str(full) if name == "one" else "")
        spec.depends_on.extend(ids[-1:])
        ids.append(service.create(spec).id)
    cancel(service, ids[0])
    failed = [service.finish(job_id) for job_id in ids[1:]]
    assert [job.state for job in failed] == [FAILED, FAILED]
    assert [job.error.code for job in failed] == ["DEPENDENCY_FAILED"] * 2
    assert [job.error.actual for job in failed] == ids[:2]
    assert [job.error.field for job in failed] == ["depends_on"] * 2
    full.unlink()
    assert retry(service, ids[2]).state == WAITING
    held = service.get(ids[2])
    assert ids[1] in held.held_by
    assert "retry" in held.held_by
    assert retry(service, ids[1]).state == WAITING
    retry(service, ids[0])
    assert [service.finish(job_id).state for job_id in ids] == [SUCCEEDED] * 3


def test_late_planning_keeps_its_promises(service: Service, make_spec: Make, tmp_path: Path) -> None:
    first_id = service.create(make_spec(last=1002, seconds=0.5, name="first", ledger="")).id
    missing, clash = make_spec(name="missing"), make_spec(name="clash")
    missing.plate.path = str(tmp_path / "nobody.%04d.exr")
    for spec in (missing, clash):
        spec.depends_on.append(first_id)
    waiting = [service.create(spec).id for spec in (missing, clash)]
    blocking = service.create(make_spec(name="clash", seconds=30, ledger=""))
    service.finish(first_id)
    ended = [service.finish(job_id) for job_id in waiting]
    assert [job.state for job in ended] == [FAILED, FAILED]
    assert [job.error.code for job in ended] == ["MISSING_FRAMES", "OUTPUT_IN_USE"]
    assert ended[1].error.actual == blocking.id
    cancel(service, blocking.id)
    assert retry(service, waiting[1]).state == WAITING
    assert service.finish(waiting[1]).state == SUCCEEDED


def test_late_planning_that_takes_too_long_fails_one_job_and_no_other(
    start: Callable[..., Service], make_spec: Make
) -> None:
    service = start(OVERSCAN_PLAN_SECONDS_MAX="2")
    first = service.create(make_spec(last=1001, name="first", seconds=1.0))
    late = []
    for name, mode in (("slow", "sleep"), ("good", "good")):
        spec = make_spec(last=1001, name=name, mode=mode)
        spec.depends_on.append(first.id)
        late.append(service.create(spec).id)
    slow, good = (service.finish(job_id) for job_id in late)
    assert slow.error.code == "PLAN_TIMEOUT"
    assert good.state == SUCCEEDED


def test_waiting_jobs_are_paused_and_cancelled(service: Service, make_spec: Make) -> None:
    first_id = service.create(make_spec(last=1002, seconds=0.5, name="first", ledger="")).id
    ids = []
    for name in ("paused", "cancelled"):
        spec = make_spec(last=1001, name=name)
        spec.depends_on.append(first_id)
        ids.append(service.create(spec).id)
    assert pause(service, ids[0]).state == PAUSED
    assert cancel(service, ids[1]).state == CANCELLED
    service.finish(first_id)
    time.sleep(0.3)
    assert [service.get(job_id).state for job_id in ids] == [PAUSED, CANCELLED]
    assert resume(service, ids[0]).state in (WAITING, QUEUED)
    assert service.finish(ids[0]).state == SUCCEEDED
    assert cancel(service, pause_new(service, make_spec)).state == CANCELLED


def pause_new(service: Service, make_spec: Make) -> str:
    job = service.create(make_spec(last=1001, name="new", seconds=30))
    return pause(service, job.id).id


def test_limits_hold_jobs_back_and_say_so(start: Callable[..., Service], make_spec: Make, ledger: Path) -> None:
    service = start("--workers", "2", OVERSCAN_RUNNING_JOBS_MAX="2", OVERSCAN_MEMORY_BYTES_MAX=str(1 << 19))
    jobs = [service.create(make_spec(last=1002, seconds=0.3, name=name, ledger="")).id for name in "abc"]
    wait_for(lambda: any(service.get(job_id).state == RUNNING for job_id in jobs))
    held = [service.get(job_id).held_by for job_id in jobs[1:]]
    assert all("runs alone" in reason for reason in held)  # each needs twice the limit
    running = 0
    while any(service.get(job_id).state not in (SUCCEEDED, FAILED) for job_id in jobs):
        found = [service.get(job_id) for job_id in jobs]
        running = max(running, sum(step.state == 2 for job in found for step in job.steps))
        time.sleep(0.05)
    assert running <= 1
    ended = [service.finish(job_id) for job_id in jobs]
    assert [job.state for job in ended] == [SUCCEEDED] * 3
    assert all("MEMORY_LIMIT" in {warning.code for warning in job.warnings} for job in ended)
    times = sorted((job.start_time.ToNanoseconds(), job.end_time.ToNanoseconds()) for job in ended)
    assert times[2][0] >= min(end for _, end in times[:2])
