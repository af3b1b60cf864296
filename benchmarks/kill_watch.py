"""Watches jobs through kills, as a front end does: calls again from the last event on, and may miss nothing."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field

import grpc
from service_process import ServiceProcess

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import JobEvent, JobState

STORED = ("state_changed", "frame_finished", "warning")
"""Kinds of events that are never dropped; progress and previews may be."""
_AGAIN_SECONDS = 0.02
_AFTER_END_SECONDS = 0.3
"""A job that has ended may be retried, and goes on being watched."""


@dataclass(kw_only=True)
class Watch:
    """What one watcher saw of one job."""

    job_id: str
    events: list[JobEvent] = field(default_factory=list)
    reconnects: int = 0

    @property
    def last(self) -> int:
        """The number of the last event seen."""
        return self.events[-1].number if self.events else 0

    @property
    def states(self) -> list[int]:
        """The states seen, in order."""
        return [event.state_changed.state for event in self.events if event.HasField("state_changed")]

    def stored(self) -> list[tuple[int, str]]:
        """Number and kind of what may not be missed."""
        return [(event.number, event.WhichOneof("event") or "") for event in self.events if _is_stored(event)]


class Watcher(threading.Thread):
    """Follows a job until told to end, from service to service."""

    def __init__(self, *, service: ServiceProcess, job_id: str) -> None:
        super().__init__(name=f"watch-{job_id[:8]}", daemon=True)
        self.seen = Watch(job_id=job_id)
        self.fault = ""
        """What ended it against its will."""
        self._service = service
        self._over = threading.Event()

    def finish(self) -> None:
        """Have it end at the end of the stream it is in; the job must have ended."""
        self._over.set()

    def run(self) -> None:
        """Watch, and watch again."""
        while True:
            over = self._over.is_set()
            try:
                self._follow()
            except (ConnectionError, ValueError, grpc.RpcError) as error:
                code = error.code() if isinstance(error, grpc.RpcError) else None
                if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL):
                    self.fault = f"{code}: {error.details()}"
                    return
                self.seen.reconnects += code is not None
                time.sleep(_AGAIN_SECONDS)
                continue
            if over:
                return
            self._over.wait(_AFTER_END_SECONDS)

    def _follow(self) -> None:
        request = pb.WatchJobRequest(job_id=self.seen.job_id, after_number=self.seen.last)
        for answer in self._service.calls().WatchJob(request, timeout=300):
            self.seen.events.append(answer.event)


def faults(watch: Watch, service: ServiceProcess) -> list[str]:
    """What a watcher got wrong, by what somebody who asks for everything now is told."""
    found = []
    numbers = [event.number for event in watch.events]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        found.append("event numbers do not grow strictly")
    whole = Watch(job_id=watch.job_id)
    for answer in service.calls().WatchJob(pb.WatchJobRequest(job_id=watch.job_id), timeout=60):
        whole.events.append(answer.event)
    missed = sorted(set(whole.stored()) - set(watch.stored()))
    extra = sorted(set(watch.stored()) - set(whole.stored()))
    if missed:
        found.append(f"a watcher missed {len(missed)} events: {missed[:5]}")
    if extra:
        found.append(f"a watcher saw {len(extra)} events that are not stored: {extra[:5]}")
    if watch.states[-1:] != [JobState.JOB_STATE_SUCCEEDED]:
        found.append(f"the last state seen is {[JobState.Name(state) for state in watch.states[-1:]]}")
    return found


def _is_stored(event: JobEvent) -> bool:
    return event.WhichOneof("event") in STORED
