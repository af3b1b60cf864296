"""Stored jobs as the wire's `Job`."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row

from overscan.service._scheduler import Scheduler
from overscan.service._store import Store
from overscan.v1 import job_pb2, plan_pb2


def describe_job(*, row: Row[Any], store: Store, scheduler: Scheduler, whole: bool) -> job_pb2.Job:
    """The job of a store row; without steps, frames and warnings unless `whole`."""
    plan = plan_pb2.Plan.FromString(row.plan)
    job = job_pb2.Job(
        id=row.id,
        spec=job_pb2.JobSpec.FromString(row.spec),
        state=row.state,
        plan=plan,
        progress=row.progress,
        create_time=_time(row.created_us),
        start_time=_time(row.started_us),
        end_time=_time(row.ended_us),
        request_id=row.request_id,
    )
    if row.error is not None:
        job.error.ParseFromString(row.error)
    if row.verification is not None:
        job.verification.ParseFromString(row.verification)
    live = scheduler.progress(job_id=row.id)
    if live is not None:
        job.progress = live[0]
    if not whole:
        job.plan.ClearField("steps")
        return job
    fractions = {} if live is None else live[1]
    done = job_pb2.StepState.STEP_STATE_DONE
    for step in store.steps(job_id=row.id):
        job.steps.add(
            step_id=step.step_id,
            state=step.state,
            progress=1.0 if step.state == done else fractions.get(step.step_id, 0.0),
            attempts=step.attempts,
        )
    for frame in store.frames(job_id=row.id):
        job.frames.add(frame=frame.frame, state=frame.state, path=frame.path)
    for warning in store.warnings(job_id=row.id):
        number = int(warning.frame) if warning.frame else None
        job.warnings.add(code=warning.code, message=warning.message, frame=number)
    return job


def _time(microseconds: int | None) -> Timestamp | None:
    if microseconds is None:
        return None
    time = Timestamp()
    time.FromMicroseconds(microseconds)
    return time
