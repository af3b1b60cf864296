"""`GenerationService`: jobs over gRPC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from sqlalchemy import Row

from overscan.core.errors import CancelledError, InvalidJobError, OverscanError
from overscan.service._errors import ServiceClosingError
from overscan.service.calls.rpc import Activity, answers, caller, caller_stop, check_welcome, streams
from overscan.service.scheduling.admission import Admission
from overscan.service.scheduling.planner import Planner
from overscan.service.scheduling.ranks import ranks_for
from overscan.service.scheduling.scheduler import Scheduler
from overscan.service.security.quotas import Quotas
from overscan.service.security.roots import NamedPath
from overscan.service.security.users import require_owner
from overscan.service.store.events import EventLog
from overscan.service.store.queue_rows import artist_of, side_by_side
from overscan.service.store.store import Store, is_id
from overscan.service.store.whole_job import whole_job
from overscan.service.store.writer import ENDED
from overscan.service.transfers.places import Places
from overscan.service.wire.describe import describe_job, describe_whole_job
from overscan.service.wire.receipts import finding_to_wire
from overscan.service.workers import messages
from overscan.service.workers.inspector import Inspector
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.generation_service_pb2_grpc import GenerationServiceServicer
from overscan.v1.job_pb2 import Job, JobEvent, Labels, Verification

STREAMS_MAX = 64
_PAGE_SIZE = 100
_PAGE_SIZE_MAX = 1000
_PAGE_TOKEN_LENGTH_MAX = 18
_STOP_WAIT_SECONDS = 5.0
_NUMBER_MAX = 2**63 - 1
"""The largest that the store holds; the wire's are twice as large."""
_WATCH_LOOK_SECONDS = 1.0
_LABELS = tuple(Labels.DESCRIPTOR.fields_by_name)


