"""What waits, and in which order: pausing, resuming and moving jobs, and naming those that others wait for."""

from __future__ import annotations

from overscan.cli._display import state_word
from overscan.cli._report import Outcome, Report
from overscan.cli._steering import usage
from overscan.client import Client, connect
from overscan.v1.job_pb2 import Job, JobSpec

_ID_LENGTH = 32


def pause_job(job_id: str, *, report: Report) -> Outcome:
    """Hold a job back."""
    with connect() as client:
        job = client.pause(job_id=job_id)
    report.say(f"job {job.id}: {state_word(job.state)}, {job.progress:.0%} done")
    report.note(f"`overscan jobs resume {job.id}` lets it go on.")
    return _outcome(job)


def resume_job(job_id: str, *, report: Report) -> Outcome:
    """Let a paused job go on."""
    with connect() as client:
        job = client.resume(job_id=job_id)
    report.say(f"job {job.id}: {state_word(job.state)}, {job.progress:.0%} done")
    if job.held_by:
        report.note(job.held_by)
    return _outcome(job)


def move_job(
    job_id: str, *, priority: int | None, before: str | None, first: bool, last: bool, report: Report
) -> Outcome:
    """Change a job's priority, or its place."""
    places = sum((before is not None, first, last))
    if places > 1:
        raise usage("--before, --first and --last exclude each other.", "Give one of them.")
    if not places and priority is None:
        raise usage("It is not said where the job should go.", "Give --priority N, --before JOB, --first or --last.")
    with connect() as client:
        job = client.move(job_id=job_id, priority=priority, before_job_id=before, first=first, last=last)
    report.say(f"job {job.id}: {state_word(job.state)}, priority {job.spec.priority}")
    return _outcome(job)


def name_dependencies(spec: JobSpec, *, client: Client) -> None:
    """Write out the ids of the jobs that a job depends on, where only their beginnings are given."""
    for index, job_id in enumerate(spec.depends_on):
        if len(job_id) != _ID_LENGTH:
            spec.depends_on[index] = client.get(job_id=job_id).id


def _outcome(job: Job) -> Outcome:
    return Outcome(
        facts={
            "job_id": job.id,
            "state": state_word(job.state),
            "priority": job.spec.priority,
            "held_by": job.held_by,
        }
    )
