"""Checks of what is refused, and how: statuses, reasons, and fields that are named."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc

from overscan.service.conformance._check import check, expect
from overscan.service.conformance._refusals import expect_refusal
from overscan.service.conformance._target import Target
from overscan.v1 import engine_service_pb2 as engine_pb
from overscan.v1 import frame_service_pb2 as frame_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2 import Role
from overscan.v1.job_pb2 import JobSpec

_NOBODY = "ffffffffffffffffffffffffffffffff"
_BAD = grpc.StatusCode.INVALID_ARGUMENT


def _refused_spec(target: Target, spec: JobSpec, **wanted: Any) -> Any:
    return expect_refusal(lambda: target.create(spec), **wanted)


@check("errors.unknown_job")
def unknown_job(target: Target) -> None:
    """An id of no job is NOT_FOUND with UNKNOWN_JOB, whatever is asked."""
    for method, request in (
        (target.jobs.GetJob, pb.GetJobRequest(job_id=_NOBODY)),
        (target.jobs.GetJob, pb.GetJobRequest(job_id="")),
        (target.jobs.GetJob, pb.GetJobRequest(job_id="%")),
        (target.jobs.WatchJob, pb.WatchJobRequest(job_id=_NOBODY)),
        (target.jobs.CancelJob, pb.CancelJobRequest(job_id=_NOBODY)),
        (target.jobs.RetryJob, pb.RetryJobRequest(job_id=_NOBODY)),
        (target.jobs.PauseJob, pb.PauseJobRequest(job_id=_NOBODY)),
        (target.jobs.ResumeJob, pb.ResumeJobRequest(job_id=_NOBODY)),
        (target.jobs.MoveJob, pb.MoveJobRequest(job_id=_NOBODY, priority=1)),
        (target.frames.ListResultFiles, frame_pb.ListResultFilesRequest(job_id=_NOBODY)),
        (target.frames.DownloadFrame, frame_pb.DownloadFrameRequest(job_id=_NOBODY, frame=1)),
        (target.frames.DeleteResult, frame_pb.DeleteResultRequest(job_id=_NOBODY)),
    ):
        expect_refusal(
            partial(target.stream, method, request, seconds=30.0),
            status=grpc.StatusCode.NOT_FOUND,
            reason="UNKNOWN_JOB",
        )


@check("errors.unknown_engine")
def unknown_engine(target: Target) -> None:
    """An engine that is not installed is UNKNOWN_ENGINE, and the next step names those that are."""
    request = engine_pb.GetEngineRequest(name="no-such-engine")
    wanted: dict[str, Any] = {"status": _BAD, "reason": "UNKNOWN_ENGINE", "field": "engine"}
    found = expect_refusal(lambda: target.ask(target.engines.GetEngine, request), **wanted)
    expect("plate" in found.metadata[0]["next_step"], "the next step does not name the engines there are.")
    spec = target.spec()
    spec.engine = "no-such-engine"
    _refused_spec(target, spec, **wanted)


@check("errors.empty_job")
def empty_job(target: Target) -> None:
    """A job that says nothing is INVALID_JOB, for PlanJob and for CreateJob."""
    for call in (
        lambda: target.ask(target.jobs.PlanJob, pb.PlanJobRequest()),
        lambda: target.ask(target.jobs.CreateJob, pb.CreateJobRequest()),
    ):
        expect_refusal(call, status=_BAD, reason="INVALID_JOB", field="task")


@check("errors.all_problems")
def all_problems(target: Target) -> None:
    """All problems of a job are named at once, each by its field."""
    spec = JobSpec()
    spec.plate.path = "plate.%04d.exr"
    spec.plate.pixel_aspect = -1.0
    spec.extend.format.size.width = 0
    spec.output.path = "out.%04d.exr"
    found = _refused_spec(target, spec, status=_BAD, reason="INVALID_JOB")
    wanted = {"plate.path", "plate.pixel_aspect", "extend.format.size", "output.path"}
    expect(wanted <= set(found.fields), f"not named: {', '.join(sorted(wanted - set(found.fields)))}.")
    expect(len(found.reasons) >= len(wanted), f"{len(found.reasons)} ErrorInfos for {len(wanted)} problems.")


@check("errors.controls")
def controls(target: Target) -> None:
    """Controls and parameters that the engine does not take are refused, never left out."""
    spec = target.spec()
    spec.controls.prompt = "a lighthouse"
    _refused_spec(target, spec, status=_BAD, reason="UNSUPPORTED_CONTROL", field="controls.prompt")
    spec = target.spec()
    spec.controls.parameters["no_such_parameter"].number_value = 1.0
    _refused_spec(target, spec, status=_BAD, reason="INVALID_PARAMETER", field="controls.parameters.no_such_parameter")


@check("errors.missing_frames")
def missing_frames(target: Target) -> None:
    """Frames that are not there are a problem of the plan, and the job is refused with the frame's number."""
    spec = target.spec()
    missing = target.shot(3).numbers[-1] + 1
    spec.plate.frames.ranges.add(first=target.shot(3).numbers[0], last=missing, step=1)
    if target.shared is None:  # what has not come yet cannot be planned with
        wanted: dict[str, Any] = {"status": grpc.StatusCode.FAILED_PRECONDITION, "reason": "UPLOAD_INCOMPLETE"}
        expect_refusal(lambda: target.ask(target.jobs.PlanJob, pb.PlanJobRequest(spec=spec)), **wanted)
    else:
        wanted = {"status": grpc.StatusCode.NOT_FOUND, "reason": "MISSING_FRAMES"}
        plan = target.ask(target.jobs.PlanJob, pb.PlanJobRequest(spec=spec)).plan
        expect(not plan.feasible, "the plan is feasible.")
        codes = [problem.code for problem in plan.problems]
        expect(codes[:1] == ["MISSING_FRAMES"], f"the plan's problems are {codes}, not MISSING_FRAMES.")
        expect(plan.problems[0].message and plan.problems[0].next_step, "the problem has no words.")
    found = _refused_spec(target, spec, **wanted)
    expect(str(missing) in found.message, f"the message does not name frame {missing}: {found.message}")


