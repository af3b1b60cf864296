"""Plans or runs a job."""

from __future__ import annotations

from collections.abc import Callable

from overscan.cli._exit import ExitCode, exit_code_of
from overscan.cli._follow import submit
from overscan.cli._plan import plan_sentences
from overscan.cli._queue import name_dependencies
from overscan.cli._report import Outcome, Report, problem_facts
from overscan.cli._transfer import Carrier, carries
from overscan.client import connect, load_job_file, to_plain
from overscan.v1.job_pb2 import JobSpec


def run_job(
    make_spec: Callable[[], JobSpec], *, report: Report, dry_run: bool, detach: bool, transfer: str = "auto"
) -> Outcome:
    """Plan or run the job that `make_spec` gives."""
    spec = make_spec()
    if dry_run:
        return plan_job(spec, report=report, transfer=transfer)
    return submit(spec, report=report, detach=detach, transfer=transfer)


def run_job_file(path: str, *, report: Report, dry_run: bool, detach: bool, transfer: str = "auto") -> Outcome:
    """Plan or run the job in a file."""
    return run_job(lambda: load_job_file(path), report=report, dry_run=dry_run, detach=detach, transfer=transfer)


def plan_job(spec: JobSpec, *, report: Report, transfer: str = "auto") -> Outcome:
    """Say what the job would do and take, or why it cannot run."""
    with connect() as client:
        name_dependencies(spec, client=client)
        if carries(client, transfer):
            spec = Carrier(client, spec, report=report).bring()
        plan = client.plan(spec=spec)
    facts = to_plain(plan, defaults=True)
    report.record("plan", {**facts, "problems": [problem_facts(problem) for problem in plan.problems]})
    if plan.feasible:
        report.say("This job can run.")
        report.say(plan_sentences(plan))
        return Outcome(facts={"feasible": True})
    report.problems(plan.problems)
    report.note("This job cannot run as it is.")
    code = exit_code_of(plan.problems[0].code) if plan.problems else ExitCode.INTERNAL
    return Outcome(exit_code=code, facts={"feasible": False}, problems=tuple(plan.problems))
