"""Sends a job and stays with it until it ends: progress, Ctrl-C, and what to say at the end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from overscan.cli._display import Display, display_for, state_word, verification_sentence
from overscan.cli._exit import ExitCode, exit_code_of
from overscan.cli._interrupts import Interrupts
from overscan.cli._queue import name_dependencies
from overscan.cli._report import Outcome, Report
from overscan.cli._transfer import Carrier, carries
from overscan.cli._words import duration, plural
from overscan.client import ENDED, Client, ServiceError, connect, frames_from_numbers, frames_to_text, to_plain
from overscan.v1.job_pb2 import FrameState, Job, JobEvent, JobSpec, JobState

_CANCEL_SECONDS = 30.0
"""How long a cancelled job may take to come to rest before the command stops waiting."""
_POLL_SECONDS = 0.2
"""Windows delivers Ctrl-C only between waits, so none may be long."""

KEPT = "the service; `overscan jobs fetch` brings them"

_INTERRUPTED = object()
_END = object()
_Queue = queue.SimpleQueue[object]


def submit(spec: JobSpec, *, report: Report, detach: bool, transfer: str = "auto") -> Outcome:
    """Create the job on the service that runs here, or on one of its own, and follow it.

    `transfer` says whether frames travel with it (`carries`).
    """
    with connect() as client:
        name_dependencies(spec, client=client)
        if carries(client, transfer):
            carrier = Carrier(client, spec, report=report)
            return follow(client, carrier.begin, report=report, detach=detach, carrier=carrier)
        return follow(client, lambda: client.create(spec=spec), report=report, detach=detach)


def follow(
    client: Client,
    begin: Callable[[], Job],
    *,
    report: Report,
    detach: bool = False,
    cancels: bool = True,
    carrier: Carrier | None = None,
) -> Outcome:
    """Follow the job that `begin` returns to its end, and have the `carrier` fetch its result.

    Ctrl-C cancels the job and waits for it to come to rest, or, unless `cancels`, only stops following. A second
    Ctrl-C leaves at once.
    """
    happened: _Queue = queue.SimpleQueue()
    with Interrupts(on_first=lambda: happened.put(_INTERRUPTED)) as interrupts:
        job = begin()
        display = display_for(report)
        if detach and not interrupts.received:
            report.record("job", {"job_id": job.id, "state": state_word(job.state), "output": job.spec.output.path})
            report.say(job.id)
            report.note(f"Follow it with `overscan jobs watch {job.id}`.")
            return Outcome(facts={"job_id": job.id, "state": state_word(job.state), "detached": True})
        try:
            display.begin(job)
            if job.held_by:
                display.note(job.held_by)
            arrived = None if carrier is None else carrier.finished
            left = _pump(client, job, happened, display, interrupts=interrupts, cancels=cancels, arrived=arrived)
        except KeyboardInterrupt:
            display.end()
            report.note(f"Left without waiting. See `overscan jobs show {job.id}`.")
            return Outcome(exit_code=interrupts.exit_code, facts={"job_id": job.id, "state": "unknown"})
        finally:
            display.end()
        job = client.get(job_id=job.id)
        if carrier is not None and job.state in ENDED:
            carrier.arrive(job)
        output = None if carrier is None else carrier.output
        return conclude(job, report=report, interrupted=interrupts.exit_code if left else None, output=output)


def _pump(
    client: Client,
    job: Job,
    happened: _Queue,
    display: Display,
    *,
    interrupts: Interrupts,
    cancels: bool,
    arrived: Callable[[int, str], None] | None,
) -> bool:
    """Show events until the last; returns whether Ctrl-C came first."""
    watcher = threading.Thread(target=_watch, args=(client, job.id, happened), daemon=True, name="watch")
    watcher.start()
    waited = 0.0
    while waited < _CANCEL_SECONDS:
        try:
            item = happened.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            waited += _POLL_SECONDS if interrupts.received else 0.0
            continue
        if item is _END:
            return interrupts.received
        if item is _INTERRUPTED:
            if not cancels:
                return True
            display.note("Cancelling; finished frames stay. Ctrl-C again leaves at once.")
            _cancel(client, job)
        elif isinstance(item, ServiceError):
            raise item
        elif isinstance(item, JobEvent):
            display.event(item)
            if arrived is not None and item.HasField("frame_finished"):
                arrived(item.frame_finished.frame, item.frame_finished.path)
    return True


def _watch(client: Client, job_id: str, happened: _Queue) -> None:
    try:
        for event in client.watch(job_id=job_id):
            happened.put(event)
    except ServiceError as error:
        happened.put(error)
    except RuntimeError:  # the command has left and closed the client
        return
    happened.put(_END)


def _cancel(client: Client, job: Job) -> None:
    try:
        client.cancel(job_id=job.id)
    except ServiceError:
        # It may have ended in the same moment: then there is nothing to cancel, and its end is what counts.
        if client.get(job_id=job.id).state not in ENDED:
            raise


def conclude(job: Job, *, report: Report, interrupted: ExitCode | None = None, output: str | None = None) -> Outcome:
    """Say how the job stands, and what to do next; `output` is where its result came to lie, if not where it says."""
    output = output or job.spec.output.path
    done = frames_to_text(frames_from_numbers(finished_frames(job)))
    count = len(finished_frames(job))
    seconds = max(0.0, (job.end_time.ToNanoseconds() - job.start_time.ToNanoseconds()) / 1e9)
    facts: dict[str, object] = {
        "job_id": job.id,
        "state": state_word(job.state),
        "output": output,
        "frames": done,
        "frames_done": count,
        "frames_total": len(job.frames),
        "seconds": round(seconds, 3),
        "seconds_per_frame": round(seconds / count, 3) if count else None,
        "warnings": [to_plain(notice, defaults=True) for notice in job.warnings],
        "verification": to_plain(job.verification, defaults=True) if job.HasField("verification") else None,
    }
    where = f"{plural(count, 'frame')} ({done}) in {output or KEPT}" if count else "no frame was written"
    again = f"Go on with `overscan jobs retry {job.id}`; finished steps are not repeated."
    if job.state == JobState.JOB_STATE_SUCCEEDED:
        pace = f", {duration(seconds)}" + (f", {seconds / count:.2f} s per frame" if count else "")
        report.say(f"Done: {where}{pace}.")
        if job.HasField("verification"):
            report.say(f"Checked: {verification_sentence(job.verification)}.")
        return Outcome(facts=facts)
    if job.state == JobState.JOB_STATE_FAILED:
        problems = (job.error,) if job.HasField("error") else ()
        report.problems(problems)
        report.note(f"The job failed; {where}. {again}")
        return Outcome(exit_code=exit_code_of(job.error.code), facts=facts, problems=problems)
    if job.state == JobState.JOB_STATE_CANCELLED:
        report.note(f"Cancelled; {where}. {again}")
        return Outcome(exit_code=interrupted or ExitCode.CANCELLED, facts=facts)
    report.note(f"The job is {state_word(job.state)} and goes on; {where}.")
    report.note(f"Follow it with `overscan jobs watch {job.id}`, stop it with `overscan jobs cancel {job.id}`.")
    return Outcome(exit_code=interrupted or ExitCode.INTERNAL, facts=facts)


def finished_frames(job: Job) -> list[int]:
    """The frames that are in the output folder."""
    there = (FrameState.FRAME_STATE_FINISHED, FrameState.FRAME_STATE_VERIFIED)
    return [status.frame for status in job.frames if status.state in there]
