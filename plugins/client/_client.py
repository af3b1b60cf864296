"""The client: one method per thing the service does."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import grpc

from overscan.client._admin import Admin
from overscan.client._discovery import Endpoint, connection_problem, given_endpoint, home_folder, refusal
from overscan.client._errors import ServiceError, ServiceUnreachableError, from_rpc_error, make_problem
from overscan.client._link import Link
from overscan.client._private import ensure_service, live_endpoint
from overscan.client._transfer import Frames
from overscan.v1 import engine_service_pb2 as engine_messages
from overscan.v1 import generation_service_pb2 as messages
from overscan.v1.engine_pb2 import Engine, Task
from overscan.v1.job_pb2 import Job, JobEvent, JobSpec, JobState, Labels
from overscan.v1.plan_pb2 import Plan

Answer = TypeVar("Answer")

ENDED = frozenset({JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED})
"""The states in which a job stays until it is retried."""

START_TIMEOUT_SECONDS = 30.0
IDLE_EXIT_SECONDS = 30.0

_QUICK_SECONDS = 60.0
_PLANNING_SECONDS = 600.0
"""Planning reads the headers of a whole shot, perhaps over a slow network drive."""
_RETRY_PAUSES_SECONDS = (0.1, 0.4, 1.0)
_MOST_PAUSE_SECONDS = 2.0


def connect(
    *,
    start_private: bool = True,
    home: str | os.PathLike[str] | None = None,
    address: str | None = None,
    timeout_seconds: float = START_TIMEOUT_SECONDS,
) -> Client:
    """A client of the service that runs here.

    The service is the one at `address` or ``$OVERSCAN_ADDRESS``; else the one announced in the home folder (`home`,
    ``$OVERSCAN_HOME``, or the user's data folder); else, with `start_private`, a new one that ends by itself when it
    has been idle for ``$OVERSCAN_IDLE_EXIT`` seconds (30 unless set).

    Raises `ServiceUnreachableError`, saying why, where there is none after `timeout_seconds`.
    """
    client = Client(home=home, address=address, start_private=start_private, timeout_seconds=timeout_seconds)
    client.open()
    return client


class Client:
    """Talks to one service. Safe to use from several threads; close it, or use it in a ``with`` statement.

    Every method raises `ServiceError` with what is wrong and what to do. Calls whose connection breaks are sent
    again, to a service started anew where need be; all of them can be, without doing anything twice.
    """

    def __init__(
        self,
        *,
        home: str | os.PathLike[str] | None = None,
        address: str | None = None,
        start_private: bool = True,
        timeout_seconds: float = START_TIMEOUT_SECONDS,
    ) -> None:
        self.home: Path = home_folder(home)
        """Folder in which the service is looked for."""
        self._given = given_endpoint(address)
        self._start_private = start_private
        self._timeout_seconds = timeout_seconds
        self._link: Link | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> Endpoint:
        """Find (or start) the service now rather than with the first call; returns where it is."""
        return self._connected().endpoint

    def close(self) -> None:
        """Close the connection. The service and its jobs go on."""
        with self._lock:
            self._closed = True
            if self._link is not None:
                self._link.close()
                self._link = None

    @property
    def admin(self) -> Admin:
        """What the service says about itself, and how it is looked after."""
        return Admin(call=self._call)

    @property
    def frames(self) -> Frames:
        """Frames over the wire, for when the service cannot read this machine's disks."""
        return Frames(call=self._call, call_once=self._call_once)

    def plan(self, *, spec: JobSpec) -> Plan:
        """What the job would do and take, or in `Plan.problems` why it cannot run. Runs nothing."""
        request = messages.PlanJobRequest(spec=spec)
        return self._call(
            lambda link: link.generation.PlanJob(request, timeout=_PLANNING_SECONDS, metadata=link.metadata)
        ).plan

    def create(self, *, spec: JobSpec, request_id: str = "") -> Job:
        """Store and queue a job. The same `request_id` (a UUID, made up where empty) always gives the same job."""
        request = messages.CreateJobRequest(spec=spec, request_id=request_id or str(uuid.uuid4()))
        return self._call(
            lambda link: link.generation.CreateJob(request, timeout=_PLANNING_SECONDS, metadata=link.metadata)
        ).job

    def get(self, *, job_id: str) -> Job:
        """One job, by its id or an unambiguous beginning of it."""
        request = messages.GetJobRequest(job_id=job_id)
        return self._call(
            lambda link: link.generation.GetJob(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
        ).job

    def list(
        self, *, states: Iterable[JobState.ValueType] = (), labels: Labels | None = None, limit: int | None = None
    ) -> Iterator[Job]:
        """Jobs, newest first, without their steps and frames; at most `limit` of them where given."""
        request = messages.ListJobsRequest(states=states, labels=labels)
        left = limit
        while left is None or left > 0:
            request.page_size = 100 if left is None else min(left, 100)
            page = self._call(
                lambda link: link.generation.ListJobs(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
            )
            jobs = page.jobs if left is None else page.jobs[:left]
            yield from jobs
            left = None if left is None else left - len(jobs)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def watch(self, *, job_id: str, after_number: int = 0, patience_seconds: float = 60.0) -> Iterator[JobEvent]:
        """What happens to a job, event by event, until it ends.

        `after_number` skips the events up to that number. When the connection breaks or the service is restarted, the
        stream goes on after the last event, none lost and none repeated; it gives up, raising `ServiceError`, when
        for `patience_seconds` no service comes back.
        """
        number = after_number
        ended = False
        failures = 0
        give_up = time.monotonic() + patience_seconds
        while not ended:
            try:
                for event in self._events(job_id=job_id, after_number=number):
                    failures, give_up = 0, time.monotonic() + patience_seconds
                    if event.number <= number:
                        continue
                    number = event.number
                    ended = event.WhichOneof("event") == "state_changed" and event.state_changed.state in ENDED
                    yield event
                # A service that is being stopped also ends the stream, as if all were said.
                ended = ended or self.get(job_id=job_id).state in ENDED
            except ServiceError as error:
                if not _worth_another_try(error) or time.monotonic() > give_up:
                    raise
                time.sleep(min(0.1 * 2**failures, _MOST_PAUSE_SECONDS))
                failures += 1

    def cancel(self, *, job_id: str) -> Job:
        """Ask a job to stop. Finished frames stay; the state becomes cancelled once its workers have stopped."""
        request = messages.CancelJobRequest(job_id=job_id)
        return self._call(
            lambda link: link.generation.CancelJob(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
        ).job

    def retry(self, *, job_id: str) -> Job:
        """Queue a failed or cancelled job again. Finished steps are not repeated."""
        request = messages.RetryJobRequest(job_id=job_id)
        return self._call(
            lambda link: link.generation.RetryJob(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
        ).job

    def pause(self, *, job_id: str) -> Job:
        """Hold a job back until it is resumed. What runs of it is stopped, what is done stays."""
        request = messages.PauseJobRequest(job_id=job_id)
        return self._call(
            lambda link: link.generation.PauseJob(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
        ).job

    def resume(self, *, job_id: str) -> Job:
        """Let a paused job go on."""
        request = messages.ResumeJobRequest(job_id=job_id)
        return self._call(
            lambda link: link.generation.ResumeJob(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
        ).job

    def move(
        self,
        *,
        job_id: str,
        priority: int | None = None,
        before_job_id: str | None = None,
        first: bool = False,
        last: bool = False,
    ) -> Job:
        """Change a job's priority, or its place among its artist's jobs of that priority: at most one of the three."""
        request = messages.MoveJobRequest(job_id=job_id, priority=priority)
        if before_job_id is not None:
            request.before_job_id = before_job_id
        elif first:
            request.first = True
        elif last:
            request.last = True
        return self._call(
            lambda link: link.generation.MoveJob(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
        ).job

    def verify(self, *, path: str, plate_path: str = "") -> Iterator[messages.VerifyOutputResponse]:
        """Check a result against its receipt, then compare it with its plate outside the generated region.

        `path` and `plate_path` are absolute path patterns; without `plate_path` the result's header names the plate.
        First come messages with a `finding` each, then one a frame; the last has the whole in `verification`.
        """
        request = messages.VerifyOutputRequest(path=path, plate_path=plate_path)
        self.engines()  # sees to it that a service is there that did not end since the last call
        link = self._connected()
        try:
            yield from link.generation.VerifyOutput(request, metadata=link.metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def engines(self, *, task: Task.ValueType = Task.TASK_UNSPECIFIED) -> tuple[Engine, ...]:
        """The engines installed here, those that cannot run here included; with `task`, the ones that do it."""
        request = engine_messages.ListEnginesRequest(task=task)
        return tuple(
            self._call(
                lambda link: link.engines.ListEngines(request, timeout=_QUICK_SECONDS, metadata=link.metadata)
            ).engines
        )

    def _events(self, *, job_id: str, after_number: int) -> Iterator[JobEvent]:
        link = self._connected()
        request = messages.WatchJobRequest(job_id=job_id, after_number=after_number)
        call = link.generation.WatchJob(request, metadata=link.metadata)
        try:
            for response in call:
                yield response.event
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
            if failure.connection_lost:
                self._drop(link)
            raise failure from error
        finally:
            call.cancel()

    def _call(self, method: Callable[[Link], Answer]) -> Answer:
        for pause in (*_RETRY_PAUSES_SECONDS, None):
            link = self._connected()
            try:
                return method(link)
            except grpc.RpcError as error:
                failure = from_rpc_error(error)
                if not failure.connection_lost:
                    raise failure from error
                self._drop(link)
                if pause is None:
                    raise failure from error
                time.sleep(pause)
        raise AssertionError("the loop above returns or raises")

    def _call_once(self, method: Callable[[Link], Answer]) -> Answer:
        link = self._connected()
        try:
            return method(link)
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
            if failure.connection_lost:
                self._drop(link)
            raise failure from error
        except ValueError as error:
            if not link.closed:
                raise
            problem = make_problem("SERVICE_UNREACHABLE", "The connection to the Overscan service was lost.")
            raise ServiceError([problem], connection_lost=True) from error  # another thread has found that out first

    def _connected(self) -> Link:
        with self._lock:
            if self._closed:
                raise RuntimeError("this client was closed")
            if self._link is None:
                self._link = Link(self._find())
            return self._link

    def _drop(self, link: Link) -> None:
        with self._lock:
            if self._link is link:
                self._link = None
        link.close()

    def _find(self) -> Endpoint:
        if self._given is not None:
            reason = refusal(self._given)
            if reason:
                raise _unreachable(
                    f"No Overscan service answers at {self._given.address}: {reason}.",
                    "Start it there, or unset OVERSCAN_ADDRESS to use a service of your own.",
                )
            problem = connection_problem(self._given)
            if problem is not None:
                raise ServiceError([problem])
            return self._given
        if self._start_private:
            return ensure_service(
                home=self.home, timeout_seconds=self._timeout_seconds, idle_exit_seconds=_idle_exit_seconds()
            )
        endpoint = live_endpoint(home=self.home)
        if endpoint is None:
            raise _unreachable(
                f"No Overscan service runs for the home folder {self.home}.",
                "Start one with `overscan serve`, or any job, which starts its own.",
            )
        return endpoint


def _idle_exit_seconds() -> float:
    text = os.environ.get("OVERSCAN_IDLE_EXIT") or str(IDLE_EXIT_SECONDS)
    try:
        return float(text)
    except ValueError:
        raise _unreachable(
            f"OVERSCAN_IDLE_EXIT is '{text}', which is no number of seconds.", "Unset it, or set it to e.g. 30."
        ) from None


def _worth_another_try(error: ServiceError) -> bool:
    return error.connection_lost or isinstance(error, ServiceUnreachableError)


def _unreachable(message: str, next_step: str) -> ServiceUnreachableError:
    return ServiceUnreachableError([make_problem("SERVICE_UNREACHABLE", message, next_step=next_step)])
