"""Policy enforcement in workers: nothing is planned and no step runs without a decision made there and then."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from overscan.core.engines import Engine, Notice, Plan, installed_engines, load_engine
from overscan.core.errors import InvalidJobError, OverscanError, PolicyError
from overscan.core.jobs import Job
from overscan.core.ledger import standings
from overscan.core.rights import Clearance, clear, policy_root, refusal_record
from overscan.service.workers.confine import confined


def clearance(*, job: Job) -> Clearance:
    """What the policies say of `job` now, with the engine and the weights that this process would load.

    Raises `UnknownEngineError`, `PolicyError` where two packages have that engine, and `LedgerError` where the
    clearance ledger cannot be trusted; whatever else is wrong is a refusal.
    """
    engine = load_engine(job.engine)
    _require_one(job.engine)
    today = datetime.now(timezone.utc).date()
    assets = standings(job=job, root=_home(), today=today)
    return clear(engine=engine, job=job, root=policy_root(), today=today, assets=assets)


def cleared_plan(*, job: Job, decide_only: bool = False) -> Plan:
    """The engine's plan with the policy's decision; no code of an engine plans for what is not allowed.

    With `decide_only` there is the decision alone.
    """
    try:
        _require_wanted(job)
        found = clearance(job=job)
        if not found.decision.allowed:
            return Plan(problems=(refusal_record(found.decision),), decision=found.decision)
        if decide_only:
            return Plan(decision=found.decision)
        with confined(found.sealed.files if found.sealed else {}):
            engine = load_engine(job.engine)
            plan = engine.plan(job)
    except OverscanError as error:
        return Plan(problems=(error.record,))
    return replace(plan, decision=found.decision, engine_version=engine.card.version)


@contextmanager
def cleared(*, job: Job, plan: Plan, warn: Callable[[Notice], None]) -> Iterator[Engine]:
    """The engine, to run one step of a job that was planned and decided on before; `warn` hears of a changed policy.

    Raises `PolicyError` where the policies of now refuse it, where it would not run what the stored decision allowed,
    where another version of the engine planned it, and afterwards where the model's files were changed under it or it
    did what no policy allows.
    """
    found = clearance(job=job)
    found.require(stored=plan.decision)
    _require_same(job.engine, version=plan.engine_version)
    if plan.decision is not None and plan.decision.policy_sha256 != found.decision.policy_sha256:
        warn(
            Notice(
                code="POLICY_CHANGED",
                message=f"The policy '{found.decision.policy}' was changed since the job was created; it allows the "
                "job still.",
            )
        )
    with confined(found.sealed.files if found.sealed else {}):
        yield load_engine(job.engine)
    if found.sealed is not None:
        found.sealed.check()


def _require_wanted(job: Job) -> None:
    """A model that is named and not loaded would be dropped in silence."""
    if job.model and not callable(getattr(load_engine(job.engine), "model", None)):
        raise InvalidJobError(
            f"the engine '{job.engine}' loads no model, and the job names '{job.model}'.",
            next_step="Leave out --model, or name an engine that runs that model: `overscan models list` shows them.",
            field="model",
            actual=job.model,
        )


def _require_same(name: str, *, version: str) -> None:
    """A receipt names one version for all frames of a job."""
    installed = load_engine(name).card.version
    if version and version != installed:
        raise PolicyError(
            f"the job was planned with version {version} of the engine '{name}', and {installed} is installed now.",
            next_step=f"Create the job again, or install version {version} and retry it.",
            field="engine",
            expected=version,
            actual=installed,
        )


def _require_one(name: str) -> None:
    if sum(entry.name == name for entry in installed_engines()) > 1:
        raise PolicyError(
            f"two installed packages have an engine called '{name}', and nobody can tell which one would run.",
            next_step="Uninstall one of them.",
            field="engine",
            actual=name,
        )


def _home() -> Path:
    """Overscan's home, where the ledger is; the service names it to its workers."""
    return Path(os.environ.get("OVERSCAN_HOME") or policy_root().parent)
