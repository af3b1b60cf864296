"""Runs an engine by hand, as a worker does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from filming import Recorder, Run

from overscan.core.engines import Context, Engine, Plan, Step
from overscan.core.jobs import Job


def planned(engine: Engine, job: Job) -> Plan:
    """The plan of a job that can run."""
    plan = engine.plan(job)
    assert plan.feasible, [problem.message for problem in plan.problems]
    assert abs(sum(step.weight for step in plan.steps) - 1) < 1e-6
    known: set[str] = set()
    for step in plan.steps:
        assert set(step.needs) <= known, f"{step.id} comes before what it needs"
        known.add(step.id)
    return plan


def context_of(
    job: Job, plan: Plan, folder: Path, *, cache: Path | None = None, reporter: Recorder | None = None
) -> Context:
    """A context in a folder of its own."""
    work, kept = folder / "work", cache or folder / "cache"
    work.mkdir(parents=True, exist_ok=True)
    kept.mkdir(parents=True, exist_ok=True)
    return Context(job=job, plan=plan, work_folder=work, cache_folder=kept, reporter=reporter or Recorder())


def run_engine(
    engine: Engine,
    job: Job,
    folder: Path,
    *,
    cache: Path | None = None,
    order: Callable[[Plan], Iterable[Step]] | None = None,
    fresh: Callable[[], Engine] | None = None,
) -> Run:
    """Plan and run a job; `order` may give the steps in another order, `fresh` a new engine for each of them."""
    plan = planned(engine, job)
    context = context_of(job, plan, folder, cache=cache)
    for step in order(plan) if order else plan.steps:
        (fresh() if fresh else engine).run(step, context)
    reporter = context.reporter
    assert isinstance(reporter, Recorder)
    return Run(job=job, plan=plan, recorder=reporter, work=context.work_folder)