class GenerationServicer(GenerationServiceServicer):
    """Answers calls about jobs."""

    streams_max = STREAMS_MAX

    def __init__(
        self,
        *,
        store: Store,
        log: EventLog,
        scheduler: Scheduler,
        inspector: Inspector,
        activity: Activity,
        places: Places,
        quotas: Quotas | None = None,
    ) -> None:
        self.activity = activity
        self._store = store
        self._log = log
        self._scheduler = scheduler
        self._inspector = inspector
        self._places = places
        self._admission = Admission(
            store=store,
            log=log,
            scheduler=scheduler,
            planner=Planner(inspector=inspector, places=places),
            quotas=quotas,
        )

    def start(self) -> None:
        """Attend to jobs that wait for others, once the scheduler has taken up what an earlier service left."""
        self._admission.start()

    def close(self, *, seconds_max: float) -> None:
        """Attend to them no more."""
        self._admission.close(seconds_max=seconds_max)

    @answers
    def PlanJob(self, request: pb.PlanJobRequest, context: grpc.ServicerContext) -> pb.PlanJobResponse:  # noqa: N802
        """Say what a job would do."""
        planned = self._admission.plan(spec=request.spec, caller=caller(context), stop=caller_stop(context))
        return pb.PlanJobResponse(plan=planned.wire)

    @answers
    def CreateJob(self, request: pb.CreateJobRequest, context: grpc.ServicerContext) -> pb.CreateJobResponse:  # noqa: N802
        """Store a job and queue it."""
        job_id = self._admission.create(
            spec=request.spec, request_id=request.request_id, caller=caller(context), stop=caller_stop(context)
        )
        self._store.flush()  # once it is acknowledged, not even a power cut may lose it
        return pb.CreateJobResponse(job=self._job(job_id))

    @answers
    def GetJob(self, request: pb.GetJobRequest, context: grpc.ServicerContext) -> pb.GetJobResponse:  # noqa: N802, ARG002
        """One job."""
        whole = is_id(request.job_id)  # where it is, whether there is such a job shows when it is read
        return pb.GetJobResponse(job=self._job(request.job_id if whole else self._store.find(prefix=request.job_id)))

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
            jobs=[describe_job(row=row, store=self._store, scheduler=self._scheduler) for row in rows[:size]],
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
            last = min(request.after_number, _NUMBER_MAX)
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
                    check_welcome(context)
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
    def CancelJob(self, request: pb.CancelJobRequest, context: grpc.ServicerContext) -> pb.CancelJobResponse:  # noqa: N802
        """Stop a job."""
        job_id = self._own(request.job_id, context)
        self._scheduler.control.cancel(job_id=job_id, wait_seconds=_STOP_WAIT_SECONDS)
        return pb.CancelJobResponse(job=self._job(job_id))

    @answers
    def RetryJob(self, request: pb.RetryJobRequest, context: grpc.ServicerContext) -> pb.RetryJobResponse:  # noqa: N802
        """Queue a failed or cancelled job again."""
        job_id = self._own(request.job_id, context)
        self._admission.retry(job_id=job_id, caller=caller(context), wait_seconds=_STOP_WAIT_SECONDS)
        return pb.RetryJobResponse(job=self._job(job_id))

    @answers
    def PauseJob(self, request: pb.PauseJobRequest, context: grpc.ServicerContext) -> pb.PauseJobResponse:  # noqa: N802
        """Hold a job back."""
        job_id = self._own(request.job_id, context)
        self._scheduler.control.pause(job_id=job_id, wait_seconds=_STOP_WAIT_SECONDS)
        return pb.PauseJobResponse(job=self._job(job_id))

    @answers
    def ResumeJob(self, request: pb.ResumeJobRequest, context: grpc.ServicerContext) -> pb.ResumeJobResponse:  # noqa: N802
        """Let a paused job go on."""
        job_id = self._own(request.job_id, context)
        self._scheduler.control.unpause(job_id=job_id, wait_seconds=_STOP_WAIT_SECONDS)
        return pb.ResumeJobResponse(job=self._job(job_id))

    @answers
    def MoveJob(self, request: pb.MoveJobRequest, context: grpc.ServicerContext) -> pb.MoveJobResponse:  # noqa: N802
        """Give a job another priority or place."""
        job_id = self._own(request.job_id, context)
        self._scheduler.control.move(job_id=job_id, choose=lambda row: self._place(request, row))
        return pb.MoveJobResponse(job=self._job(job_id))

    @streams
    def VerifyOutput(  # noqa: N802
        self, request: pb.VerifyOutputRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.VerifyOutputResponse]:
        """Compare a result with its plate, frame by frame."""
        paths = []
        for field, path in (("path", request.path), ("plate_path", request.plate_path)):
            if (field == "path" or path) and not Path(path).is_absolute():
                raise InvalidJobError(
                    f"the path '{path}' is not absolute." if path else "the path of the result is missing.",
                    next_step="Give an absolute path pattern.",
                    field=field,
                    actual=path,
                )
            if "\0" in path:
                raise InvalidJobError("the path has a zero byte in it.", next_step="Give a plain path.", field=field)
            if path:
                paths.append(NamedPath(path=path, field=field))
        kept = self._kept(request.path, context)
        whole = Verification()
        total = 0
        checks = self._inspector.verify(
            result=request.path,
            plate=request.plate_path,
            paths=tuple(paths if kept is None else paths[1:]),
            kept=kept,
            who=caller(context).name,
            stop=caller_stop(context),
        )
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

    def _own(self, prefix: str, context: grpc.ServicerContext) -> str:
        """The id that begins with `prefix`, of a job that the caller may change; raises `NotAllowedError`."""
        job_id = self._store.find(prefix=prefix)
        require_owner(caller(context), self._store.job(job_id=job_id).user)
        return job_id

    def _kept(self, path: str, context: grpc.ServicerContext) -> Path | None:
        """The folder of the result, kept by the service, that a path leads to; None for any other path.

        Raises `NotAllowedError` where the caller may not read it.
        """
        job_id = self._places.kept_job(path)
        if job_id is None:
            return None
        require_owner(caller(context), self._store.job(job_id=job_id).user, what="result", doing="verify")
        return self._places.kept(job_id=job_id)

    def _place(self, request: pb.MoveJobRequest, row: Row[Any]) -> tuple[int, dict[str, float]]:
        """The priority that a job is to have, and the ranks of jobs that make its place."""
        priority = request.priority if request.HasField("priority") else row.priority
        where = request.WhichOneof("place")
        if where is None:
            return priority, {}
        others = side_by_side(self._store, row=row, priority=priority)
        index = 0 if where == "first" else len(others)
        if where == "before_job_id":
            wanted = self._store.find(prefix=request.before_job_id)
            if wanted == row.id:
                return priority, {}
            ids = [place.job_id for place in others]
            if wanted not in ids:
                raise InvalidJobError(
                    f"the job {wanted} is no unfinished job of {artist_of(row) or 'the same artist'} with the "
                    f"priority {priority}.",
                    next_step="Name one of those, or give this job the other one's priority as well.",
                    field="before_job_id",
                    actual=wanted,
                )
            index = ids.index(wanted)
        elif not getattr(request, where):
            raise InvalidJobError(f"'{where}' can only be true.", next_step="Leave it out.", field=where)
        return priority, ranks_for(job_id=row.id, others=others, index=index, now=time.time())

    def _past(self, job_id: str, *, after: int) -> list[JobEvent]:
        # What is not stored first: all that has a lower number is stored by now, and is not lost behind it.
        passing = [event for event in self._log.last_passing(job_id=job_id) if event.number > after]
        events = [JobEvent.FromString(row.payload) for row in self._store.events(job_id=job_id, after=after)]
        there = {event.number for event in events}  # a job's end, which stores its preview, may fall between the two
        events += [event for event in passing if event.number not in there]
        return sorted(events, key=lambda event: event.number)

    def _job(self, job_id: str) -> Job:
        found = whole_job(self._store, job_id=job_id)
        job = describe_whole_job(found, store=self._store, scheduler=self._scheduler)
        for event in self._log.last_passing(job_id=job_id):
            if event.HasField("preview"):
                job.preview.CopyFrom(event.preview)
        return job
