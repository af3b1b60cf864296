"""Stored jobs as the wire's `Job`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row

from overscan.service.scheduling.dependencies import waits_for
from overscan.service.scheduling.scheduler import Scheduler
from overscan.service.store.queue_rows import needs_of
from overscan.service.store.store import Store
from overscan.service.store.whole_job import WholeJob
from overscan.v1 import job_pb2


def describe_job(*, row: Row[Any], store: Store, scheduler: Scheduler) -> job_pb2.Job:
    """The job of a store row, without steps, frames, warnings and preview."""
    job, _ = _described(row, store, scheduler)
    if row.plan:  # a job that waits for others has none yet
        job.plan.ParseFromString(row.plan)
    return job


def describe_whole_job(found: WholeJob, *, store: Store, scheduler: Scheduler) -> job_pb2.Job:
    """All of a job. The preview is the one that is stored."""
    job, fractions = _described(found.row, store, scheduler)
    if found.row.plan:
        job.plan.CopyFrom(found.plan)
    done = job_pb2.StepState.STEP_STATE_DONE
    add_step, add_frame = job.steps.add, job.frames.add
    for step_id, state, attempts in found.steps:
        progress = 1.0 if state == done else fractions.get(step_id, 0.0)
        add_step(step_id=step_id, state=state, progress=progress, attempts=attempts)
    for frame, state, path in found.frames:
        add_frame(frame=frame, state=state, path=path)
    for code, message, digits in found.warnings:
        job.warnings.add(code=code, message=message, frame=int(digits) if digits else None)
    if found.preview is not None:
        job.preview.CopyFrom(job_pb2.JobEvent.FromString(found.preview).preview)
    return job


def _described(row: Row[Any], store: Store, scheduler: Scheduler) -> tuple[job_pb2.Job, Mapping[str, float]]:
    """What a row says, and how the job stands; and the part done of each running step."""
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
    return job, {} if standing is None else standing.fractions


def _time(microseconds: int | None) -> Timestamp | None:
    if microseconds is None:
        return None
    time = Timestamp()
    time.FromMicroseconds(microseconds)
    return time
