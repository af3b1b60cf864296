"""Checks of what callers are refused who are no admins: made with the token of such a one."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc

from overscan.service.conformance._check import NotApplicableError, an, check, expect
from overscan.service.conformance._refusals import expect_refusal
from overscan.service.conformance._target import Target
from overscan.v1 import admin_service_pb2 as admin_pb
from overscan.v1 import frame_service_pb2 as frame_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2 import Role
from overscan.v1.job_pb2 import Job, JobState

_NOBODY = "ffffffffffffffffffffffffffffffff"
_ENDED = (JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)
_REFUSED: dict[str, Any] = {"status": grpc.StatusCode.PERMISSION_DENIED, "reason": "NOT_ALLOWED"}


def _needs(target: Target, *roles: Role.ValueType) -> None:
    if target.role not in roles:
        raise NotApplicableError(f"the caller is {an(target.role)}, and is refused nothing of this")


@check("roles.admins_only", role=Role.ROLE_VIEWER)
def admins_only(target: Target) -> None:
    """Whoever is no admin is refused what runs the service."""
    _needs(target, Role.ROLE_VIEWER, Role.ROLE_ARTIST)
    for method, request in (
        (target.admin.GetStatus, admin_pb.GetStatusRequest()),
        (target.admin.Drain, admin_pb.DrainRequest(undo=True)),
        (target.admin.Purge, admin_pb.PurgeRequest(show="no-such-show", dry_run=True)),
    ):
        expect_refusal(partial(target.ask, method, request), **_REFUSED)


@check("roles.viewer_changes_nothing", role=Role.ROLE_VIEWER)
def viewer_changes_nothing(target: Target) -> None:
    """A viewer is refused what makes or changes anything, or reads files, before it is looked at."""
    _needs(target, Role.ROLE_VIEWER)
    chunk = frame_pb.UploadFramesRequest(upload_id=_NOBODY, frame=1, data=b"x")
    for method, request in (
        (target.jobs.PlanJob, pb.PlanJobRequest()),
        (target.jobs.CreateJob, pb.CreateJobRequest()),
        (target.jobs.CancelJob, pb.CancelJobRequest(job_id=_NOBODY)),
        (target.jobs.RetryJob, pb.RetryJobRequest(job_id=_NOBODY)),
        (target.jobs.PauseJob, pb.PauseJobRequest(job_id=_NOBODY)),
        (target.jobs.ResumeJob, pb.ResumeJobRequest(job_id=_NOBODY)),
        (target.jobs.MoveJob, pb.MoveJobRequest(job_id=_NOBODY, first=True)),
        (target.jobs.VerifyOutput, pb.VerifyOutputRequest(path="/no/such/result.%04d.exr")),
        (target.frames.CreateUpload, frame_pb.CreateUploadRequest()),
        (target.frames.GetUpload, frame_pb.GetUploadRequest(upload_id=_NOBODY)),
        (target.frames.UploadFrames, iter([chunk])),
        (target.frames.DeleteUpload, frame_pb.DeleteUploadRequest(upload_id=_NOBODY)),
        (target.frames.ListResultFiles, frame_pb.ListResultFilesRequest(job_id=_NOBODY)),
        (target.frames.DownloadFrame, frame_pb.DownloadFrameRequest(job_id=_NOBODY, frame=1)),
        (target.frames.DeleteResult, frame_pb.DeleteResultRequest(job_id=_NOBODY)),
    ):
        expect_refusal(partial(target.stream, method, request, seconds=30.0), **_REFUSED)


@check("roles.jobs_are_seen", role=Role.ROLE_VIEWER)
def jobs_are_seen(target: Target) -> None:
    """Whoever may call sees everybody's jobs: listed, one by one, and their events."""
    listed = target.ask(target.jobs.ListJobs, pb.ListJobsRequest(states=_ENDED, page_size=1)).jobs
    if not listed:
        raise NotApplicableError("no job has ended yet")
    expect(target.get(listed[0].id).id == listed[0].id, "the job that was listed is another one by its id.")
    events = list(target.watch(listed[0].id, seconds=10.0))
    expect(all(event.job_id == listed[0].id for event in events), "an event is of another job.")


@check("roles.own_jobs_only")
def own_jobs_only(target: Target) -> None:
    """An artist is refused to change another's job, and the files of its result."""
    _needs(target, Role.ROLE_ARTIST)
    job = _of_another(target)
    for method, request in (  # all of them harmless for a job that has ended, wherever they are not refused
        (target.jobs.PauseJob, pb.PauseJobRequest(job_id=job.id)),
        (target.jobs.ResumeJob, pb.ResumeJobRequest(job_id=job.id)),
        (target.jobs.CancelJob, pb.CancelJobRequest(job_id=job.id)),
        (target.jobs.MoveJob, pb.MoveJobRequest(job_id=job.id, first=True)),
        (target.frames.ListResultFiles, frame_pb.ListResultFilesRequest(job_id=job.id)),
        (target.frames.DownloadFrame, frame_pb.DownloadFrameRequest(job_id=job.id, name="no-such-file")),
    ):
        expect_refusal(partial(target.stream, method, request, seconds=30.0), **_REFUSED)


def _of_another(target: Target) -> Job:
    """A job that has ended and is not the caller's."""
    token = ""
    while True:
        request = pb.ListJobsRequest(states=_ENDED, page_size=1000, page_token=token)
        page = target.ask(target.jobs.ListJobs, request)
        for job in page.jobs:
            if job.user != target.user:
                found: Job = job
                return found
        token = page.next_page_token
        if not token:
            raise NotApplicableError("no job of anybody else has ended yet")
