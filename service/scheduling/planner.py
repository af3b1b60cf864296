"""From a spec to a plan: what the wire says, what the engine's card allows, what the engine makes of the files."""

from __future__ import annotations

from dataclasses import dataclass, replace

from overscan.core.engines import Notice, Plan
from overscan.core.errors import ErrorRecord, OutsideRootsError, UnknownEngineError
from overscan.core.jobs import Job, ParameterValue
from overscan.service._errors import PlanRefusedError
from overscan.service.scheduling.job_run import check_plan
from overscan.service.transfers.places import Places
from overscan.service.wire.card_check import check_request
from overscan.service.wire.convert import plan_to_wire
from overscan.service.wire.spec import read_spec
from overscan.service.workers.inspector import Inspector
from overscan.service.workers.worker import Stop
from overscan.v1 import plan_pb2
from overscan.v1.job_pb2 import JobSpec

_LATER = Notice(
    code="PLANNED_LATER",
    message="The job is planned when the jobs it depends on have succeeded; what needs their files shows only then.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A job and its plan, feasible or not."""

    job: Job
    parameters: dict[str, ParameterValue]
    plan: Plan
    wire: plan_pb2.Plan
    later: bool = False
    """Whether it is all that can be said before the jobs it depends on are done: there are no steps yet."""


class Planner:
    """Plans specs."""

    def __init__(self, *, inspector: Inspector, places: Places | None = None) -> None:
        self._inspector = inspector
        self._places = places

    def plan(self, *, spec: JobSpec, who: str, stop: Stop, job_id: str = "", user: str | None = None) -> Planned:
        """Every problem of the job `job_id` of `user`, or how it will run (`read_spec` says what these are for).

        `who` asks: callers take turns, and the artists of a service without users are told apart by the job's label.

        Raises `PlanRefusedError` for a spec that is no job at all (no task, a relative path …) or leads out of the
        roots; whatever else stands in the way is in the plan.
        """
        return self._plan(spec, who, stop, job_id, user, later=False)

    def foresee(self, *, spec: JobSpec, who: str, stop: Stop, job_id: str = "", user: str | None = None) -> Planned:
        """As much as `plan` can say of a job whose files other jobs are to make: no file is looked for.

        What the engine takes and what the policies allow is known, and a refusal is one.
        """
        return self._plan(spec, who, stop, job_id, user, later=True)

    def _plan(self, spec: JobSpec, who: str, stop: Stop, job_id: str, user: str | None, *, later: bool) -> Planned:
        bare, paths = read_spec(spec, places=self._places, job_id=job_id, user=user)
        try:
            entry = self._inspector.engine(name=bare.engine, stop=stop)
        except UnknownEngineError as unknown:
            return _refused(bare, (unknown.record,))
        card = entry.card
        if card is None:
            error = UnknownEngineError(
                f"the engine '{entry.name}' is installed but does not load: {entry.reason}",
                next_step="Run `overscan doctor`.",
                field="engine",
                actual=entry.name,
            )
            return _refused(bare, (error.record,))
        parameters, problems = check_request(spec, card=card)
        if bare.kind not in card.tasks:
            return _refused(bare, tuple(problems))
        job = replace(bare, parameters=parameters)
        plan = self._inspector.plan(job=job, paths=paths, who=who or spec.labels.artist, stop=stop, decide_only=later)
        if any(problem.code == OutsideRootsError.code for problem in plan.problems):
            raise PlanRefusedError(problems=plan.problems)  # a refusal, which the audit log has
        if later:
            plan = replace(plan, warnings=(*plan.warnings, _LATER))
        elif plan.feasible:
            check_plan(plan, engine=card.name)
        if plan.decision is None or plan.decision.allowed:
            plan = replace(plan, problems=(*problems, *plan.problems))
        else:  # that it is not allowed comes before how it was asked for
            plan = replace(plan, problems=(*plan.problems, *problems))
        wire = plan_to_wire(plan, engine=card.name, version=card.version)
        return Planned(job=job, parameters=parameters, plan=plan, wire=wire, later=later)


def _refused(job: Job, problems: tuple[ErrorRecord, ...]) -> Planned:
    plan = Plan(problems=problems)
    return Planned(job=job, parameters={}, plan=plan, wire=plan_to_wire(plan, engine=job.engine, version=""))
