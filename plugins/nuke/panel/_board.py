"""The queue behind the panel: lists jobs, follows those that run, and sends clicks on. No Qt in here."""

from __future__ import annotations

import time
from typing import Any, Callable, Mapping

from overscan_nuke.panel._job import JobEntry

BUSY_SECONDS, QUIET_SECONDS = 2.0, 10.0
"""How often to ask for the list while jobs run, and while none does."""

MOST_JOBS = 200
MOST_WATCHES = 16
"""The service serves so many watchers; the rest of the running jobs move on with every list."""


class Board:
    """Everything the panel shows. All methods on the main thread; none blocks."""

    def __init__(self, bridge: Any, *, on_change: Callable[[], None], on_job: Callable[[str], None]) -> None:
        """`bridge` is an `overscan_host.Bridge`; `on_job` is called when a job moved on, `on_change` for all else."""
        self._bridge = bridge
        self._on_change = on_change
        self._on_job = on_job
        self._watches: dict[str, Any] = {}
        self._looked: set[str] = set()
        self._asked_at: float | None = None
        self._asking = False
        self._closed = False
        self.jobs: dict[str, JobEntry] = {}
        """Newest first."""
        self.service = "unknown"
        """``unknown`` (nobody has asked yet), ``up``, ``down``, ``starting`` or ``unreachable``."""
        self.problem: dict[str, Any] = {}
        """Why it is unreachable: message and next_step."""

    def tick(self) -> None:
        """Ask for news if it is time; to be called about once a second while the panel can be seen."""
        pause = BUSY_SECONDS if any(job.active for job in self.jobs.values()) else QUIET_SECONDS
        if self.service in ("down", "unreachable"):
            pause = BUSY_SECONDS
        if self._asked_at is None or time.monotonic() - self._asked_at >= pause:
            self.refresh()

    def refresh(self) -> None:
        """Ask for news now. Does not start a service."""
        if self._asking or self._closed or self.service == "starting":
            return
        self._asking, self._asked_at = True, time.monotonic()
        self._bridge.call("service.status", {}, on_result=self._hear_status, on_error=self._fail)

    def start_service(self) -> None:
        """Start a service where none runs."""
        self._set_service("starting")
        self._bridge.call("service.open", {}, on_result=self._hear_open, on_error=self._fail)

    def cancel(self, job_id: str) -> None:
        """Ask the job to stop."""
        self._act("job.cancel", job_id)

    def retry(self, job_id: str) -> None:
        """Queue the job again; it goes on where it stopped."""
        self._act("job.retry", job_id)

    def close(self) -> None:
        """Stop following; the jobs go on."""
        self._closed = True
        for watch in self._watches.values():
            watch.stop()
        self._watches.clear()

    def _act(self, method: str, job_id: str) -> None:
        self._bridge.call(
            method,
            {"job_id": job_id},
            on_result=lambda job: self._hear_jobs([job], all_of_them=False),
            on_error=lambda error: self._note(job_id, error),
        )

    def _hear_status(self, status: Mapping[str, Any]) -> None:
        if self._closed:
            return
        if not status or not status.get("address"):
            self._asking = False
            self._set_service("down")
            return
        self._bridge.call("job.list", {"limit": MOST_JOBS}, on_result=self._hear_list, on_error=self._fail)

    def _hear_open(self, _: Any) -> None:
        self._asking = False
        self._set_service("up")
        self.refresh()

    def _hear_list(self, answer: Mapping[str, Any]) -> None:
        self._asking = False
        if self._closed:
            return
        self._set_service("up")
        self._hear_jobs(answer.get("jobs", ()), all_of_them=True)

    def _hear_jobs(self, jobs: Any, *, all_of_them: bool) -> None:
        if self._closed:
            return
        kept = {} if all_of_them else dict(self.jobs)
        order_changed = False
        for job in jobs:
            known = self.jobs.get(str(job["id"]))
            if known is None:
                known = JobEntry(job)
                order_changed = True
            elif known.take(job):
                self._on_job(known.id)
            kept[known.id] = known
        order_changed = order_changed or list(kept) != list(self.jobs)
        self.jobs = kept
        if order_changed:
            self._on_change()
        self._follow()

    def look(self, job_id: str) -> None:
        """Learn what a list does not say of a job that has ended: its picture, its warnings, the frames it got done."""
        job = self.jobs.get(job_id)
        if job is None or job.active or job_id in self._looked or self._closed or self.service != "up":
            return
        if job.number == 0 and job_id not in self._watches and len(self._watches) < MOST_WATCHES:
            self._looked.add(job_id)
            self._watches[job_id] = self._watch(job)

    def _follow(self) -> None:
        """Watch the jobs that wait or run."""
        for job_id in [job_id for job_id in self._watches if job_id not in self.jobs]:
            self._watches.pop(job_id).stop()
        for job in list(self.jobs.values()):
            if len(self._watches) >= MOST_WATCHES:
                return
            if job.active and job.id not in self._watches:
                self._looked.discard(job.id)
                self._watches[job.id] = self._watch(job)

    def _watch(self, job: JobEntry) -> Any:
        return self._bridge.watch(
            job.id,
            after_number=job.number,
            on_event=lambda event: self._hear_event(job.id, event),
            on_state=lambda *what: self._hear_watch(job.id, *what),
        )

    def _hear_event(self, job_id: str, event: Mapping[str, Any]) -> None:
        job = self.jobs.get(job_id)
        if job is not None and not self._closed and job.event(event):
            self._on_job(job_id)

    def _hear_watch(self, job_id: str, state: str, problems: Any = ()) -> None:
        job = self.jobs.get(job_id)
        if job is None or self._closed:
            return
        if state in ("ended", "failed"):
            self._watches.pop(job_id, None)
            self._follow()
        if state in ("lost", "restored"):
            job.lost = state == "lost"
            self._on_job(job_id)
        elif state == "failed" and problems:
            job.notice = _plain(problems[0])
            self._on_job(job_id)

    def _note(self, job_id: str, error: Any) -> None:
        job = self.jobs.get(job_id)
        if job is not None:
            job.notice = _plain(error)
            self._on_job(job_id)

    def _fail(self, error: Any) -> None:
        self._asking = False
        if not self._closed:
            self._set_service("unreachable", _plain(error))

    def _set_service(self, service: str, problem: Mapping[str, Any] | None = None) -> None:
        problem = dict(problem or {})
        if (service, problem) != (self.service, self.problem):
            self.service, self.problem = service, problem
            self._on_change()


def _plain(problem: Any) -> dict[str, Any]:
    """Code, message and next step of a problem or an error."""
    if isinstance(problem, Mapping):
        return dict(problem)
    return {name: getattr(problem, name, "") for name in ("code", "message", "next_step")}
