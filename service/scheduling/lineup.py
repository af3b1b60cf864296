"""The jobs that have not ended, as they are in memory: in the queue or being worked on.

One lock guards all of it. Whatever is decided is written to the store first and only then done in memory, so that a
full disk or a kill at any point loses nothing but the step in flight.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from overscan.core.errors import DiskFullError, ErrorRecord, ShareLostError
from overscan.core.storage import storage_error
from overscan.core.temporaries import remove_temporaries
from overscan.service._errors import JobEndedError, JobNotFoundError, ServiceClosingError, StoreUnavailableError
from overscan.service._settings import Settings
from overscan.service.scheduling.job_run import JobRun, Stopping
from overscan.service.scheduling.machine import queue_limits
from overscan.service.scheduling.queue import Entry, Queue
from overscan.service.scheduling.retries import tried_before
from overscan.service.store.events import EventLog
from overscan.service.store.queue_rows import artist_of
from overscan.service.store.recorder import Recorder
from overscan.service.store.store import Store
from overscan.service.store.writer import ENDED
from overscan.service.transfers.places import Places
from overscan.service.wire.convert import plan_from_wire
from overscan.service.wire.spec import to_job
from overscan.v1.job_pb2 import JobSpec, JobState, StepState
from overscan.v1.plan_pb2 import Plan

_LOG = logging.getLogger(__name__)
STORE_FAULTS = (DiskFullError, StoreUnavailableError, OSError)
"""What may go away by itself: no room, a lock held too long, storage that is not there for a while."""
_LOOK_SECONDS_MAX = 0.02
"""How long whoever only wants to look waits for the lock."""
_NO_LOOK_SECONDS = 0.2
"""How long nobody waits for it again who has waited in vain: a list looks at a thousand jobs."""
_SWEEP_SECONDS_MAX = 2.0
"""A share that does not answer may not hold the lock for longer."""
_SETTLE_SECONDS = 2.0
"""Between two attempts to end jobs whose end the store did not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a job that has not ended stands, as far as the store does not say."""

    progress: float | None
    """Part done, 0 to 1; None where nothing more is known than what is stored."""
    fractions: dict[str, float]
    """Part done of each running step."""
    held_by: str
    """Why it waits though it could run; empty where it does not."""


class Lineup:
    """Jobs in memory, for the scheduler, which gives out their work, and for those who change them on request.

    Every method may be called with or without the lock, `changed`.
    """

    def __init__(self, *, store: Store, log: EventLog, settings: Settings, places: Places | None = None) -> None:
        self.store = store
        self.record = Recorder(store=store, log=log)
        self.changed = threading.Condition(threading.RLock())
        """The lock, and what is told of every change."""
        half_life = settings.fair_share_half_life_seconds
        self.queue = Queue(limits=queue_limits(settings), half_life_seconds=half_life)
        self.runs: dict[str, JobRun] = {}
        """The jobs of the queue that a worker was on; no plan of another is in memory."""
        self.last_jobs: dict[str, str] = {}
        """The job that each slot worked on last."""
        self.to_release: set[str] = set()
        """Slots whose worker may hold what a paused job loaded."""
        self.holding = False
        """Whether no work is given out for now."""
        self.closing = False
        """Whether none is given out any more."""
        self.being_planned = 0
        """Jobs that waited for others, and are being planned."""
        self.on_end: Callable[[], None] = lambda: None
        """Called, and not to take long, when a job has ended or may be planned."""
        self._places = places
        self._left_out: set[str] = set()
        self._settled_at = 0.0
        self._no_look_until = 0.0
        self._receipts = settings.receipts

    def add(self, *, job_id: str) -> None:
        """Queue a stored job that is to be run; later, by `add_left_out`, where the store cannot be read now."""
        with self.changed:
            if job_id in self.queue:
                return
            try:
                row = self.store.job(job_id=job_id)
            except (StoreUnavailableError, OSError) as error:
                _LOG.warning("job %s is queued as soon as the store can be read: %s", job_id, error)
                self._left_out.add(job_id)
                return
            if row.state == JobState.JOB_STATE_QUEUED:
                self.put(row)

    def put(self, row: Row[Any], *, begun: bool = False) -> None:
        """Queue the job of a row of the store; `begun` where a worker was on it, and it counts as running."""
        entry = Entry(
            id=row.id,
            artist=artist_of(row),
            priority=row.priority,
            rank=row.rank,
            ordinal=row.ordinal,
            memory_bytes=Plan.FromString(row.plan).estimate.memory_bytes,
            begun=begun,
        )
        with self.changed:
            self.queue.add(entry)
            self.changed.notify_all()

    def add_left_out(self) -> None:
        """Queue the jobs that could not be queued before."""
        with self.changed:
            waiting, self._left_out = self._left_out, set()
            for job_id in waiting:
                with contextlib.suppress(JobNotFoundError):  # cancelled and purged meanwhile
                    self.add(job_id=job_id)

    def settle_left(self) -> None:
        """End the stopped jobs whose end could not be written when their last step had come back."""
        with self.changed:
            left = [run for run in self.runs.values() if run.stopping is not None and not run.running]
            if not left or time.monotonic() < self._settled_at + _SETTLE_SECONDS:
                return
            self._settled_at = time.monotonic()
            for run in left:
                try:
                    self.settle(run)
                except STORE_FAULTS as error:
                    _LOG.warning("job %s cannot be ended yet: %s", run.id, error)
                    return

    def standing(self, *, job_id: str) -> Standing | None:
        """How a job of the queue stands; None for one that is not in it.

        Nor where the lock is held for long, by a write to a slow store: what is stored is never far behind.
        """
        looks = time.monotonic() >= self._no_look_until
        if not self.changed.acquire(timeout=_LOOK_SECONDS_MAX if looks else 0.0):
            self._no_look_until = time.monotonic() + _NO_LOOK_SECONDS if looks else self._no_look_until
            return None
        try:
            if job_id not in self.queue:
                return None
            run = self.runs.get(job_id)
            if run is not None and run.running:
                fractions = {work.id: work.fraction for work in run.running.values()}
                return Standing(progress=run.progress(), fractions=fractions, held_by="")
            held_by = (run.held_by() if run else "") or self.queue.held_by(job_id, now=time.monotonic())
            if self.holding or self.closing:
                held_by = "The service begins nothing new at present: it is being stopped, or was told to drain."
            return Standing(progress=None if run is None else run.progress(), fractions={}, held_by=held_by)
        finally:
            self.changed.release()

    def load(self, job_id: str) -> None:
        """Take a job's plan into memory; a job that cannot be read any more fails.

        Raises OSError where there is no room for it now, or the home's disk does not answer.
        """
        row = self.store.job(job_id=job_id)
        steps = self.store.steps(job_id=job_id)
        plan = self.store.plan(job_id=job_id)
        try:
            if self._places is not None:
                self._places.make_kept(JobSpec.FromString(row.spec), job_id=job_id)
            self.runs[job_id] = JobRun(
                job_id=job_id,
                job=to_job(
                    JobSpec.FromString(row.spec),
                    parameters=json.loads(row.parameters),
                    places=self._places,
                    job_id=row.id,
                ),
                plan=plan_from_wire(Plan.FromString(plan)),
                done=[step.step_id for step in steps if step.state == StepState.STEP_STATE_DONE],
                started=row.started_us is not None,
                usage_seconds=row.usage_seconds,
                tried=tried_before(steps),
            )
            self.queue.set_alone(job_id, self.runs[job_id].is_frugal)
        except Exception as error:
            if isinstance(storage_error(error), (DiskFullError, ShareLostError)):
                raise
            _LOG.exception("job %s cannot be read from the store", job_id)
            record = ErrorRecord(
                code="INTERNAL",
                message=f"the stored job cannot be read: {error}",
                next_step="It may come from another version of Overscan; create it again.",
            )
            self.record.failed(job_id=job_id, error=record)
            self.forget(job_id)

    def stop(self, run: JobRun, reason: Stopping) -> None:
        """Have a job's running steps stop."""
        run.stopping = reason
        for work in run.running.values():
            work.stop.request()

    def settle(self, run: JobRun) -> None:
        """End a job whose stopped steps have all come back, leaving nothing of a killed worker beside its frames.

        Nothing happens to one that has ended already.
        """
        if run.stopping is not None and not run.running and self.runs.get(run.id) is run:
            self.sweep(run)
            self.record.used(job_id=run.id, seconds=run.usage_seconds)
            if run.stopping is Stopping.CANCEL:
                self.record.cancelled(job_id=run.id)
            elif run.stopping is Stopping.FAIL:
                self.record.failed(job_id=run.id, error=run.error)
            elif run.stopping is Stopping.PAUSE:
                self.record.paused(job_id=run.id)
                self.to_release |= {slot for slot, last in self.last_jobs.items() if last == run.id}
            elif run.announced:
                self.record.interrupted(job_id=run.id)
            self.forget(run.id)
        self.changed.notify_all()

    def sweep(self, run: JobRun) -> None:
        """Remove what killed workers left unfinished of a job of which nothing runs."""
        self._remove_unfinished((Path(run.job.output.path).parent, self._receipts), owner=run.id)

    def forget(self, job_id: str) -> None:
        """The job is not worked on any more."""
        self.runs.pop(job_id, None)
        self.queue.remove(job_id)
        self.record.forget(job_id=job_id)
        self.changed.notify_all()
        self.on_end()

    def clean(self, row: Row[Any]) -> None:
        """Leave nothing of a killed worker beside the frames of a job."""
        if row.started_us is not None:
            self._remove_unfinished((self._output_folder(row), self._receipts), owner=row.id)

    def _remove_unfinished(self, folders: Sequence[Path], *, owner: str) -> None:
        """Remove what `owner` has left unfinished; where the storage does not answer in time, leave it there."""
        late = threading.Event()

        def remove() -> None:
            for folder in folders:
                remove_temporaries(folder=folder, owner=owner, leave=late.is_set)

        thread = threading.Thread(target=remove, name="sweep", daemon=True)
        thread.start()
        thread.join(_SWEEP_SECONDS_MAX)
        if thread.is_alive():
            late.set()  # when the storage is back, the job may be at work again
            _LOG.warning("unfinished files of job %s may be left in %s, which does not answer", owner, folders[0])

    def _output_folder(self, row: Row[Any]) -> Path:
        spec = JobSpec.FromString(row.spec)
        if self._places is not None and not spec.output.path:
            return self._places.kept(job_id=row.id)
        return Path(spec.output.path).parent

    def wait_for_end(self, run: JobRun, deadline: float) -> None:
        """Wait until nothing of a job that is being stopped runs, or until `deadline` of the monotonic clock."""
        while self.runs.get(run.id) is run and time.monotonic() < deadline and not self.closing:
            self.changed.wait(max(deadline - time.monotonic(), 0.0))

    def require_open(self) -> None:
        """Raise `ServiceClosingError` where the service is closing."""
        if self.closing:
            raise ServiceClosingError("the service is closing.", next_step="Try again in a moment.")

    def require_not_ended(self, job_id: str, doing: str) -> Row[Any]:
        """The stored job; raises `JobEndedError` where it has ended and cannot be what `doing` says."""
        row = self.store.job(job_id=job_id)
        if row.state in ENDED:
            state = JobState.Name(row.state).removeprefix("JOB_STATE_").lower()
            again = "" if row.state == JobState.JOB_STATE_SUCCEEDED else f"`overscan jobs retry {job_id}` goes on."
            raise JobEndedError(
                f"the job {job_id} has ended ({state}) and cannot be {doing}.",
                next_step=again or "There is nothing to do.",
                field="job_id",
                actual=state,
            )
        return row

    def waits(self, job_id: str) -> bool:
        """Whether a job waits for others, and may be planned or ended now."""
        return not self.closing and self.store.state(job_id=job_id) == JobState.JOB_STATE_WAITING
