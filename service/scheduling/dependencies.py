"""Jobs that wait for others: what is to become of them, and the thread that sees to it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from enum import Enum

from overscan.core.errors import CancelledError, OverscanError
from overscan.service._errors import DependencyFailedError, ServiceClosingError, StoreUnavailableError
from overscan.service.store.queue_rows import Need, artist_of, waiting_needs
from overscan.service.store.store import Store
from overscan.service.workers.worker import Stop
from overscan.v1.job_pb2 import JobState

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0
"""How often it is looked for what nobody tells of: a job that was purged, a store that could not be written."""
_SHOWN_MAX = 3
_THREADS_MAX = 16


class Outlook(Enum):
    """What is to become of a job that depends on others."""

    READY = "ready"
    """All of them have succeeded."""
    WAITS = "waits"
    FAILS = "fails"
    """One of them ended badly."""


def outlook(needs: Sequence[Need]) -> Outlook:
    """What is to become of a job with these needs."""
    if any(need.failed for need in needs):
        return Outlook.FAILS
    done = all(need.state == JobState.JOB_STATE_SUCCEEDED for need in needs)
    return Outlook.READY if done else Outlook.WAITS


def dependency_failed(needs: Sequence[Need]) -> DependencyFailedError:
    """What to tell of a job one of whose `needs` ended badly, about the first that did."""
    need = next(need for need in needs if need.failed)
    return DependencyFailedError(
        f"the job {need.job_id}, which this one depends on, {_how(need)}.",
        next_step="Create it again without that dependency."
        if need.state is None
        else f"`overscan jobs retry {need.job_id}`, and retry this one; the order does not matter.",
        field="depends_on",
        actual=need.job_id,
    )


def waits_for(needs: Sequence[Need]) -> str:
    """What a job with these `needs` waits for, in plain words."""
    stuck = [need for need in needs if need.state in (JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)]
    if stuck:
        need = stuck[0]
        return f"The job {need.job_id}, which it depends on, {_how(need)}: retry that one, and this one goes on."
    left = [need for need in needs if need.state != JobState.JOB_STATE_SUCCEEDED]
    if not left:
        return "The jobs it depends on are done; it is being planned."
    shown = ", ".join(f"{need.job_id} ({_state(need)})" for need in left[:_SHOWN_MAX])
    more = f" and {len(left) - _SHOWN_MAX} more" if len(left) > _SHOWN_MAX else ""
    return f"It waits for {'the job' if len(left) == 1 else 'the jobs'} {shown}{more}."


class DependencyWatch:
    """Plans waiting jobs when what they depend on is done, and ends them when it never will be.

    A thread of its own, and one for each artist while something of theirs is planned: that takes long, or hangs with
    a share, and neither calls nor jobs of others should wait for it.
    """

    def __init__(
        self, *, store: Store, plan: Callable[[str, Stop], None], refuse: Callable[[str, OverscanError], None]
    ) -> None:
        self._store = store
        self._plan = plan
        self._refuse = refuse
        self._look = threading.Event()
        self._closing = threading.Event()
        self._plans: dict[str, tuple[threading.Thread, Stop]] = {}
        """What is being planned, by the artist."""
        self._thread = threading.Thread(target=self._run, name="dependencies", daemon=True)

    def start(self) -> None:
        """Begin; a service that was killed may have left jobs that can go on."""
        self._thread.start()

    def look(self) -> None:
        """Something has changed; returns at once."""
        self._look.set()

    def close(self, *, seconds_max: float) -> None:
        """End the thread, and what it is planning."""
        self._closing.set()
        self._look.set()
        if self._thread.is_alive():
            self._thread.join(seconds_max)
        plans = list(self._plans.values())
        for _, stop in plans:
            stop.request()
        for thread, _ in plans:
            thread.join(seconds_max)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._look.clear()
            try:
                waiting = waiting_needs(self._store)
            except (OverscanError, OSError) as error:
                _LOG.warning("the jobs that wait for others cannot be looked up: %s", error)
                waiting = {}
            for job_id, needs in waiting.items():
                if self._closing.is_set():
                    return
                self._attend(job_id, needs)
            self._look.wait(_LOOK_SECONDS)

    def _attend(self, job_id: str, needs: Sequence[Need]) -> None:
        found = outlook(needs)
        if found is Outlook.FAILS:
            self._see_to(job_id, lambda: self._refuse(job_id, dependency_failed(needs)))
        elif found is Outlook.READY:
            self._see_to(job_id, lambda: self._begin(job_id, artist_of(self._store.job(job_id=job_id))))

    def _begin(self, job_id: str, artist: str) -> None:
        """Plan a job beside those of other artists; the next one of the same artist's comes after it."""
        if artist in self._plans or len(self._plans) >= _THREADS_MAX:
            return
        stop = Stop()

        def plan() -> None:
            done = self._see_to(job_id, lambda: self._plan(job_id, stop))
            del self._plans[artist]
            if done:
                self._look.set()

        thread = threading.Thread(target=plan, name=f"plan-{job_id[:8]}", daemon=True)
        self._plans[artist] = (thread, stop)
        thread.start()

    def _see_to(self, job_id: str, act: Callable[[], None]) -> bool:
        """Do something about a job; False where it is to be tried again later."""
        try:
            act()
        except (ServiceClosingError, CancelledError):
            return False
        except (StoreUnavailableError, OSError) as error:
            _LOG.warning("job %s waits on: %s", job_id, error)
            return False
        except Exception as error:  # the thread must live on for other jobs
            _LOG.exception("job %s could not be planned", job_id)
            self._give_up(job_id, error)
        return True

    def _give_up(self, job_id: str, error: Exception) -> None:
        fault = OverscanError(
            f"the service failed to plan the job: {type(error).__name__}: {error}",
            next_step="See the service's log.",
        )
        try:
            self._refuse(job_id, fault)
        except Exception:
            _LOG.exception("job %s waits on", job_id)


def _how(need: Need) -> str:
    if need.state is None:
        return "is not there any more"
    return "was cancelled" if need.state == JobState.JOB_STATE_CANCELLED else "failed"


def _state(need: Need) -> str:
    return "" if need.state is None else JobState.Name(need.state).removeprefix("JOB_STATE_").lower()
