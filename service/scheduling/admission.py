"""How jobs get into the queue: created once per request, planned now or when what they depend on is done, retried."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Row

from overscan.core.errors import CancelledError, DiskFullError, InvalidJobError, OverscanError
from overscan.core.frames import format_frames
from overscan.service._errors import (
    JobNotFoundError,
    OutputInUseError,
    PlanRefusedError,
    QuotaError,
    RequestReusedError,
    ServiceClosingError,
    StoreUnavailableError,
)
from overscan.service.scheduling.dependencies import DependencyWatch, Outlook, dependency_failed, outlook
from overscan.service.scheduling.planner import Planned, Planner
from overscan.service.scheduling.scheduler import Scheduler
from overscan.service.security.quotas import Quotas
from overscan.service.security.roles import Role
from overscan.service.security.users import Caller
from overscan.service.store.events import EventLog
from overscan.service.store.queue_rows import Need, needed, unfinished_of, wait_anew
from overscan.service.store.store import Store
from overscan.service.store.writer import NewJob, Writer, now_us
from overscan.service.wire.convert import without_steps
from overscan.service.wire.frame_sets import read_frames
from overscan.service.wire.spec import output_key
from overscan.service.workers.worker import Stop
from overscan.v1.job_pb2 import JobEvent, JobSpec, JobState, JobStateChanged, Labels
from overscan.v1.plan_pb2 import Plan

_DEPENDENCIES_MAX = 100
_REQUEST_ID_LENGTH_MAX = 200
_LOOK_SECONDS = 0.5
_LABELS = tuple(Labels.DESCRIPTOR.fields_by_name)


class Admission:
    """Lets jobs in. Safe to use from any thread."""

    def __init__(
        self, *, store: Store, log: EventLog, scheduler: Scheduler, planner: Planner, quotas: Quotas | None
    ) -> None:
        self._store = store
        self._log = log
        self._scheduler = scheduler
        self._planner = planner
        self._quotas = quotas
        self._creating = threading.Condition()
        self._requests_open: set[str] = set()
        self._watch = DependencyWatch(store=store, plan=self._plan_late, refuse=self._refuse)
        scheduler.when_ended(self._watch.look)

    def start(self) -> None:
        """Attend to jobs that wait for others, once the scheduler has taken up what an earlier service left."""
        self._watch.start()

    def close(self, *, seconds_max: float) -> None:
        """Attend to them no more."""
        self._watch.close(seconds_max=seconds_max)

    def plan(self, *, spec: JobSpec, caller: Caller, stop: Stop, job_id: str = "") -> Planned:
        """What a job would do, or as much of it as can be said while jobs it depends on have not ended.

        Raises `JobNotFoundError` and `DependencyFailedError` for dependencies that no job can have.
        """
        waits = self._outlook(spec) is Outlook.WAITS
        plan = self._planner.foresee if waits else self._planner.plan
        planned = plan(spec=spec, who=caller.name, stop=stop, job_id=job_id, user=_uploader(caller))
        self._check_size(planned, caller)
        return planned

    def create(self, *, spec: JobSpec, request_id: str, caller: Caller, stop: Stop) -> str:
        """The id of the job of a request, stored and queued, whether now or before."""
        request_id = request_id or str(uuid.uuid4())
        if len(request_id) > _REQUEST_ID_LENGTH_MAX:
            raise InvalidJobError(
                "the request id is too long.",
                next_step="Use a UUID.",
                field="request_id",
                expected=f"at most {_REQUEST_ID_LENGTH_MAX} characters",
                actual=len(request_id),
            )
        with self._alone(request_id, stop):
            row = self._store.by_request(request_id=request_id)
            if row is None:
                self._check_number(caller)
                job_id, asked_us = uuid.uuid4().hex, now_us()
                planned = self.plan(spec=spec, caller=caller, stop=stop, job_id=job_id)
                if not planned.plan.feasible:
                    raise PlanRefusedError(problems=planned.plan.problems)
                self._store_job(job_id, spec, request_id, planned, caller=caller, asked_us=asked_us)
                return job_id
            self._scheduler.control.enter(job_id=row.id)  # where the store was lost just after it was written
        if JobSpec.FromString(row.spec) != spec:
            raise RequestReusedError(
                f"the request id '{request_id}' has created another job before ({row.id}).",
                next_step="Use a new id for a new job.",
                field="request_id",
                actual=request_id,
            )
        return str(row.id)

    def retry(self, *, job_id: str, caller: Caller, wait_seconds: float) -> None:
        """Queue a failed or cancelled job again; nothing happens to any other."""
        gone = self._scheduler.control.frames_gone(job_id=job_id, wait_seconds=wait_seconds)

        def check(row: Row[Any]) -> None:
            self._check_number(caller)
            self._check_output_is_free(row)

        with self._creating:
            self._scheduler.control.retry(job_id=job_id, gone=gone, check=check)

    def _outlook(self, spec: JobSpec) -> Outlook:
        """Whether a job can be planned now; raises where it never can."""
        ids = list(dict.fromkeys(spec.depends_on))
        if len(ids) > _DEPENDENCIES_MAX:
            raise InvalidJobError(
                f"the job depends on {len(ids)} others.",
                next_step="Let it depend on the last ones only.",
                field="depends_on",
                expected=f"at most {_DEPENDENCIES_MAX}",
                actual=len(ids),
            )
        needs = needed(self._store, ids=ids)
        _require_known(ids, needs)
        found = outlook(needs)
        if found is Outlook.FAILS:
            raise dependency_failed(needs)
        return found

    def _store_job(
        self, job_id: str, spec: JobSpec, request_id: str, planned: Planned, *, caller: Caller, asked_us: int
    ) -> None:
        state = JobState.JOB_STATE_WAITING if planned.later else JobState.JOB_STATE_QUEUED
        new = NewJob(
            id=job_id,
            request_id=request_id,
            spec=spec.SerializeToString(),
            priority=spec.priority,
            output_key=output_key(planned.job.output.path),
            labels={name: getattr(spec.labels, name) for name in _LABELS},
            user=caller.name,
            rank=time.time(),
            depends_on=spec.depends_on,
            state=state,
            **_stored(planned),
        )

        def write(writer: Writer) -> None:
            writer.add_job(new)
            if new.depends_on:
                wait_anew(writer, new.id, now_us=asked_us)
            for notice in planned.plan.warnings:
                writer.add_warning(new.id, notice.code, notice.message, notice.frame)

        event = JobEvent(job_id=new.id, state_changed=JobStateChanged(state=state))
        with self._creating:  # between the look for other jobs and the new row
            self._check_number(caller)  # once more: planning takes a while, and several calls may do so at once
            self._check_free(new.output_key, set(new.frames))
            self._log.emit(event, change=write)
        self._scheduler.control.enter(job_id=new.id)
        if planned.later:
            self._watch.look()

    def _plan_late(self, job_id: str, stop: Stop) -> None:
        """Plan and queue a job whose dependencies are done; it fails where it cannot run after all."""
        row = self._store.job(job_id=job_id)
        spec = JobSpec.FromString(row.spec)
        caller = Caller(name=row.user, role=Role.ARTIST)
        try:
            planned = self._plan_waiting(row, spec, stop)
            self._check_size(planned, caller)
            if not planned.plan.feasible:
                raise PlanRefusedError(problems=planned.plan.problems)
            frames = set(planned.plan.frames)

            def write(writer: Writer) -> None:
                writer.set_plan(job_id, **_stored(planned))
                for notice in planned.plan.warnings:
                    writer.add_warning(job_id, notice.code, notice.message, notice.frame)

            with self._creating:
                self._scheduler.control.admit(
                    job_id=job_id, change=write, check=lambda: self._check_free(row.output_key, frames)
                )
        except (DiskFullError, StoreUnavailableError, ServiceClosingError, CancelledError):
            raise
        except OverscanError as error:
            self._refuse(job_id, error)

    def _plan_waiting(self, row: Row[Any], spec: JobSpec, stop: Stop) -> Planned:
        try:
            with self._scheduler.control.planning():  # whose uploads it may read was checked when it was created
                return self._planner.plan(spec=spec, who=row.user, stop=stop, job_id=row.id, user=None)
        except QuotaError as error:  # calls of the same user hang, and it is not the job's fault: it waits on
            raise CancelledError(error.record.message) from error

    def _refuse(self, job_id: str, error: OverscanError) -> None:
        record = error.record
        if isinstance(error, PlanRefusedError) and len(error.problems) > 1:
            record = replace(record, message=f"{record.message} (and {len(error.problems) - 1} more)")
        self._scheduler.control.refuse(job_id=job_id, error=record)

    def _check_number(self, caller: Caller) -> None:
        if self._quotas is not None and caller.name:
            self._quotas.check_jobs(caller, unfinished=unfinished_of(self._store, user=caller.name))

    def _check_size(self, planned: Planned, caller: Caller) -> None:
        window, frames = planned.plan.display_window, len(planned.plan.frames)
        if self._quotas is not None and planned.plan.feasible:
            pixels = window.width * window.height * frames if window is not None else 0
            self._quotas.check_job(caller, frames=frames, pixels=pixels)

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

    @contextmanager
    def _alone(self, request_id: str, stop: Stop) -> Iterator[None]:
        """Let one call at a time create the job of a request; raises `CancelledError` where the caller goes before."""
        with self._creating:
            while request_id in self._requests_open:
                if stop.requested:
                    raise CancelledError("the caller has gone.")
                self._creating.wait(_LOOK_SECONDS)
            self._requests_open.add(request_id)
        try:
            yield
        finally:
            with self._creating:
                self._requests_open.discard(request_id)
                self._creating.notify_all()


def _uploader(caller: Caller) -> str | None:
    """Whose uploads a job may read; None for everybody's, which whoever runs the service may."""
    return None if caller.role >= Role.ADMIN else caller.name


def _require_known(ids: Sequence[str], needs: Sequence[Need]) -> None:
    unknown = sorted(set(ids) - {need.job_id for need in needs if need.state is not None})
    if unknown:
        raise JobNotFoundError(
            f"there is no job '{unknown[0]}' that this one could depend on.",
            next_step="Give whole ids; `overscan jobs list --json` shows them.",
            field="depends_on",
            actual=unknown[0],
        )


def _stored(planned: Planned) -> dict[str, Any]:
    """What the store keeps of a plan; a job that is planned later has none."""
    if planned.later:
        return {"plan": b"", "whole_plan": b"", "parameters": "{}", "steps": (), "frames": ()}
    return {
        "plan": without_steps(planned.wire),
        "whole_plan": planned.wire.SerializeToString(),
        "parameters": json.dumps(planned.parameters),
        "steps": [step.id for step in planned.plan.steps],
        "frames": planned.plan.frames,
    }
