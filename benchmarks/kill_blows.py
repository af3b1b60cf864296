"""Whom `kills.py` hits and when, chosen by a seed: the same seed and round always give the same list."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum


class Target(Enum):
    """Who is hit, by SIGKILL unless said."""

    WORKER = "worker"
    """One that renders, any of them."""
    INSPECTOR = "inspector"
    """The one that plans."""
    SERVICE = "service"
    BOTH = "both"
    """The service, and a worker at the same time."""
    MACHINE = "machine"
    """The service and all that it started, at the same time."""
    STOPPED_WORKER = "stopped worker"
    """A worker that is stopped (SIGSTOP) for a while, and then goes on (SIGCONT). No kill."""
    STOPPED_SERVICE = "stopped service"
    """The same with the service. No kill."""
    STOPPED_THEN_KILLED = "stopped, then killed"
    """A worker that is stopped for a while, then killed."""

    @property
    def ends_service(self) -> bool:
        """Whether the service must be started again."""
        return self in (Target.SERVICE, Target.BOTH, Target.MACHINE)

    @property
    def kills(self) -> bool:
        """Whether it counts as a kill."""
        return self not in (Target.STOPPED_WORKER, Target.STOPPED_SERVICE)


class Moment(Enum):
    """What is waited for before the delay begins."""

    ANY = "any time"
    """Nothing: the delay alone, exponential, which is uniform over the jobs' life."""
    FRAME = "a frame got its name"
    WRITING = "a file is being written"
    ANALYSIS = "something came into the cache"
    VERIFYING = "a job is being verified"
    RECEIPT = "a receipt got its name"
    CREATING = "a job is being created"
    STARTING = "the service was started"
    OPENING = "the service opens its store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One hit."""

    target: Target
    moment: Moment
    delay_seconds: float
    """From the moment on."""
    pause_seconds: float
    """How long a stopped process stays so; how long a killed service stays away."""
    choice: float
    """Which of several processes, 0 to 1."""


_AIMED = (
    (Moment.FRAME, 4, 0.004),
    (Moment.WRITING, 3, 0.002),
    (Moment.ANALYSIS, 1, 0.05),
    (Moment.VERIFYING, 2, 0.15),
    (Moment.RECEIPT, 2, 0.01),
    (Moment.CREATING, 2, 0.15),
    (Moment.STARTING, 2, 1.2),
    (Moment.OPENING, 2, 0.1),
)
"""Moment, weight, and the longest delay after it in seconds."""
_AIMED_SHARE = 0.6
_TARGETS = (
    (Target.WORKER, 8),
    (Target.SERVICE, 5),
    (Target.BOTH, 2),
    (Target.MACHINE, 4),
    (Target.INSPECTOR, 2),
    (Target.STOPPED_WORKER, 1),
    (Target.STOPPED_SERVICE, 1),
    (Target.STOPPED_THEN_KILLED, 1),
)
_ENDINGS = ((Target.SERVICE, 1), (Target.MACHINE, 1))


def choose_blows(*, seed: int, number: int, kills: int, gap_seconds: float) -> list[Blow]:
    """The blows of round `number`, `kills` of which kill; `gap_seconds` is the mean wait for an unaimed one."""
    dice = random.Random(f"{seed}/{number}")
    found: list[Blow] = []
    while sum(blow.target.kills for blow in found) < kills:
        moment, longest = Moment.ANY, 0.0
        if dice.random() < _AIMED_SHARE:
            moment, _, longest = dice.choices(_AIMED, [weight for _, weight, _ in _AIMED])[0]
        ending = moment in (Moment.STARTING, Moment.OPENING, Moment.CREATING)
        targets = _ENDINGS if ending else _TARGETS
        found.append(
            Blow(
                target=dice.choices(targets, [weight for _, weight in targets])[0][0],
                moment=moment,
                delay_seconds=dice.expovariate(1 / gap_seconds) if moment is Moment.ANY else dice.uniform(0, longest),
                pause_seconds=dice.uniform(0.1, 2.5),
                choice=dice.random(),
            )
        )
    return sorted(found, key=lambda blow: blow.moment is not Moment.CREATING)  # jobs are created at the beginning
