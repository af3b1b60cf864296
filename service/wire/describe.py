"""Stored jobs as the wire's `Job`."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row

from overscan.service.scheduling.dependencies import waits_for
from overscan.service.scheduling.scheduler import Scheduler
from overscan.service.store.queue_rows import frame_states, needs_of, step_states
from overscan.service.store.store import Store
from overscan.v1 import job_pb2, plan_pb2

_FRAMES_WITH_PATHS_MAX = 10_000
"""Of a job with more frames, their paths are left out: a message must not be larger than a client takes."""


def describe_job(*, row: Row[Any], store: Store, scheduler: Scheduler, whole: bool) -> job_pb2.Job:
    """The job of a store row; without steps, frames and warnings unless `whole`."""
    job = job_pb2.Job(
        id=row.id,
        spec=job_pb2.JobSpec.FromString(row.spec),
        state=row.state,
        progress=row.progress,
        create_time=_time(row.created_us),
        start_time=_time(row.started_us),
        end_time=_time(row.ended_us),
        request_id=row.request_id,
        user=row.user,
    )
    job.spec.priority = row.priority  # which may have been changed since
    if row.plan:  # a job that waits for others has none yet
        job.plan.ParseFromString(store.plan(job_id=row.id) if whole else row.plan)
    if row.error is not None:
        job.error.ParseFromString(row.error)
    if row.verification is not None:
        job.verification.ParseFromString(row.verification)
    standing = scheduler.standing(job_id=row.id)
    if standing is not None:
        job.held_by = standing.held_by
        if standing.progress is not None:
            job.progress = standing.progress
    elif row.state == job_pb2.JobState.JOB_STATE_WAITING:
        job.held_by = waits_for(needs_of(store, job_id=row.id))
    if not whole:
        return job
    fractions = {} if standing is None else standing.fractions
    done = job_pb2.StepState.STEP_STATE_DONE
    add_step, add_frame = job.steps.add, job.frames.add
    for step_id, state, attempts in step_states(store, job_id=row.id):
        progress = 1.0 if state == done else fractions.get(step_id, 0.0)
        add_step(step_id=step_id, state=state, progress=progress, attempts=attempts)
    if _count(job.plan) > _FRAMES_WITH_PATHS_MAX:
        for frame, state in frame_states(store, job_id=row.id):
            add_frame(frame=frame, state=state)
    else:
        for found in store.frames(job_id=row.id):
            add_frame(frame=found.frame, state=found.state, path=found.path)
    for warning in store.warnings(job_id=row.id):
        number = int(warning.frame) if warning.frame else None
        job.warnings.add(code=warning.code, message=warning.message, frame=number)
    return job


def _count(plan: plan_pb2.Plan) -> int:
    return sum((part.last - part.first) // max(part.step, 1) + 1 for part in plan.frames.ranges)


def _time(microseconds: int | None) -> Timestamp | None:
    if microseconds is None:
        return None
    time = Timestamp()
    time.FromMicroseconds(microseconds)
    return time
