"""`overscan jobs`: what the service has done, does and will do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone

from overscan.cli._display import state_word, verification_sentence
from overscan.cli._exit import ExitCode
from overscan.cli._follow import conclude, finished_frames, follow
from overscan.cli._plan import plan_sentences
from overscan.cli._report import Outcome, Report, problem_facts
from overscan.cli._words import columns, plural
from overscan.client import (
    ENDED,
    JobFileError,
    connect,
    describe,
    dump_job,
    enum_word,
    enum_words,
    frames_from_numbers,
    frames_to_text,
    make_problem,
    to_plain,
)
from overscan.v1.job_pb2 import FrameState, Job, JobState, Labels, StepState

_REST_SECONDS = 30.0
"""How long a cancelled job may take to come to rest."""


def list_jobs(*, states: Sequence[str], show: str | None, shot: str | None, limit: int, report: Report) -> Outcome:
    """List jobs, newest first."""
    numbers = [_state_number(word) for word in states]
    count = 0
    reasons: list[str] = []
    rows: list[tuple[str, ...]] = [("JOB", "STATE", "DONE", "CREATED", "TASK", "OUTPUT")]
    with connect() as client:
        for job in client.list(states=numbers, labels=Labels(show=show or "", shot=shot or ""), limit=limit):
            count += 1
            report.record("job", _job_facts(job))
            reasons.append(job.held_by)
            created = job.create_time.ToDatetime(tzinfo=timezone.utc).astimezone()
            rows.append(
                (
                    job.id[:12],
                    state_word(job.state),
                    f"{job.progress:.0%}",
                    _moment(created),
                    job.spec.WhichOneof("task") or "",
                    job.spec.output.path,
                )
            )
    if any(reasons):
        rows = [(*row, reason) for row, reason in zip(rows, ["WHY IT WAITS", *reasons], strict=True)]
    report.say(columns(rows) if count else "There are no such jobs.")
    return Outcome(facts={"count": count})


def show_job(job_id: str, *, report: Report) -> Outcome:
    """Show everything about a job."""
    with connect() as client:
        job = client.get(job_id=job_id)
    report.record("job", {**_job_facts(job), "plan": to_plain(job.plan, defaults=True)})
    done = finished_frames(job)
    failed = [status.frame for status in job.frames if status.state == FrameState.FRAME_STATE_FAILED]
    report.say(f"job {job.id}: {state_word(job.state)}, {job.progress:.0%}")
    if job.held_by:
        report.say(f"  {job.held_by}")
    report.say("\nWhat was asked:\n" + _indented(dump_job(job.spec)))
    later = "It is made when the jobs it depends on are done."
    report.say("\nThe plan:\n" + (plan_sentences(job.plan) if job.HasField("plan") else later))
    report.say(
        "\nSteps:\n"
        + columns(
            [
                (
                    status.step_id,
                    enum_word(StepState.DESCRIPTOR, status.state),
                    f"{status.progress:.0%}",
                    _tries(status.attempts),
                )
                for status in job.steps
            ],
            indent="  ",
        )
    )
    report.say(
        f"\nFrames: {len(done)} of {len(job.frames)} there ({frames_to_text(frames_from_numbers(done)) or 'none'})"
    )
    if failed:
        report.say(f"  failed: {frames_to_text(frames_from_numbers(failed))}")
    planned = {notice.message for notice in job.plan.warnings}
    for notice in (notice for notice in job.warnings if notice.message not in planned):
        report.say(f"  warning: {notice.message}" + (f" (frame {notice.frame})" if notice.HasField("frame") else ""))
    if job.HasField("verification"):
        report.say(f"\nChecked: {verification_sentence(job.verification)}.")
    if job.HasField("error"):
        report.say(f"\nerror: {describe(job.error)} [{job.error.code}]")
    return Outcome(facts={"job_id": job.id, "state": state_word(job.state)})


def watch_job(job_id: str, *, report: Report) -> Outcome:
    """Follow a job to its end; Ctrl-C stops following only."""
    with connect() as client:
        return follow(client, lambda: client.get(job_id=job_id), report=report, cancels=False)


def cancel_job(job_id: str, *, report: Report) -> Outcome:
    """Stop a job and wait until it has come to rest."""
    with connect() as client:
        if (before := client.get(job_id=job_id)).state in ENDED:
            report.note(f"The job had ended already ({state_word(before.state)}); there was nothing to cancel.")
        job = client.cancel(job_id=job_id)
        give_up = time.monotonic() + _REST_SECONDS
        while job.state not in ENDED and time.monotonic() < give_up:
            time.sleep(0.1)
            job = client.get(job_id=job.id)
    outcome = conclude(job, report=report)
    stopped = job.state == JobState.JOB_STATE_CANCELLED
    return Outcome(exit_code=ExitCode.OK if stopped else outcome.exit_code, facts=outcome.facts)


def retry_job(job_id: str, *, report: Report, detach: bool) -> Outcome:
    """Queue a failed or cancelled job again and follow it."""
    with connect() as client:
        if client.get(job_id=job_id).state == JobState.JOB_STATE_SUCCEEDED:
            report.note("The job has succeeded already; there is nothing to retry.")
        return follow(client, lambda: client.retry(job_id=job_id), report=report, detach=detach)


def _job_facts(job: Job) -> dict[str, object]:
    facts = to_plain(job, defaults=True)
    facts.pop("plan", None)
    facts.pop("preview", None)  # pictures are for hosts
    facts["job_id"] = facts.pop("id")
    facts["error"] = problem_facts(job.error) if job.HasField("error") else None
    facts["task"] = job.spec.WhichOneof("task")
    return dict(facts)


def _state_number(word: str) -> JobState.ValueType:
    numbers = enum_words(JobState.DESCRIPTOR)
    if word.lower() not in numbers:
        raise JobFileError(
            [make_problem("USAGE", f"'{word}' is no state of a job.", next_step=f"There are {', '.join(numbers)}.")]
        )
    return JobState.ValueType(numbers[word.lower()])


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S")


def _tries(attempts: int) -> str:
    return plural(attempts, "attempt") if attempts > 1 else ""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines())
