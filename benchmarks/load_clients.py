"""Client processes of `load.py`: each calls the service over its socket by itself and says how long every call took."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import grpc

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.generation_service_pb2_grpc import GenerationServiceStub
from overscan.v1.job_pb2 import JobSpec, JobState

CALL_SECONDS_MAX = 60
_ENDED = (JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)
STORED = ("state_changed", "frame_finished", "warning")
"""Kinds of events that no watcher may miss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What a client process is to do: so many calls of `method`, one after another, `pause_seconds` between."""

    method: str
    """GetJob, ListJobs or CreateJob."""
    count: int
    pause_seconds: float = 0.0
    job_ids: Sequence[str] = ()
    """For GetJob: any of these each time."""
    specs: Sequence[bytes] = ()
    """For CreateJob: the `JobSpec` of each call."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What came of it."""

    seconds: Sequence[float]
    job_ids: Sequence[str]
    """Of the jobs that were created."""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one watcher saw of its job."""

    job_id: str
    stored: Sequence[tuple[int, str]]
    """Number and kind of every event that may not be missed, in the order they came."""
    states: Sequence[int]
    growing: bool
    """Whether every number was above the one before."""
    first_seconds: float
    """From the call to the first event."""
    delays: Sequence[float]
    """Seconds from an event's own time to its arrival, of events since the call."""
    error: str = ""


def call(sender: Connection, address: str, order: Calls) -> None:
    """Body of a process that makes calls; sends one `Called`."""
    dice = random.Random(order.seed)
    seconds: list[float] = []
    created: list[str] = []
    error = ""
    with grpc.insecure_channel(address) as channel:
        stub = GenerationServiceStub(channel)
        stub.ListJobs(
            pb.ListJobsRequest(page_size=1), timeout=CALL_SECONDS_MAX
        )  # the connection's own time is not meant
        try:
            for number in range(order.count):
                began = time.perf_counter()
                if order.method == "GetJob":
                    stub.GetJob(pb.GetJobRequest(job_id=dice.choice(order.job_ids)), timeout=CALL_SECONDS_MAX)
                elif order.method == "ListJobs":
                    stub.ListJobs(pb.ListJobsRequest(), timeout=CALL_SECONDS_MAX)
                else:
                    spec = JobSpec.FromString(order.specs[number])
                    answer = stub.CreateJob(pb.CreateJobRequest(spec=spec), timeout=CALL_SECONDS_MAX)
                    created.append(answer.job.id)
                seconds.append(time.perf_counter() - began)
                time.sleep(order.pause_seconds)
        except grpc.RpcError as failed:
            error = f"{failed.code()}: {failed.details()}"
    sender.send(Called(seconds=seconds, job_ids=created, error=error))
    sender.close()


def watch(sender: Connection, address: str, job_ids: Sequence[str]) -> None:
    """Body of a process that watches jobs, all at once, each to its end; sends "watching", then all `Watched`."""
    found: list[Watched] = []
    with grpc.insecure_channel(address) as channel:
        stub = GenerationServiceStub(channel)
        begun = threading.Barrier(len(job_ids) + 1)
        threads = [threading.Thread(target=_follow, args=(stub, job_id, found, begun)) for job_id in job_ids]
        for thread in threads:
            thread.start()
        begun.wait(CALL_SECONDS_MAX)
        sender.send("watching")
        for thread in threads:
            thread.join()
    sender.send(found)
    sender.close()


def whole(stub: GenerationServiceStub, job_id: str) -> list[tuple[int, str]]:
    """All stored events of a job that has ended."""
    answers = stub.WatchJob(pb.WatchJobRequest(job_id=job_id), timeout=CALL_SECONDS_MAX)
    return [
        (answer.event.number, kind) for answer in answers if (kind := answer.event.WhichOneof("event") or "") in STORED
    ]


def _follow(stub: GenerationServiceStub, job_id: str, found: list[Watched], begun: threading.Barrier) -> None:
    stored: list[tuple[int, str]] = []
    states: list[int] = []
    delays: list[float] = []
    growing, last, first, error = True, 0, float("nan"), ""
    began, begun_at = time.perf_counter(), time.time()
    waiting = True
    try:
        for answer in stub.WatchJob(pb.WatchJobRequest(job_id=job_id), timeout=3600):
            if waiting:
                first, waiting = time.perf_counter() - began, False
                begun.wait(CALL_SECONDS_MAX)
            told = answer.event.time.ToNanoseconds() / 1e9
            if told > begun_at:
                delays.append(time.time() - told)
            growing, last = growing and answer.event.number > last, answer.event.number
            kind = answer.event.WhichOneof("event") or ""
            if kind in STORED:
                stored.append((answer.event.number, kind))
            if kind == "state_changed":
                states.append(answer.event.state_changed.state)
    except grpc.RpcError as failed:
        error = f"{failed.code()}: {failed.details()}"
    if not error and states[-1:] and states[-1] not in _ENDED:
        error = f"the stream ended in {JobState.Name(states[-1])}"
    found.append(
        Watched(
            job_id=job_id,
            stored=stored,
            states=states,
            growing=growing,
            first_seconds=first,
            delays=delays,
            error=error,
        )
    )
