"""Checks of what can be done to a job: cancel, retry, pause, resume, move, and jobs that wait for jobs."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import partial
from typing import Any

import grpc

from overscan.service.conformance._check import NonconformityError, check, expect
from overscan.service.conformance._refusals import expect_refusal
from overscan.service.conformance._target import Target
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import Job, JobState

_CANCEL_SECONDS = 2.0
_SLACK_SECONDS = 2.0
"""For a machine that has other things to do."""
_WAIT_SECONDS = 60.0
_NOBODY = "ffffffffffffffffffffffffffffffff"
_GOING = {JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_RUNNING, JobState.JOB_STATE_VERIFYING}


def _await(target: Target, job_id: str, states: Collection[JobState.ValueType]) -> Job:
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        job = target.get(job_id)
        if job.state in states:
            return job
        if time.monotonic() > end:
            raise NonconformityError(f"the job stays {JobState.Name(job.state)} for {_WAIT_SECONDS:g} s.")
        time.sleep(0.05)


def _cancel(target: Target, job_id: str) -> Job:
    job: Job = target.ask(target.jobs.CancelJob, pb.CancelJobRequest(job_id=job_id)).job
    return job


def _pause(target: Target, job_id: str) -> Job:
    job: Job = target.ask(target.jobs.PauseJob, pb.PauseJobRequest(job_id=job_id)).job
    return job


def _resume(target: Target, job_id: str) -> Job:
    job: Job = target.ask(target.jobs.ResumeJob, pb.ResumeJobRequest(job_id=job_id)).job
    return job


def _named(state: JobState.ValueType) -> str:
    return JobState.Name(state)


@check("states.cancel")
def cancel(target: Target) -> None:
    """Cancelling takes effect within 2 s, ends the watchers' streams, and may be asked for again."""
    with target.long_job() as job:
        _await(target, job.id, {JobState.JOB_STATE_RUNNING, JobState.JOB_STATE_QUEUED})
        started = time.monotonic()
        found = _cancel(target, job.id)
        seconds = time.monotonic() - started
        expect(found.state == JobState.JOB_STATE_CANCELLED, f"the job is {_named(found.state)}.")
        expect(seconds < _CANCEL_SECONDS + _SLACK_SECONDS, f"it took {seconds:.1f} s.")
        last = list(target.watch(job.id, seconds=10.0))[-1]
        expect(last.state_changed.state == JobState.JOB_STATE_CANCELLED, "the last event is no cancellation.")
        expect(_cancel(target, job.id).state == JobState.JOB_STATE_CANCELLED, "the second time it is something else.")


@check("states.cancel_ended")
def cancel_ended(target: Target) -> None:
    """A job that has succeeded stays so, whoever cancels or retries it."""
    job, _, _ = target.finished
    for method, request in (
        (target.jobs.CancelJob, pb.CancelJobRequest(job_id=job.id)),
        (target.jobs.RetryJob, pb.RetryJobRequest(job_id=job.id)),
    ):
        try:
            found = target.ask(method, request).job
            expect(found.state == JobState.JOB_STATE_SUCCEEDED, f"the job is {_named(found.state)}.")
        except grpc.RpcError as error:
            call: Any = error
            wanted = call.code() == grpc.StatusCode.FAILED_PRECONDITION
            expect(wanted, f"the refusal is {call.code().name}.")
    expect(target.get(job.id).state == JobState.JOB_STATE_SUCCEEDED, "the job has not stayed so.")


@check("states.retry")
def retry(target: Target) -> None:
    """A cancelled job that is retried goes on to its end, and its watchers see both."""
    spec = target.spec()
    job = target.create(spec)
    state = _cancel(target, job.id).state
    expect(state == JobState.JOB_STATE_CANCELLED, f"the job is {_named(state)}.")
    again = target.ask(target.jobs.RetryJob, pb.RetryJobRequest(job_id=job.id)).job
    expect(again.id == job.id, "it has become another job.")
    expect(again.state in _GOING, f"it is {_named(again.state)}.")
    events = list(target.watch(job.id))
    found = target.get(job.id)
    expect(found.state == JobState.JOB_STATE_SUCCEEDED, f"it is {_named(found.state)}: {found.error.message}")
    seen = [event.state_changed.state for event in events if event.HasField("state_changed")]
    expect(JobState.JOB_STATE_CANCELLED in seen, "the cancellation is not among its events.")
    expect(seen[-1] == JobState.JOB_STATE_SUCCEEDED, "its end is not the last event.")


@check("states.pause")
def pause(target: Target) -> None:
    """A paused job stays paused, nothing of it runs, and resumed it goes on."""
    with target.long_job() as job:
        found = _pause(target, job.id)
        expect(found.state == JobState.JOB_STATE_PAUSED, f"the job is {_named(found.state)}.")
        expect(_pause(target, job.id).state == JobState.JOB_STATE_PAUSED, "paused again, it is not.")
        before = target.get(job.id)
        time.sleep(1.5)
        after = target.get(job.id)
        expect(after.state == JobState.JOB_STATE_PAUSED, f"later the job is {_named(after.state)}.")
        expect(before.frames == after.frames and before.steps == after.steps, "it went on while it was paused.")
        request = pb.ListJobsRequest(states=[JobState.JOB_STATE_PAUSED])
        request.labels.show = target.show
        listed = [one.id for one in target.ask(target.jobs.ListJobs, request).jobs]
        expect(job.id in listed, "it is not among the paused ones.")
        found = _resume(target, job.id)
        expect(found.state in _GOING, f"resumed, it is {_named(found.state)}.")
        expect(_resume(target, job.id).state in _GOING, "resumed again, it is not going on.")


