"""One job while the service works on it: which steps can run, how far it is, how long it will take."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from overscan.core.engines import Plan, Step
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import Job
from overscan.service._errors import EngineFaultError
from overscan.service.scheduling.faults import Tried
from overscan.service.workers.messages import FrameChecked
from overscan.service.workers.worker import Stop

VERIFY = "verify"
"""Id under which the check of promise 1 reports its progress."""
_VERIFY_SHARE = 0.05
_STEP_ID = re.compile(r"[A-Za-z0-9_.+-]{1,120}")
_MEASURED_SECONDS_MIN = 0.5
_MEASURED_SHARE_MIN = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Work waits before it is tried again."""

    until: float
    """Of the monotonic clock, in seconds."""
    why: str
    """In plain words."""


class Stopping(Enum):
    """Why a job's running steps were asked to stop."""

    CANCEL = "cancel"
    FAIL = "fail"
    PAUSE = "pause"
    SHUTDOWN = "shutdown"


@dataclass(slots=True, kw_only=True, eq=False)
class Assignment:
    """A piece of work given to a worker."""

    run: JobRun
    step: Step | None
    """None for the check of promise 1."""
    stop: Stop = field(default_factory=Stop)
    begun: float = field(default_factory=time.monotonic)
    """When it was given to a worker."""
    frugal: int = 0
    """How sparing of memory it must be; see `core.engines.Context.frugal`. Above 0 it runs alone on the machine."""
    fraction: float = 0.0
    advanced: bool = False
    """Whether it has finished a frame that was not finished before."""
    frames_done: list[int] = field(default_factory=list)
    """Frames the step has finished, in the order it did."""
    frames_checked: int = 0
    samples: int = 0
    differing: int = 0
    first_difference: str = ""
    good_frames: list[int] = field(default_factory=list)
    bad_frames: list[int] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The step's id."""
        return VERIFY if self.step is None else self.step.id

    @property
    def title(self) -> str:
        """What it is, in plain words."""
        return "Comparing the result with the plate" if self.step is None else self.step.title

    def count(self, check: FrameChecked) -> None:
        """Add a frame that was compared with its plate."""
        self.frames_checked += 1
        self.samples += check.samples
        self.differing += check.differing
        self.first_difference = self.first_difference or check.first_difference
        (self.bad_frames if check.differing else self.good_frames).append(check.frame)
        self.fraction = min(self.frames_checked / max(check.total, 1), 1.0)


