"""`AdminService`: what runs the service rather than jobs."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Sequence

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from overscan.core.errors import InvalidJobError, OverscanError
from overscan.service._errors import ServiceClosingError
from overscan.service._settings import Settings
from overscan.service.calls.rpc import Activity, answers, caller
from overscan.service.operations.drain import Drain
from overscan.service.retention.purge import Purger, Selection
from overscan.service.scheduling.scheduler import Scheduler
from overscan.service.store.job_counts import count_jobs
from overscan.service.store.store import Store
from overscan.service.workers.slots import Slot
from overscan.v1 import admin_service_pb2 as pb
from overscan.v1.admin_service_pb2_grpc import AdminServiceServicer

_SECONDS_MAX = 86400.0


class AdminServicer(AdminServiceServicer):
    """Answers calls of whoever looks after the service."""

    def __init__(
        self,
        *,
        settings: Settings,
        version: str,
        store: Store,
        scheduler: Scheduler,
        slots: Sequence[Slot],
        drain: Drain,
        purger: Purger,
        activity: Activity,
    ) -> None:
        self.activity = activity
        self._settings = settings
        self._version = version
        self._store = store
        self._scheduler = scheduler
        self._slots = slots
        self._drain = drain
        self._purger = purger
        self._started_ns = time.time_ns()

    @answers
    def GetCaller(self, request: pb.GetCallerRequest, context: grpc.ServicerContext) -> pb.GetCallerResponse:  # noqa: N802, ARG002
        """Who the caller is taken for."""
        who = caller(context)
        return pb.GetCallerResponse(user=who.name, role=pb.Role.ValueType(who.role.value))

    @answers
    def GetStatus(self, request: pb.GetStatusRequest, context: grpc.ServicerContext) -> pb.GetStatusResponse:  # noqa: N802, ARG002
        """How the service is doing."""
        status = pb.GetStatusResponse(version=self._version, draining=self._drain.draining)
        # Whoever asks while the store or the disk is away is told the rest.
        with contextlib.suppress(OverscanError):
            status.jobs.update(count_jobs(self._store))
        with contextlib.suppress(OSError):
            status.home_bytes_free = shutil.disk_usage(self._settings.home).free
        status.start_time.FromNanoseconds(self._started_ns)
        for slot in self._slots:
            worker = slot.status()
            status.workers.add(
                name=worker.name,
                device=worker.device,
                pid=worker.pid,
                job_id=worker.job_id,
                step_id=worker.step_id,
                silent_seconds=worker.silent_seconds,
                memory_bytes=worker.memory_bytes,
            )
        return status

    @answers
    def Drain(self, request: pb.DrainRequest, context: grpc.ServicerContext) -> pb.DrainResponse:  # noqa: N802, ARG002
        """Bring the service to rest, or back to work."""
        if request.undo:
            if request.close or request.seconds_max:
                raise InvalidJobError(
                    "to drain and to undo a drain exclude each other.", next_step="Send undo alone.", field="undo"
                )
            if not self._drain.undo():
                raise ServiceClosingError("the service is about to end.", next_step="Start it again.")
            return pb.DrainResponse(running_steps=self._scheduler.running_steps())
        seconds = request.seconds_max
        if not (math.isfinite(seconds) and 0 <= seconds <= _SECONDS_MAX):
            raise InvalidJobError(
                "that is no time to wait.",
                next_step="Give seconds, or 0 for the service's own limit.",
                field="seconds_max",
                expected=f"0 to {_SECONDS_MAX:g}",
                actual=seconds,
            )
        self._drain.begin(close=request.close, seconds=seconds or None)
        return pb.DrainResponse(running_steps=self._scheduler.running_steps())

    @answers
    def Purge(self, request: pb.PurgeRequest, context: grpc.ServicerContext) -> pb.PurgeResponse:  # noqa: N802, ARG002
        """Remove jobs that have ended, with all that is kept of them."""
        before = request.ended_before
        selection = Selection(
            job_ids=request.job_ids,
            show=request.show,
            ended_before_us=_microseconds(before) if request.HasField("ended_before") else None,
            receipts=request.receipts,
            cache=request.cache,
        )
        gone = self._purger.purge(selection, dry_run=request.dry_run)
        return pb.PurgeResponse(jobs=gone.jobs, files=gone.files, bytes=gone.bytes)


def _microseconds(given: Timestamp) -> int:
    try:
        return given.ToMicroseconds()
    except ValueError as error:
        raise InvalidJobError(
            "the time is none of the years 1 to 9999.", next_step="Give seconds since 1970.", field="ended_before"
        ) from error
