"""Kills: of workers, of the service, and what must be left afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import FIRST, Service, rendered, wait_for

from overscan.service._settings import Settings
from overscan.service.workers import messages, worker
from overscan.service.workers.locks import FileLock
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import FrameState, JobSpec, JobState


def test_a_killed_worker_costs_the_step_in_flight_only(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    job = service.create(make_spec(last=1006, seconds=0.25))
    wait_for(lambda: len(rendered(ledger)) >= 2)
    service.renderer().send_signal(signal.SIGKILL)
    done = service.finish(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert sorted(set(rendered(ledger))) == list(range(FIRST, 1007))
    assert len(rendered(ledger)) <= 7
    # The signal may fall between two steps, which then costs none.
    assert sum(step.attempts for step in done.steps) <= len(done.steps) + 1
    workers = {line.split()[3] for line in ledger.read_text().splitlines()}
    assert len(workers) == 2


def test_a_killed_inspector_is_replaced(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    request = pb.PlanJobRequest(spec=make_spec())
    assert service.jobs.PlanJob(request, timeout=30).plan.feasible
    (inspector,) = service.workers()
    inspector.kill()
    assert service.jobs.PlanJob(request, timeout=30).plan.feasible


def test_a_step_that_crashes_twice_is_tried_a_third_time(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    done = service.finish(service.create(make_spec(crash_frame=1002, crash_times=2)).id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert {step.step_id: step.attempts for step in done.steps}["render-1"] == 3


def test_a_step_that_always_crashes_fails_with_all_that_is_known(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    failed = service.finish(service.create(make_spec(crash_frame=1003, chunk=4)).id)
    assert failed.state == JobState.JOB_STATE_FAILED
    error = failed.error
    assert error.code == "WORKER_LOST"
    assert "SIGSEGV" in error.message
    assert "render-0" in error.message
    assert "1001-1004" in error.message
    assert error.frame == 1003
    log = Path(error.path)
    assert log.parent == service.home / "jobs" / failed.id / "logs"
    assert str(log) in error.next_step
    assert "Segmentation fault" in log.read_text()
    assert "SIGSEGV" in error.actual.splitlines()[0]
    assert "Segmentation fault" in error.actual
    assert {step.step_id: step.attempts for step in failed.steps}["render-0"] == 3
    states = {frame.frame: frame.state for frame in failed.frames}
    assert states[1002] == FrameState.FRAME_STATE_FINISHED
    assert states[1003] == FrameState.FRAME_STATE_FAILED
    other = service.finish(service.create(make_spec(name="other")).id)
    assert other.state == JobState.JOB_STATE_SUCCEEDED


def test_an_engine_that_calls_exit_has_failed_and_its_worker_goes_on(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    failed = service.finish(service.create(make_spec(exit_frame=1002)).id)
    assert failed.state == JobState.JOB_STATE_FAILED
    assert failed.error.code == "STEP_FAILED"
    assert "SystemExit: 1" in failed.error.message
    assert {step.step_id: step.attempts for step in failed.steps}["render-1"] == 1
    worker = service.renderer()
    assert service.finish(service.create(make_spec(name="other")).id).state == JobState.JOB_STATE_SUCCEEDED
    assert service.renderer() == worker


def test_a_worker_that_does_not_start_is_waited_for_and_no_step_is_to_blame(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], engine_path: str, tmp_path: Path
) -> None:
    """As while Overscan is being updated under a service that runs."""
    broken = tmp_path / "broken"
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"if any(a.startswith('render') for a in sys.orig_argv) and os.path.exists({str(broken)!r}):\n"
        "    os.write(2, b'ImportError: half of it is there'); os._exit(1)\n"
    )
    broken.touch()
    service = start(PYTHONPATH=os.pathsep.join((str(site), engine_path)), OVERSCAN_RETRY_SECONDS="60")
    job = service.create(make_spec())
    held_by: list[str] = []
    wait_for(lambda: held_by.append(service.get(job.id).held_by) or "before it had begun" in held_by[-1])
    assert "overscan doctor" in held_by[-1]
    wait_for(lambda: service.get(job.id).steps[0].attempts >= 2)
    broken.unlink()
    done = service.finish(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert all(step.attempts == 1 for step in done.steps[1:])


@pytest.mark.slow
def test_a_worker_waits_for_one_that_was_killed_and_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    settings.make_folders()
    old = FileLock(path=settings.run / "worker-late.lock")
    assert old.acquire(text="12345")
    monkeypatch.setattr(worker, "free_lock", lambda **_: old.path)
    late = worker.Worker(name="late", settings=settings)
    goes = threading.Timer(7.0, old.release)  # the first process gives up after 5 s
    goes.start()
    try:
        *_, ending = late.ask(body=messages.ListEngines(), stop=worker.Stop(), stop_seconds_max=1.0)
        assert isinstance(ending, messages.Finished)
        assert (late.status().starts, late.status().deaths) == (2, 0)
    finally:
        late.close()
        goes.cancel()


def test_a_killed_service_goes_on_where_it_was(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    service = start()
    job = service.create(make_spec(last=1008, seconds=0.2))
    waiting = service.create(make_spec(last=1002, name="waiting", ledger=""))
    wait_for(lambda: len(rendered(ledger)) >= 3)
    seen = 0
    for answer in service.watch(job.id):
        seen = answer.event.number
        if answer.event.HasField("frame_finished") and answer.event.frame_finished.frame >= 1003:
            break
    service.stop(signal.SIGKILL)
    before = rendered(ledger)

    again = start(home=service.home)
    events = [answer.event for answer in again.watch(job.id, after=seen)]
    assert all(event.number > seen for event in events)
    numbers = [event.number for event in events]
    assert numbers == sorted(set(numbers))
    done = again.get(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert done.verification.frames == 8
    after = rendered(ledger)
    assert sorted(set(after)) == list(range(FIRST, 1009))
    # The frame in flight, and one that was written but not yet recorded, may be done twice; no other.
    assert len(after) <= 9
    assert after[: len(before)] == before
    assert again.finish(waiting.id).state == JobState.JOB_STATE_SUCCEEDED
    assert {frame.state for frame in done.frames} == {FrameState.FRAME_STATE_VERIFIED}


def test_a_job_cancelled_while_the_service_dies_stays_cancelled(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start(OVERSCAN_STOP_SECONDS_MAX="30")
    job = service.create(make_spec(last=1002, seconds=60, stubborn=True))
    service.wait_step(job.id, "render-0")
    call = service.jobs.CancelJob.future(pb.CancelJobRequest(job_id=job.id), timeout=30)
    assert call.result().job.state == JobState.JOB_STATE_RUNNING
    service.stop(signal.SIGKILL)
    again = start(home=service.home)
    assert again.get(job.id).state == JobState.JOB_STATE_CANCELLED