class JobRun:
    """A job that has not ended. Not safe to use from several threads: the scheduler's lock guards it."""

    def __init__(
        self,
        *,
        job_id: str,
        job: Job,
        plan: Plan,
        done: Iterable[str],
        started: bool,
        usage_seconds: float = 0.0,
        tried: Mapping[str, Tried] | None = None,
    ) -> None:
        self.id = job_id
        self.job = job
        self.plan = plan
        self.started = started
        """Whether it has a start time already."""
        self.announced = False
        """Whether its state is RUNNING already."""
        self.usage_seconds = usage_seconds
        """How long workers were on it, all in all."""
        self.running: dict[str, Assignment] = {}
        self.stopping: Stopping | None = None
        self.error: ErrorRecord | None = None
        self.next_progress = 0.0
        self.unsaid: tuple[Assignment, str] | None = None
        """Progress that came too soon after the last."""
        self.tried: dict[str, Tried] = dict(tried or {})
        """What has gone wrong with pieces of work, by their ids."""
        self.pauses: dict[str, Pause] = {}
        """Pieces of work that wait before they are tried again, by their ids."""
        self.frames_finished: set[int] = set()
        self._done = set(done)
        self._steps = {step.id: step for step in plan.steps}
        self._total = sum(step.weight for step in plan.steps) or 1.0
        self._dependents: dict[str, list[str]] = {step.id: [] for step in plan.steps}
        self._missing: dict[str, int] = {}
        for step in plan.steps:
            needs = set(step.needs)
            self._missing[step.id] = len(needs - self._done)
            for need in needs:
                self._dependents[need].append(step.id)
        self._position = {step.id: index for index, step in enumerate(plan.steps)}
        self._ready = [step.id for step in plan.steps if step.id not in self._done and not self._missing[step.id]]
        self._done_weights = [self._steps[step].weight for step in self._done if step in self._steps]
        self._begun: tuple[float, float] | None = None

    @property
    def all_done(self) -> bool:
        """Whether every step is done."""
        return len(self._done) == len(self._steps)

    def ready(self) -> bool:
        """Whether there is a piece of work to take now."""
        if self.stopping is not None:
            return False
        if self._ready:
            return not all(self._pauses(step) for step in self._ready)
        return self.all_done and not self.running and not self._pauses(VERIFY)

    def take(self) -> Assignment | None:
        """The next piece of work, marked as running; None where there is none now."""
        if self.stopping is not None:
            return None
        ready = next((step for step in self._ready if not self._pauses(step)), None)
        if ready is not None:
            self._ready.remove(ready)
            work = Assignment(run=self, step=self._steps[ready])
        elif not self._ready and self.all_done and not self.running and not self._pauses(VERIFY):
            work = Assignment(run=self, step=None)
        else:
            return None
        work.frugal = self.tried.get(work.id, Tried()).frugal
        if self._begun is None:
            self._begun = (time.monotonic(), self.progress())
        self.running[work.id] = work
        return work

    def _pauses(self, work_id: str) -> bool:
        pause = self.pauses.get(work_id)
        if pause is not None and time.monotonic() >= pause.until:
            del self.pauses[work_id]
            return False
        return pause is not None

    @property
    def is_frugal(self) -> bool:
        """Whether a piece of its work that is not done must run alone on the machine, for it ran out of memory."""
        return any(tried.frugal for tried in self.tried.values())

    def is_new(self, frame: int) -> bool:
        """Whether a frame that was finished now had not been before."""
        new = frame not in self.frames_finished
        self.frames_finished.add(frame)
        return new

    def wakes_at(self) -> float | None:
        """When the first piece of work that waits may be tried again, by the monotonic clock; None where none waits."""
        return min((pause.until for pause in self.pauses.values()), default=None)

    def held_by(self) -> str:
        """Why it waits, in plain words; empty where something of it runs or could."""
        if self.running or not self.pauses:
            return ""
        return min(self.pauses.values(), key=lambda pause: pause.until).why

    def give_back(self, work: Assignment) -> None:
        """The work was not done and can be taken again; nothing happens to what was given back before."""
        if self.running.pop(work.id, None) is not None and work.step is not None:
            self._ready.append(work.step.id)
            self._ready.sort(key=self._position.__getitem__)

    def mark_done(self, work: Assignment) -> None:
        """The step is done; others may have become ready."""
        self.running.pop(work.id, None)
        self.tried.pop(work.id, None)
        if work.step is None:
            return
        self._done.add(work.step.id)
        self._done_weights.append(work.step.weight)
        for dependent in self._dependents[work.step.id]:
            self._missing[dependent] -= 1
            if not self._missing[dependent]:
                self._ready.append(dependent)
        self._ready.sort(key=self._position.__getitem__)

    def progress(self) -> float:
        """Part of the job done, 0 to 1: it does not fall but where work has to be done again."""
        check, running = 0.0, []
        for work in self.running.values():
            if work.step is None:
                check = work.fraction
            else:
                running.append(work.step.weight * work.fraction)
        steps = math.fsum(itertools.chain(self._done_weights, running))  # in any order it is the same
        return min((1.0 - _VERIFY_SHARE) * steps / self._total + _VERIFY_SHARE * check, 1.0)

    def seconds_left(self) -> float | None:
        """Seconds until the job is done, by the rate since this run of it began; None while too little is known."""
        if self._begun is None:
            return None
        begun, at = self._begun
        seconds, share = time.monotonic() - begun, self.progress()
        if seconds < _MEASURED_SECONDS_MIN or share - at < _MEASURED_SHARE_MIN:
            return None
        return seconds / (share - at) * (1.0 - share)


def check_plan(plan: Plan, *, engine: str) -> None:
    """Raise `EngineFaultError` where a feasible plan is no graph of steps that can be run."""
    ids = [step.id for step in plan.steps]
    faults = []
    if not ids:
        faults.append("it has no steps")
    if len(set(ids)) != len(ids):
        faults.append("two steps have the same id")
    if VERIFY in ids:
        faults.append(f"the id '{VERIFY}' is taken by the check of promise 1")
    faults += [f"'{step}' cannot be a file name" for step in ids if not _STEP_ID.fullmatch(step)][:1]
    known = set(ids)
    faults += [
        f"step '{step.id}' needs '{need}', which is not there"
        for step in plan.steps
        for need in step.needs
        if need not in known
    ][:1]
    faults += [
        f"step '{step.id}' has the weight {step.weight}"
        for step in plan.steps
        if not (math.isfinite(step.weight) and step.weight >= 0)
    ][:1]
    if not faults and not _acyclic(plan):
        faults.append("its steps wait for each other in a circle")
    if faults:
        raise EngineFaultError(
            f"the engine '{engine}' made a plan that cannot run: {'; '.join(faults)}.",
            next_step="This is a fault in the engine; tell its maker.",
            actual=engine,
        )


def _acyclic(plan: Plan) -> bool:
    missing = {step.id: len(set(step.needs)) for step in plan.steps}
    dependents: dict[str, list[str]] = {step.id: [] for step in plan.steps}
    for step in plan.steps:
        for need in set(step.needs):
            dependents[need].append(step.id)
    ready = [step for step, count in missing.items() if not count]
    seen = 0
    while ready:
        seen += 1
        for dependent in dependents[ready.pop()]:
            missing[dependent] -= 1
            if not missing[dependent]:
                ready.append(dependent)
    return seen == len(missing)