@check("errors.frame_range")
def frame_range(target: Target) -> None:
    """A range that ends before it begins is FRAME_RANGE."""
    spec = target.spec()
    spec.frames.ranges.add(first=10, last=1, step=1)
    _refused_spec(target, spec, status=_BAD, reason="FRAME_RANGE", field="frames")


@check("errors.request_id")
def request_id(target: Target) -> None:
    """A request id of 10,000 characters is refused by its field."""
    expect_refusal(
        lambda: target.create(target.spec(), request_id="x" * 10_000),
        status=_BAD,
        reason="INVALID_JOB",
        field="request_id",
    )


@check("errors.page_token", role=Role.ROLE_VIEWER)
def page_token(target: Target) -> None:
    """A page token that is none of the service's own is refused by its field."""
    for token in ("x", "-1", "9" * 40, "1; DROP TABLE jobs"):
        request = pb.ListJobsRequest(page_token=token)
        expect_refusal(
            partial(target.ask, target.jobs.ListJobs, request),
            status=_BAD,
            reason="INVALID_JOB",
            field="page_token",
        )


@check("errors.long_text")
def long_text(target: Target) -> None:
    """A refusal of a very long name comes through: it does not repeat more than headers hold."""
    for length in (10_000, 1_000_000):
        spec = target.spec()
        spec.engine = "e" * length
        found = _refused_spec(target, spec, status=_BAD)
        expect(found.reasons, "the refusal has no details.")
        spec = target.spec()
        spec.output.path = "relative/" + "ä" * length
        found = _refused_spec(target, spec, status=_BAD)
        expect(found.reasons, "the refusal has no details.")
