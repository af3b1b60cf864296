"""What happens to jobs: numbered, stored, and handed to whoever watches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from overscan.service.store.store import Store
from overscan.service.store.writer import Writer, now_us
from overscan.v1.job_pb2 import JobEvent

_NUMBERS_RESERVED = 256
_WATCHER_BACKLOG_MAX = 1000
_PASSING = ("step_progress", "preview")


class Watcher:
    """One watcher's queue of events."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[JobEvent | None] = queue.SimpleQueue()

    def put(self, event: JobEvent | None) -> None:
        """Hand an event over; a watcher that lags far behind is spared what is soon stale."""
        if event is not None and self._queue.qsize() > _WATCHER_BACKLOG_MAX and event.WhichOneof("event") in _PASSING:
            return
        self._queue.put(event)

    def get(self, *, timeout_seconds: float) -> JobEvent | None:
        """The next event; None after the timeout, or where somebody woke the watcher."""
        try:
            return self._queue.get(timeout=timeout_seconds)
        except queue.Empty:
            return None


class EventLog:
    """Numbers events job by job.

    Progress and previews take numbers and are not stored, all else is. Numbers are reserved in blocks, so that they
    grow even after the service was killed, at the price of a gap.
    """

    def __init__(self, *, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        """One event at a time: an event has its number, is stored and handed out before the next."""
        self._memory = threading.Lock()
        """Guards what is handed out, for readers that must not wait for a disk; taken inside the other, if both."""
        self._last: dict[str, int] = {}
        self._ceiling: dict[str, int] = {}
        self._passing: dict[str, dict[str, JobEvent]] = {}
        self._watchers: dict[str, list[Watcher]] = {}

    def emit(self, event: JobEvent, *, change: Callable[[Writer], bool | None] | None = None) -> None:
        """Store `event` with what `change` writes, in one transaction, and hand it to the watchers.

        Where `change` returns False, nothing new has happened, and there is no event.
        """
        job_id, kind = event.job_id, event.WhichOneof("event") or ""
        with self._lock:
            with self._store.write() as writer:
                if change is not None and change(writer) is False:
                    return
                number, ceiling = self._next(job_id, writer)
                event.number = number
                event.time.FromMicroseconds(now_us())
                writer.add_event(job_id, number, kind, event.SerializeToString())
            self._publish(event, ceiling)

    def emit_passing(self, event: JobEvent) -> None:
        """Hand progress or a preview to the watchers; only the last of each is kept, for watchers to come."""
        with self._lock:
            number, ceiling = self._next(event.job_id, None)
            event.number = number
            event.time.FromMicroseconds(now_us())
            with self._memory:
                self._passing.setdefault(event.job_id, {})[event.WhichOneof("event") or ""] = event
            self._publish(event, ceiling)

    def last_passing(self, *, job_id: str) -> list[JobEvent]:
        """The last progress and the last preview, while the job runs."""
        with self._memory:
            return list(self._passing.get(job_id, {}).values())

    def keep_preview(self, *, job_id: str, writer: Writer) -> None:
        """Store the last preview of a job that ends, in place of any that is stored."""
        with self._lock:
            event = self._passing.get(job_id, {}).get("preview")
            if event is not None:
                writer.drop_events(job_id, "preview")
                writer.add_event(job_id, event.number, "preview", event.SerializeToString())

    def forget(self, *, job_id: str) -> None:
        """The job has ended: drop what only a running job needs. A retry numbers on from what was reserved."""
        with self._lock, self._memory:
            for known in (self._passing, self._last, self._ceiling):
                known.pop(job_id, None)

    @contextmanager
    def watch(self, *, job_id: str) -> Iterator[Watcher]:
        """Events from now on."""
        watcher = Watcher()
        with self._memory:
            self._watchers.setdefault(job_id, []).append(watcher)
        try:
            yield watcher
        finally:
            with self._memory:
                rest = self._watchers[job_id]
                rest.remove(watcher)
                if not rest:
                    del self._watchers[job_id]

    def catch_up(self) -> None:
        """Wait until every event that is in the store has been handed to the watchers too."""
        with self._lock:
            return

    def wake_all(self) -> None:
        """Have every watcher look up."""
        with self._memory:
            for watchers in self._watchers.values():
                for watcher in watchers:
                    watcher.put(None)

    def _next(self, job_id: str, writer: Writer | None) -> tuple[int, int]:
        ceiling = self._ceiling.get(job_id)
        if ceiling is None:
            ceiling = int(self._store.job(job_id=job_id).event_ceiling) if writer is None else writer.ceiling(job_id)
        number = self._last.get(job_id, ceiling) + 1
        if number > ceiling:
            ceiling = number + _NUMBERS_RESERVED
            if writer is not None:
                writer.set_job(job_id, event_ceiling=ceiling)
            else:
                with self._store.write() as own:
                    own.set_job(job_id, event_ceiling=ceiling)
        return number, ceiling

    def _publish(self, event: JobEvent, ceiling: int) -> None:
        self._last[event.job_id] = event.number
        self._ceiling[event.job_id] = ceiling
        with self._memory:
            for watcher in self._watchers.get(event.job_id, ()):
                watcher.put(event)
