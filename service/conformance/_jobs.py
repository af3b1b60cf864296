"""Checks of jobs: created once, run to the end, found again, and the plate left as it was."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np

from overscan.service.conformance._check import NotApplicableError, check, expect
from overscan.service.conformance._refusals import expect_refusal
from overscan.service.conformance._shot import WIDTH, planes
from overscan.service.conformance._target import Target
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import FrameState, JobState, StepState
from overscan.v1.receipt_pb2 import FindingState


@check("jobs.once")
def once(target: Target) -> None:
    """One request id makes one job, however often and however much at once it is sent."""
    spec, request_id = target.spec(), str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        ids = {job.id for job in pool.map(lambda _: target.create(spec, request_id=request_id), range(8))}
    expect(len(ids) == 1, f"{len(ids)} jobs were made of one request.")
    job = target.create(spec, request_id=request_id)
    expect(job.id in ids, "the same request made another job later.")
    expect(job.request_id == request_id, f"the job's request id is '{job.request_id}'.")
    other = target.spec()
    other.labels.sequence = "another"
    expect_refusal(
        lambda: target.create(other, request_id=request_id),
        status=grpc.StatusCode.ALREADY_EXISTS,
        reason="REQUEST_CONFLICT",
        field="request_id",
    )


@check("jobs.finish")
def finish(target: Target) -> None:
    """A job runs to its end, and then says what it was, what it did, and that it was verified."""
    job, _, spec = target.finished
    expect(job.state == JobState.JOB_STATE_SUCCEEDED, f"it is {JobState.Name(job.state)}: {job.error.message}")
    expect(job.spec == spec, "its spec is not what was sent.")
    expect(job.progress == 1.0, f"its progress is {job.progress:g}.")
    expect(not job.HasField("error"), "it has an error.")
    expect(
        0 < job.create_time.ToNanoseconds() <= job.start_time.ToNanoseconds() < job.end_time.ToNanoseconds(),
        "its times are not in order.",
    )
    expect(job.steps and all(step.state == StepState.STEP_STATE_DONE for step in job.steps), "a step is not done.")
    expect(
        [step.step_id for step in job.steps] == [step.id for step in job.plan.steps], "its steps are not its plan's."
    )
    frames = [frame.frame for frame in job.frames]
    expect(frames == list(target.shot(3).numbers), f"its frames are {frames}.")
    states = {FrameState.Name(frame.state) for frame in job.frames}
    expect(states == {"FRAME_STATE_VERIFIED"}, f"its frames are {', '.join(sorted(states))}.")
    found = job.verification
    expect(found.frames == len(frames) and found.samples > 0, f"{found.frames} frames were verified.")
    expect(found.differing == 0, f"{found.differing} samples differ from the plate.")


@check("jobs.plate_is_sacred")
def plate_is_sacred(target: Target) -> None:
    """Outside the generated region every sample of the result has the plate's bits, NaN and infinity too."""
    job, _, _ = target.finished
    for number, data in target.shot(3).files.items():
        plate, result = planes(data), planes(target.result(job, number))
        for name, wanted in plate.items():
            expect(name in result, f"the result has no channel {name} in frame {number}.")
            inside = result[name][:, :WIDTH]
            expect(inside.dtype == wanted.dtype, f"frame {number} is {inside.dtype}, not {wanted.dtype}.")
            expect(inside.shape == wanted.shape, f"frame {number} has the shape {result[name].shape}.")
            differing = int(np.count_nonzero(inside.view(np.uint16) != wanted.view(np.uint16)))
            expect(differing == 0, f"{differing} samples of {name} differ from the plate in frame {number}.")


@check("jobs.verify")
def verify(target: Target) -> None:
    """VerifyOutput finds the result intact, frame by frame, the whole in the last message."""
    if target.shared is None:
        raise NotApplicableError("it takes paths, and no folder is shared with the service")
    job, _, _ = target.finished
    request = pb.VerifyOutputRequest(path=job.spec.output.path)
    answers = list(target.stream(target.jobs.VerifyOutput, request))
    expect(answers and answers[-1].HasField("verification"), "the last message has no verification.")
    whole = answers[-1].verification
    frames = len(target.shot(3).numbers)
    expect((whole.frames, whole.differing) == (frames, 0), f"{whole.frames} frames, {whole.differing} samples differ.")
    counted = [answer.frames_done for answer in answers if not answer.HasField("finding")]
    expect(counted == sorted(counted) and counted[-1] == frames, f"the frames were counted as {counted}.")
    bad = [answer.finding.detail for answer in answers if answer.finding.state == FindingState.FINDING_STATE_CHANGED]
    expect(not bad, f"it finds changes: {'; '.join(bad)}")
    expect_refusal(
        lambda: target.stream(target.jobs.VerifyOutput, pb.VerifyOutputRequest(path="relative.%04d.exr")),
        status=grpc.StatusCode.INVALID_ARGUMENT,
        reason="INVALID_JOB",
        field="path",
    )


@check("jobs.output_in_use")
def output_in_use(target: Target) -> None:
    """Two jobs that have not ended do not write the same frames."""
    if target.shared is None:
        raise NotApplicableError("each result that the service keeps is a place of its own")
    with target.long_job() as job:
        clash = target.spec(frames=60)
        clash.output.path = job.spec.output.path
        expect_refusal(
            lambda: target.create(clash),
            status=grpc.StatusCode.FAILED_PRECONDITION,
            reason="OUTPUT_IN_USE",
            field="output.path",
        )


@check("jobs.get")
def get(target: Target) -> None:
    """A job is found by its id and by the beginning of it."""
    job, _, _ = target.finished
    for beginning in (job.id, job.id[:20]):
        expect(target.get(beginning).id == job.id, f"'{beginning}' gives another job.")


@check("jobs.list")
def list_jobs(target: Target) -> None:
    """Lists come newest first, page by page, without steps and frames, and each job once."""
    made = []
    for number in range(3):
        spec = target.spec()
        spec.labels.shot = "listed"
        spec.labels.sequence = f"sq{number}"
        made.append(target.create(spec).id)
    found: list[str] = []
    token = ""
    for _ in range(len(made)):
        request = pb.ListJobsRequest(page_size=1, page_token=token)
        request.labels.show, request.labels.shot = target.show, "listed"
        page = target.ask(target.jobs.ListJobs, request)
        expect(len(page.jobs) == 1, f"a page of 1 has {len(page.jobs)} jobs.")
        expect(not page.jobs[0].steps and not page.jobs[0].frames, "a list has steps or frames.")
        found.append(page.jobs[0].id)
        token = page.next_page_token
    expect(found == made[::-1], "the pages do not have each job once, newest first.")
    expect(token == "", "the last page names a next one.")


@check("jobs.filter")
def filter_jobs(target: Target) -> None:
    """Lists are by state and by label, all of what is asked together."""
    job, _, _ = target.finished

    def listed(state: JobState.ValueType, show: str) -> list[str]:
        request = pb.ListJobsRequest(states=[state])
        request.labels.show = show
        return [one.id for one in target.ask(target.jobs.ListJobs, request).jobs]

    expect(job.id in listed(JobState.JOB_STATE_SUCCEEDED, target.show), "it is not among those that succeeded.")
    expect(job.id not in listed(JobState.JOB_STATE_FAILED, target.show), "it is among those that failed.")
    expect(not listed(JobState.JOB_STATE_SUCCEEDED, target.show + "-other"), "a show has another show's jobs.")
