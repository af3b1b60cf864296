"""Runs one job in this process, without the service, for benchmarks that look at the engine alone."""

from __future__ import annotations

from pathlib import Path

from overscan.core.engines import Context, Notice, Plan, load_engine
from overscan.core.jobs import Job


class Silent:
    """A reporter that keeps nothing."""

    def progress(self, *, fraction: float, message: str) -> None:
        """Not wanted."""

    def frame_finished(self, *, frame: int, path: Path, seconds: float) -> None:
        """Not wanted."""

    def warn(self, *, notice: Notice) -> None:
        """Not wanted."""

    def check_cancelled(self) -> None:
        """Never."""


def run_job(job: Job, *, folder: Path) -> Plan:
    """Plan and run `job` with fresh work and cache folders under `folder`; its problems end the benchmark."""
    engine = load_engine(job.engine)
    plan = engine.plan(job)
    if not plan.feasible:
        raise SystemExit("\n".join(problem.message for problem in plan.problems))
    work, cache = folder / "work", folder / "cache"
    work.mkdir()
    cache.mkdir()
    context = Context(job=job, plan=plan, work_folder=work, cache_folder=cache, reporter=Silent())
    for step in plan.steps:
        engine.run(step, context)
    return plan