@check("states.pause_then_cancel")
def pause_then_cancel(target: Target) -> None:
    """A paused job can be cancelled, and its watchers see each state once, in order."""
    with target.long_job() as job:
        _pause(target, job.id)
        _resume(target, job.id)
        _pause(target, job.id)
        found = _cancel(target, job.id)
        expect(found.state == JobState.JOB_STATE_CANCELLED, f"the job is {_named(found.state)}.")
        seen = [event.state_changed.state for event in target.watch(job.id) if event.HasField("state_changed")]
        notable = [state for state in seen if state != JobState.JOB_STATE_RUNNING]
        wanted = [
            JobState.JOB_STATE_QUEUED,
            JobState.JOB_STATE_PAUSED,
            JobState.JOB_STATE_QUEUED,
            JobState.JOB_STATE_PAUSED,
            JobState.JOB_STATE_CANCELLED,
        ]
        expect(notable == wanted, f"they saw {', '.join(_named(state) for state in seen)}.")


@check("states.pause_ended")
def pause_ended(target: Target) -> None:
    """A job that has ended is not paused, resumed or moved: that is refused in words."""
    job, _, _ = target.finished
    for method, request in (
        (target.jobs.PauseJob, pb.PauseJobRequest(job_id=job.id)),
        (target.jobs.ResumeJob, pb.ResumeJobRequest(job_id=job.id)),
        (target.jobs.MoveJob, pb.MoveJobRequest(job_id=job.id, first=True)),
    ):
        expect_refusal(
            partial(target.ask, method, request),
            status=grpc.StatusCode.FAILED_PRECONDITION,
            reason="JOB_ENDED",
        )


@check("states.move")
def move(target: Target) -> None:
    """A job's priority and its place can be changed while it waits; a place beside nobody is refused."""
    with target.long_job() as job, target.long_job() as other:
        for one in (job, other):
            _pause(target, one.id)
        found = target.ask(target.jobs.MoveJob, pb.MoveJobRequest(job_id=job.id, priority=7)).job
        expect(found.spec.priority == 7, f"its priority is {found.spec.priority}.")
        expect(target.get(job.id).spec.priority == 7, "its priority is forgotten.")
        for request in (
            pb.MoveJobRequest(job_id=job.id, first=True),
            pb.MoveJobRequest(job_id=job.id, last=True),
            pb.MoveJobRequest(job_id=job.id, priority=0, before_job_id=other.id),
        ):
            found = target.ask(target.jobs.MoveJob, request).job
            expect(found.id == job.id, "another job was moved.")
            expect(found.state == JobState.JOB_STATE_PAUSED, f"moved, it is {_named(found.state)}.")
        expect(found.spec.priority == 0, f"its priority is {found.spec.priority}.")
        request = pb.MoveJobRequest(job_id=job.id, before_job_id=_NOBODY)
        expect_refusal(
            lambda: target.ask(target.jobs.MoveJob, request), status=grpc.StatusCode.NOT_FOUND, reason="UNKNOWN_JOB"
        )


@check("states.move_keeps_request")
def move_keeps_request(target: Target) -> None:
    """A job that was moved is still the one of its request: sent again, it makes no other."""
    spec = target.spec(frames=60)
    job = target.create(spec)
    try:
        _pause(target, job.id)
        target.ask(target.jobs.MoveJob, pb.MoveJobRequest(job_id=job.id, priority=3))
        expect(target.create(spec, request_id=job.request_id).id == job.id, "it makes another job.")
    finally:
        _cancel(target, job.id)


@check("states.depends")
def depends(target: Target) -> None:
    """A job waits for the one it depends on, and runs when that has succeeded."""
    first = target.create(target.spec())
    spec = target.spec()
    spec.depends_on.append(first.id)
    second = target.create(spec)
    expect(list(second.spec.depends_on) == [first.id], "it has forgotten what it depends on.")
    seen = [event for event in target.watch(second.id) if event.HasField("state_changed")]
    found = target.get(second.id)
    expect(found.state == JobState.JOB_STATE_SUCCEEDED, f"it is {_named(found.state)}: {found.error.message}")
    before = target.get(first.id)
    expect(before.state == JobState.JOB_STATE_SUCCEEDED, "it did not wait for the other.")
    expect(before.end_time.ToNanoseconds() <= found.start_time.ToNanoseconds(), "it began before the other had ended.")
    expect(seen[-1].state_changed.state == JobState.JOB_STATE_SUCCEEDED, "its end is not the last event.")


@check("states.depends_in_vain")
def depends_in_vain(target: Target) -> None:
    """A job whose dependency is cancelled fails and says why; one of no job is refused."""
    with target.long_job() as first:
        spec = target.spec()
        spec.depends_on.append(first.id)
        second = target.create(spec)
        expect(second.state == JobState.JOB_STATE_WAITING, f"the job is {_named(second.state)}.")
        _cancel(target, first.id)
        found = _await(target, second.id, {JobState.JOB_STATE_FAILED})
        expect(found.error.code == "DEPENDENCY_FAILED", f"its error is {found.error.code}.")
        expect(first.id in found.error.message, "its error does not name the other job.")
    spec = target.spec()
    spec.depends_on.append(_NOBODY)
    expect_refusal(
        lambda: target.create(spec), status=grpc.StatusCode.NOT_FOUND, reason="UNKNOWN_JOB", field="depends_on"
    )
