"""`GenerationService`: jobs over gRPC."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from sqlalchemy import Row

from overscan.core.errors import CancelledError, InvalidJobError, OverscanError
from overscan.core.frames import format_frames
from overscan.service import _messages as messages
from overscan.service._describe import describe_job
from overscan.service._errors import OutputInUseError, PlanRefusedError, RequestReusedError, ServiceClosingError
from overscan.service._events import EventLog
from overscan.service._frame_sets import read_frames
from overscan.service._inspector import Inspector
from overscan.service._planner import Planned, Planner
from overscan.service._receipts import finding_to_wire
from overscan.service._rpc import Activity, answers, caller_stop, streams
from overscan.service._scheduler import Scheduler
from overscan.service._spec import output_key
from overscan.service._store import ENDED, NewJob, Store, Writer
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.generation_service_pb2_grpc import GenerationServiceServicer
from overscan.v1.job_pb2 import Job, JobEvent, JobSpec, JobState, JobStateChanged, Labels, Verification
from overscan.v1.plan_pb2 import Plan

STREAMS_MAX = 64
_PAGE_SIZE = 100
_PAGE_SIZE_MAX = 1000
_PAGE_TOKEN_LENGTH_MAX = 18
_REQUEST_ID_LENGTH_MAX = 200
_STOP_WAIT_SECONDS = 5.0
_WATCH_LOOK_SECONDS = 1.0
_LABELS = tuple(Labels.DESCRIPTOR.fields_by_name)


class GenerationServicer(GenerationServiceServicer):
    """Answers calls about jobs."""

    streams_max = STREAMS_MAX

    def __init__(
        self, *, store: Store, log: EventLog, scheduler: Scheduler, inspector: Inspector, activity: Activity
    ) -> None:
        self.activity = activity
        self._store = store
        self._log = log
        self._scheduler = scheduler
        self._inspector = inspector
        self._planner = Planner(inspector=inspector)
        self._creating = threading.Condition()
        self._requests_open: set[str] = set()

    @answers
    def PlanJob(self, request: pb.PlanJobRequest, context: grpc.ServicerContext) -> pb.PlanJobResponse:  # noqa: N802
        """Say what a job would do."""
        planned = self._planner.plan(spec=request.spec, stop=caller_stop(context))
        return pb.PlanJobResponse(plan=planned.wire)

    @answers
    def CreateJob(self, request: pb.CreateJobRequest, context: grpc.ServicerContext) -> pb.CreateJobResponse:  # noqa: N802
        """Store a job and queue it."""
        request_id = request.request_id or str(uuid.uuid4())
        if len(request_id) > _REQUEST_ID_LENGTH_MAX:
            raise InvalidJobError(
                "the request id is too long.",
                next_step="Use a UUID.",
                field="request_id",
                expected=f"at most {_REQUEST_ID_LENGTH_MAX} characters",
                actual=len(request_id),
            )
        with self._alone(request_id):
            row = self._store.by_request(request_id=request_id)
            if row is None:
                planned = self._planner.plan(spec=request.spec, stop=caller_stop(context))
                if not planned.plan.feasible:
                    raise PlanRefusedError(problems=planned.plan.problems)
                row = self._store_job(request.spec, request_id, planned)
            elif JobSpec.FromString(row.spec) != request.spec:
                raise RequestReusedError(
                    f"the request id '{request_id}' has created another job before ({row.id}).",
                    next_step="Use a new id for a new job.",
                    field="request_id",
                    actual=request_id,
                )
        return pb.CreateJobResponse(job=self._describe(row))

    @answers
    def GetJob(self, request: pb.GetJobRequest, context: grpc.ServicerContext) -> pb.GetJobResponse:  # noqa: N802, ARG002
        """One job."""
        return pb.GetJobResponse(job=self._job(self._store.find(prefix=request.job_id)))

    @answers
    def ListJobs(self, request: pb.ListJobsRequest, context: grpc.ServicerContext) -> pb.ListJobsResponse:  # noqa: N802, ARG002
        """Jobs, newest first, page by page."""
        token = request.page_token
        if token and not (token.isascii() and token.isdecimal() and len(token) <= _PAGE_TOKEN_LENGTH_MAX):
            raise InvalidJobError(
                "the page token is none of ours.", next_step="Begin at the first page.", field="page_token"
            )
        size = min(request.page_size or _PAGE_SIZE, _PAGE_SIZE_MAX)
        rows = self._store.page(
            states=request.states,
            labels={name: getattr(request.labels, name) for name in _LABELS},
            before=int(token) if token else None,
            size=size + 1,
        )
        more = len(rows) > size
        return pb.ListJobsResponse(
            jobs=[
                describe_job(row=row, store=self._store, scheduler=self._scheduler, whole=False) for row in rows[:size]
            ],
            next_page_token=str(rows[size - 1].ordinal) if more else "",
        )

    @streams
    def WatchJob(  # noqa: N802
        self, request: pb.WatchJobRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchJobResponse]:
        """What happens to a job, until it ends."""
        job_id = self._store.find(prefix=request.job_id)
        with self._log.watch(job_id=job_id) as watcher:
            context.add_callback(lambda: watcher.put(None))
            last = request.after_number
            # What is stored was emitted before, or is in the watcher's queue too, where its number gives it away.
            for event in self._past(job_id, after=last):
                last = event.number
                yield pb.WatchJobResponse(event=event)
            ended = self._store.job(job_id=job_id).state in ENDED
            self._log.catch_up()  # the event of that end is in the queue now
            while context.is_active():
                waiting = watcher.get(timeout_seconds=0.0 if ended else _WATCH_LOOK_SECONDS)
                if waiting is None:
                    if ended:
                        return
                    if self.activity.closing:
                        raise ServiceClosingError(
                            "the service is closing; the job goes on when it is back.",
                            next_step="Watch again from the last event on.",
                        )
                    continue
                if waiting.number <= last:
                    continue
                last = waiting.number
                yield pb.WatchJobResponse(event=waiting)
                if waiting.HasField("state_changed"):
                    ended = waiting.state_changed.state in ENDED

    @answers
    def CancelJob(self, request: pb.CancelJobRequest, context: grpc.ServicerContext) -> pb.CancelJobResponse:  # noqa: N802, ARG002
        """Stop a job."""
        job_id = self._store.find(prefix=request.job_id)
        self._scheduler.cancel(job_id=job_id, wait_seconds=_STOP_WAIT_SECONDS)
        return pb.CancelJobResponse(job=self._job(job_id))

    @answers
    def RetryJob(self, request: pb.RetryJobRequest, context: grpc.ServicerContext) -> pb.RetryJobResponse:  # noqa: N802, ARG002
        """Queue a failed or cancelled job again."""
        job_id = self._store.find(prefix=request.job_id)
        with self._creating:
            self._scheduler.retry(job_id=job_id, wait_seconds=_STOP_WAIT_SECONDS, check=self._check_output_is_free)
        return pb.RetryJobResponse(job=self._job(job_id))

    @streams
    def VerifyOutput(  # noqa: N802
        self, request: pb.VerifyOutputRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.VerifyOutputResponse]:
        """Compare a result with its plate, frame by frame."""
        for field, path in (("path", request.path), ("plate_path", request.plate_path)):
            if (field == "path" or path) and not Path(path).is_absolute():
                raise InvalidJobError(
                    f"the path '{path}' is not absolute." if path else "the path of the result is missing.",
                    next_step="Give an absolute path pattern.",
                    field=field,
                    actual=path,
                )
        whole = Verification()
        total = 0
        checks = self._inspector.verify(result=request.path, plate=request.plate_path, stop=caller_stop(context))
        try:
            for check in checks:
                if isinstance(check, messages.Found):
                    yield pb.VerifyOutputResponse(finding=finding_to_wire(check))
                    continue
                whole.frames += 1
                whole.samples += check.samples
                whole.differing += check.differing
                whole.first_difference = whole.first_difference or check.first_difference
                total = check.total
                if whole.frames < total:
                    yield pb.VerifyOutputResponse(frames_done=whole.frames, frames_total=total)
        except OverscanError:
            if whole.frames:  # what is wrong with one frame says nothing of the others
                yield pb.VerifyOutputResponse(frames_done=whole.frames, frames_total=total, verification=whole)
            raise
        if not context.is_active():
            raise CancelledError("the caller has gone.")
        yield pb.VerifyOutputResponse(frames_done=whole.frames, frames_total=total, verification=whole)

    @contextmanager
    def _alone(self, request_id: str) -> Iterator[None]:
        """Let one call at a time create the job of a request."""
        with self._creating:
            while request_id in self._requests_open:
                self._creating.wait()
            self._requests_open.add(request_id)
        try:
            yield
        finally:
            with self._creating:
                self._requests_open.discard(request_id)
                self._creating.notify_all()

    def _store_job(self, spec: JobSpec, request_id: str, planned: Planned) -> Row[Any]:
        new = NewJob(
            id=uuid.uuid4().hex,
            request_id=request_id,
            spec=spec.SerializeToString(),
            plan=planned.wire.SerializeToString(),
            parameters=json.dumps(planned.parameters),
            priority=spec.priority,
            output_key=output_key(spec.output.path),
            labels={name: getattr(spec.labels, name) for name in _LABELS},
            steps=[step.id for step in planned.plan.steps],
            frames=planned.plan.frames,
        )

        def write(writer: Writer) -> None:
            writer.add_job(new)
            for notice in planned.plan.warnings:
                writer.add_warning(new.id, notice.code, notice.message, notice.frame)

        with self._creating:  # between the look for other jobs with this output and the new row
            self._check_free(new.output_key, set(new.frames))
            queued = JobStateChanged(state=JobState.JOB_STATE_QUEUED)
            self._log.emit(JobEvent(job_id=new.id, state_changed=queued), change=write)
        self._scheduler.add(job_id=new.id)
        return self._store.job(job_id=new.id)

    def _check_output_is_free(self, row: Row[Any]) -> None:
        frames = read_frames(Plan.FromString(row.plan).frames, field="frames") or ()
        self._check_free(row.output_key, set(frames))

    def _check_free(self, key: str, frames: set[int]) -> None:
        """Raise `OutputInUseError` where a job that has not ended writes any of the same files."""
        for other in self._store.unfinished_with_output(output_key=key):
            taken = frames & set(read_frames(Plan.FromString(other.plan).frames, field="frames") or ())
            if taken:
                raise OutputInUseError(
                    f"the job {other.id} is writing frames {format_frames(taken)} to the same path.",
                    next_step="Wait for it, cancel it, or give another output path.",
                    field="output.path",
                    actual=other.id,
                )

    def _past(self, job_id: str, *, after: int) -> list[JobEvent]:
        # What is not stored first: all that has a lower number is stored by now, and is not lost behind it.
        passing = [event for event in self._log.last_passing(job_id=job_id) if event.number > after]
        events = [JobEvent.FromString(row.payload) for row in self._store.events(job_id=job_id, after=after)]
        there = {event.number for event in events}  # a job's end, which stores its preview, may fall between the two
        events += [event for event in passing if event.number not in there]
        return sorted(events, key=lambda event: event.number)

    def _job(self, job_id: str) -> Job:
        return self._describe(self._store.job(job_id=job_id))

    def _describe(self, row: Row[Any]) -> Job:
        job = describe_job(row=row, store=self._store, scheduler=self._scheduler, whole=True)
        for event in self._log.last_passing(job_id=job.id):
            if event.HasField("preview"):
                job.preview.CopyFrom(event.preview)
        stored = None if job.HasField("preview") else self._store.preview(job_id=job.id)
        if stored is not None:
            job.preview.CopyFrom(JobEvent.FromString(stored).preview)
        return job
