"""Decides which step runs when, and what becomes of it."""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from overscan.core.engines import Notice
from overscan.core.errors import ErrorRecord
from overscan.core.orders import ReceiptOrder
from overscan.service._errors import WorkerDiedError
from overscan.service._settings import Settings
from overscan.service.operations import metrics
from overscan.service.retention.ages import set_aside
from overscan.service.scheduling.faults import Trouble, trouble_of
from overscan.service.scheduling.job_control import JobControl
from overscan.service.scheduling.job_run import Assignment, JobRun, Stopping
from overscan.service.scheduling.lineup import STORE_FAULTS, Lineup, Standing
from overscan.service.scheduling.queue import gib
from overscan.service.scheduling.retries import begin_again, death_record, judge
from overscan.service.store.events import EventLog
from overscan.service.store.queue_rows import recent_usage
from overscan.service.store.store import Store
from overscan.service.store.writer import now_us
from overscan.service.transfers.places import Places
from overscan.service.wire.receipts import receipt_order
from overscan.service.workers import messages
from overscan.v1.job_pb2 import JobState

_LOG = logging.getLogger(__name__)
_HALF_LIVES_KEPT = 10


class Scheduler:
    """The queue of jobs, and the ones being worked on."""

    def __init__(self, *, store: Store, log: EventLog, settings: Settings, places: Places | None = None) -> None:
        self._settings = settings
        self._lineup = Lineup(store=store, log=log, settings=settings, places=places)
        self.control = JobControl(lineup=self._lineup, settings=settings)
        """What others may do to jobs."""

    @property
    def closing(self) -> bool:
        """Whether no more work is given out."""
        return self._lineup.closing

    def resume(self) -> None:
        """Take up what an earlier service left: interrupted jobs go back to the queue, paused ones stay paused."""
        half_life = self._settings.fair_share_half_life_seconds
        since_us = now_us() - int(_HALF_LIVES_KEPT * half_life * 1e6)
        now = time.monotonic()
        for artist, seconds, ended_us in recent_usage(self._lineup.store, since_us=since_us):
            age = 0.0 if ended_us is None else max(now_us() - ended_us, 0) / 1e6
            self._lineup.queue.charge(artist, seconds=seconds * 0.5 ** (age / half_life), now=now)
        for row in self._lineup.store.unfinished():
            if row.cancel_requested:
                self._lineup.clean(row)
                self._lineup.record.cancelled(job_id=row.id)
            elif row.paused:
                if row.state != JobState.JOB_STATE_PAUSED:
                    self._lineup.clean(row)
                    self._lineup.record.paused(job_id=row.id)
            elif row.state != JobState.JOB_STATE_WAITING:
                begun = row.state != JobState.JOB_STATE_QUEUED
                if begun:
                    _LOG.info("job %s was interrupted and goes on", row.id)
                    self._lineup.record.interrupted(job_id=row.id)
                self._lineup.put(row, begun=begun)

    def when_ended(self, call: Callable[[], None]) -> None:
        """Have `call`, which must not take long, called when a job has ended or may be planned."""
        self._lineup.on_end = call

    def standing(self, *, job_id: str) -> Standing | None:
        """How a job of the queue stands; None for one that is not in it."""
        return self._lineup.standing(job_id=job_id)

    def has_work(self) -> bool:
        """Whether any job is in the queue, being worked on, or being planned after it waited for others."""
        with self._lineup.changed:
            return len(self._lineup.queue) > 0 or self._lineup.being_planned > 0

    def hold(self) -> None:
        """Give out no work until `release`; what runs goes on."""
        with self._lineup.changed:
            self._lineup.holding = True

    def release(self) -> None:
        """Give out work again."""
        with self._lineup.changed:
            self._lineup.holding = False
            self._lineup.changed.notify_all()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Give out no work meanwhile, and hear of none that is done: for what takes a moment."""
        with self._lineup.changed:
            yield

    def running_steps(self) -> int:
        """How many pieces of work are with workers."""
        with self._lineup.changed:
            return sum(len(run.running) for run in self._lineup.runs.values())

    def take(self, *, timeout_seconds: float, slot: str = "") -> Assignment | None:
        """The next piece of work for the worker of `slot`, waiting for it (`scheduling.queue` says whose turn it is).

        None after the timeout, when the service is closing, and when that worker must give its memory back because
        the job it worked on last was paused.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._lineup.changed:
            while not self._lineup.closing:
                if slot in self._lineup.to_release:
                    self._lineup.to_release.discard(slot)
                    return None
                work = None if self._lineup.holding else self._next(slot)
                if work is not None:
                    return work
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._lineup.changed.wait(left if self._lineup.holding else min(left, self._seconds_to_retry()))
        return None

    def receipt_order(self, run: JobRun) -> ReceiptOrder:
        """What a worker needs to make the job's receipt."""
        return receipt_order(row=self._lineup.store.job(job_id=run.id), plan=run.plan, settings=self._settings)

    def tick(self) -> None:
        """Called a few times a second: does and says what was held back."""
        with self._lineup.changed:
            self._lineup.add_left_out()
            self._lineup.settle_left()
            for run in self._lineup.runs.values():
                self._lineup.record.late_progress(run)

    def report(self, work: Assignment, report: messages.Report) -> None:
        """Something a worker said about its work."""
        with self._lineup.changed:
            if isinstance(report, messages.Progress):
                work.fraction = max(work.fraction, report.fraction)  # engines count different things in turn
                self._lineup.record.progress(work, report.message)
            elif isinstance(report, messages.FrameFinished):
                self._lineup.record.frame_finished(work, report)
                work.frames_done.append(report.frame)
                work.advanced |= work.run.is_new(report.frame)
            elif isinstance(report, messages.PreviewMade):
                self._lineup.record.preview(work, report)
            elif isinstance(report, messages.Warned):
                self._lineup.record.warn(work.run, report.notice)
            elif isinstance(report, messages.FrameChecked):
                work.count(report)
                self._lineup.record.progress(work, f"checking frame {report.frame} against the plate")

    def finished(self, work: Assignment) -> None:
        """The work is done."""
        run, left = work.run, None
        with self._lineup.changed:
            if run.running.get(work.id) is not work:  # told again, as in `_went_wrong`
                self._lineup.settle(run)
            elif work.step is not None:
                work.fraction = 1.0
                self._lineup.record.step_done(work)
                self._returned(work)
                run.mark_done(work)
                self._lineup.queue.set_alone(run.id, run.is_frugal)
                self._lineup.settle(run)
            elif run.stopping is not None:
                self._returned(work)
                run.give_back(work)
                self._lineup.settle(run)
            else:
                self._lineup.sweep(run)
                used = run.usage_seconds + time.monotonic() - work.begun
                self._lineup.record.verified(work, usage_seconds=used)
                self._returned(work)
                self._lineup.forget(run.id)
                if not work.differing:
                    left = set_aside(self._settings.jobs / run.id)
        if left is not None:  # outside of the lock: it may take long
            shutil.rmtree(left, ignore_errors=True)

    def failed(self, work: Assignment, record: ErrorRecord) -> None:
        """The work could not be done: again, where that may help, or the job fails, unless it was being stopped."""
        with self._lineup.changed:
            self._went_wrong(work, trouble_of(record), record)

    def died(self, work: Assignment, death: WorkerDiedError) -> None:
        """The worker died: try again, but not for ever."""
        with self._lineup.changed:
            self._went_wrong(work, death.trouble, death.record, death=death)

    def _went_wrong(
        self, work: Assignment, trouble: Trouble, record: ErrorRecord, *, death: WorkerDiedError | None = None
    ) -> None:
        run = work.run
        if run.running.get(work.id) is not work:  # told again, since the store could not be written to the end
            self._lineup.settle(run)
            return
        if run.stopping is not None:
            self._lineup.record.step_pending(work)
        else:
            verdict = judge(work, trouble, settings=self._settings, why=record.message)
            if verdict.again:
                self._lineup.record.step_tried(work, verdict.tried)
                begin_again(work, verdict, record)
                if trouble is Trouble.MEMORY:  # what idle workers keep for later is in the way now
                    self._lineup.to_release |= set(self._lineup.last_jobs)
                self._lineup.queue.set_alone(run.id, run.is_frugal)
                if work.id in run.pauses:
                    run.next_progress = 0.0
                    self._lineup.record.progress(work, run.pauses[work.id].why)
            else:
                self._fail(work, record if death is None else death_record(work, death, verdict.tried))
        self._returned(work)
        run.give_back(work)
        self._lineup.settle(run)

    def close(self) -> None:
        """Give out no more work, and have running steps stop; their jobs go back to the queue."""
        with self._lineup.changed:
            self._lineup.closing = True
            for run in list(self._lineup.runs.values()):
                if run.stopping is None:
                    self._lineup.stop(run, Stopping.SHUTDOWN)
                    try:
                        self._lineup.settle(run)
                    except STORE_FAULTS as error:  # the next service sees that it was interrupted all the same
                        _LOG.warning("job %s is left as it is: %s", run.id, error)
            self._lineup.changed.notify_all()

    def _next(self, slot: str) -> Assignment | None:
        """The piece of work whose turn it is, begun; None where there is none now."""
        while True:
            entry = self._lineup.queue.next(slot=slot, now=time.monotonic(), ready=self._ready)
            if entry is None:
                return None
            run = self._lineup.runs.get(entry.id)
            if run is None:
                self._lineup.load(entry.id)
                continue  # it may turn out to have nothing to do now
            work = run.take()
            assert work is not None
            try:
                self._lineup.record.begin(work)
            except BaseException:
                run.give_back(work)
                raise
            if not run.announced:
                self._announced(run)
            run.started = run.announced = True
            self._lineup.queue.begin(run.id, slot=slot, now=work.begun)
            self._lineup.last_jobs[slot] = run.id
            self._lineup.record.progress(work, work.title)
            return work

    def _seconds_to_retry(self) -> float:
        """Until the first piece of work that waits after a failure may be tried again; infinite where none does."""
        ends = [at for run in self._lineup.runs.values() if (at := run.wakes_at()) is not None]
        return max(min(ends, default=math.inf) - time.monotonic(), 0.01)

    def _ready(self, job_id: str) -> bool:
        run = self._lineup.runs.get(job_id)
        return run is None or run.ready()

    def _announced(self, run: JobRun) -> None:
        """A worker is on a job for the first time since it was queued."""
        if not run.started:
            created_us = self._lineup.store.job(job_id=run.id).created_us
            metrics.queue_waited(seconds=max(now_us() - created_us, 0) / 1e6)
        limit = self._lineup.queue.too_large(run.id)
        if limit is not None:
            needs = gib(run.plan.estimate.memory_bytes)
            message = f"The job needs about {needs} of memory, and the limit is {gib(limit)}; it runs alone."
            self._lineup.record.warn(run, Notice(code="MEMORY_LIMIT", message=message))

    def _returned(self, work: Assignment) -> None:
        """Note that a worker is free of the work; nothing happens the second time."""
        run = work.run
        if run.running.get(work.id) is work:
            run.usage_seconds += self._lineup.queue.end(run.id, since=work.begun, now=time.monotonic())

    def _fail(self, work: Assignment, record: ErrorRecord) -> None:
        self._lineup.record.step_failed(work, record)
        work.run.error = record
        self._lineup.stop(work.run, Stopping.FAIL)
