"""Checks of what runs the service rather than jobs."""

from __future__ import annotations

import time
import uuid

import grpc

from overscan.service.conformance._check import NotApplicableError, check, expect
from overscan.service.conformance._refusals import expect_refusal
from overscan.service.conformance._target import Target
from overscan.v1 import admin_service_pb2 as pb
from overscan.v1.job_pb2 import JobState


@check("admin.caller", role=pb.Role.ROLE_VIEWER)
def caller(target: Target) -> None:
    """The service says whom it takes the caller for; without a role nobody has come this far."""
    role = target.ask(target.admin.GetCaller, pb.GetCallerRequest()).role
    expect(role != pb.Role.ROLE_UNSPECIFIED, "there is no role.")
    expect(role in pb.Role.values(), f"the role is {role}, which the contract has not.")


@check("admin.status", role=pb.Role.ROLE_ADMIN)
def status(target: Target) -> None:
    """The status has the version, a start in the past, workers with names and devices, and jobs by state."""
    found = target.ask(target.admin.GetStatus, pb.GetStatusRequest())
    expect(found.version, "there is no version.")
    expect(0 < found.start_time.ToSeconds() <= time.time() + 60, "the start is not in the past.")
    expect(not found.draining, "it is draining.")
    expect(found.workers, "there are no workers.")
    expect(all(worker.name and worker.device for worker in found.workers), "a worker has no name or device.")
    names = {worker.name for worker in found.workers}
    expect(len(names) == len(found.workers), "two workers have one name.")
    strange = [name for name in found.jobs if name not in JobState.keys()]  # noqa: SIM118  # an enum wrapper is no mapping
    expect(not strange, f"{strange} is no state of jobs.")
    expect(found.home_bytes_free > 0, "there is no room on the home's disk.")


@check("admin.drain_undo", role=pb.Role.ROLE_ADMIN)
def drain_undo(target: Target) -> None:
    """Undoing a drain that is none changes nothing, and jobs are taken."""
    if target.ask(target.admin.GetStatus, pb.GetStatusRequest()).draining:
        raise NotApplicableError("the service is being drained, which somebody wants")
    target.ask(target.admin.Drain, pb.DrainRequest(undo=True))
    expect(not target.ask(target.admin.GetStatus, pb.GetStatusRequest()).draining, "it is draining.")
    target.create(target.spec())


@check("admin.drain", role=pb.Role.ROLE_ADMIN)
def drain(target: Target) -> None:
    """A drained service gives out no work and takes no jobs until the drain is undone."""
    if not target.intrusive:
        raise NotApplicableError("it holds up everybody's work for a second: --intrusive")
    with target.long_job() as job:
        try:
            target.ask(target.admin.Drain, pb.DrainRequest(seconds_max=1.0))
            expect(target.ask(target.admin.GetStatus, pb.GetStatusRequest()).draining, "it is not draining.")
            expect_refusal(lambda: target.create(target.spec()), status=grpc.StatusCode.UNAVAILABLE)
            time.sleep(3.0)
            before = target.get(job.id)
            time.sleep(1.0)
            expect(target.get(job.id).frames == before.frames, "work goes on.")
        finally:
            target.ask(target.admin.Drain, pb.DrainRequest(undo=True))
        expect(not target.ask(target.admin.GetStatus, pb.GetStatusRequest()).draining, "it is still draining.")


@check("admin.purge_nothing", role=pb.Role.ROLE_ADMIN)
def purge_nothing(target: Target) -> None:
    """A purge of no job removes nothing, and one that does not say of what is refused."""
    request = pb.PurgeRequest(show=f"no-such-show-{uuid.uuid4().hex}")
    found = target.ask(target.admin.Purge, request)
    expect((found.jobs, found.files) == (0, 0), f"{found.jobs} jobs and {found.files} files were removed.")
    expect_refusal(lambda: target.ask(target.admin.Purge, pb.PurgeRequest()), status=grpc.StatusCode.INVALID_ARGUMENT)


@check("admin.purge", role=pb.Role.ROLE_ADMIN)
def purge(target: Target) -> None:
    """A purge says beforehand what would go, and a job that was purged is unknown."""
    job = target.create(target.spec())
    for _ in target.watch(job.id):
        pass
    told = target.ask(target.admin.Purge, pb.PurgeRequest(job_ids=[job.id], receipts=True, dry_run=True))
    expect(told.jobs == 1, f"{told.jobs} jobs would go.")
    expect(target.get(job.id).state == JobState.JOB_STATE_SUCCEEDED, "the dry run removed it.")
    done = target.ask(target.admin.Purge, pb.PurgeRequest(job_ids=[job.id], receipts=True))
    expect(done.jobs == told.jobs, f"{done.jobs} jobs went.")
    expect(0 < done.files <= told.files, f"{done.files} files went, {told.files} were told.")
    expect_refusal(lambda: target.get(job.id), status=grpc.StatusCode.NOT_FOUND, reason="UNKNOWN_JOB")


@check("admin.purge_running", role=pb.Role.ROLE_ADMIN)
def purge_running(target: Target) -> None:
    """A job that has not ended is not purged."""
    with target.long_job() as job:
        request = pb.PurgeRequest(job_ids=[job.id])
        expect_refusal(lambda: target.ask(target.admin.Purge, request), status=grpc.StatusCode.FAILED_PRECONDITION)
        expect(target.get(job.id).id == job.id, "the job is gone.")
