"""`overscan status` and `overscan drain`: for whoever looks after a service."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from overscan.cli._display import state_word
from overscan.cli._exit import ExitCode
from overscan.cli._report import Outcome, Report
from overscan.cli._steering import usage
from overscan.cli._words import columns, duration, plural, size
from overscan.client import ServiceError, ServiceUnreachableError, connect
from overscan.v1.admin_service_pb2 import GetStatusResponse
from overscan.v1.job_pb2 import JobState

_LOOK_SECONDS = 0.5


def show_status(*, report: Report) -> Outcome:
    """Show what the running service does, and whether it is ready for more."""
    with connect(start_private=False) as client:
        status = client.admin.status()
        ready = client.admin.ready()
        address = client.open().address
    lacking = [name.removeprefix("overscan.v1.") for name, good in ready.items() if not good]
    facts = {**_facts(status), "address": address, "ready": not lacking, "not_ready": lacking}
    report.record("status", facts)
    up = (datetime.now(timezone.utc) - status.start_time.ToDatetime(tzinfo=timezone.utc)).total_seconds()
    report.say(f"Overscan {status.version} at {address}, up for {duration(max(up, 0.0))}.")
    if status.draining:
        report.say("It is being drained: no work is given out.")
    report.say(f"Not ready: {', '.join(lacking)}; its log says why." if lacking else "It is ready.")
    jobs = [f"{count} {_state(name)}" for name, count in status.jobs.items() if count]
    counted = ", ".join(jobs) or ("none" if status.jobs else "unknown, for the job store does not answer")
    report.say(f"Jobs: {counted}. {size(status.home_bytes_free)} free on the home's disk.")
    rows: list[tuple[str, ...]] = [("WORKER", "DEVICE", "PROCESS", "MEMORY", "SILENT", "WORKS ON")]
    for worker in status.workers:
        process = str(worker.pid) if worker.pid else "-"
        work = f"{worker.job_id[:12]} {worker.step_id}" if worker.job_id else "-"
        silent = duration(worker.silent_seconds) if worker.pid else "-"
        memory = size(worker.memory_bytes) if worker.pid else "-"
        rows.append((worker.name, worker.device or "any", process, memory, silent, work))
    report.say(columns(rows))
    return Outcome(exit_code=ExitCode.SERVICE if lacking else ExitCode.OK, facts={"ready": not lacking})


def drain(*, close: bool, seconds_max: float, undo: bool, wait: bool, report: Report) -> Outcome:
    """Have the running service come to rest, or go back to work."""
    if seconds_max and not close:
        raise usage("--seconds says when the service ends whatever runs.", "Give --close with it, or leave it out.")
    with connect(start_private=False) as client:
        running = client.admin.drain(close=close, seconds_max=seconds_max, undo=undo)
        if undo:
            report.say("The service gives out work again.")
            return Outcome(facts={"running_steps": running, "draining": False})
        report.say(
            f"The service gives out no more work; {plural(running, 'step')} still "
            f"{'runs' if running == 1 else 'run'}{', and it ends after that' if close else ''}."
        )
        gone = False
        while wait and running and not gone:
            time.sleep(_LOOK_SECONDS)
            try:
                running = sum(bool(worker.job_id) for worker in client.admin.status().workers)
            except ServiceError as error:
                ended = error.connection_lost or isinstance(error, ServiceUnreachableError)
                if not (close and ended):
                    raise
                running, gone = 0, True
        if wait:
            report.say("Nothing runs any more.")
    return Outcome(facts={"running_steps": running, "draining": True})


def _facts(status: GetStatusResponse) -> dict[str, object]:
    return {
        "version": status.version,
        "start_time": status.start_time.ToJsonString(),
        "draining": status.draining,
        "jobs": {_state(name): count for name, count in status.jobs.items()},
        "home_bytes_free": status.home_bytes_free,
        "workers": [
            {
                "name": worker.name,
                "device": worker.device,
                "pid": worker.pid,
                "job_id": worker.job_id,
                "step_id": worker.step_id,
                "silent_seconds": worker.silent_seconds,
                "memory_bytes": worker.memory_bytes,
            }
            for worker in status.workers
        ],
    }


def _state(name: str) -> str:
    """A state's name on the wire in our words; a newer service may have states that we do not know."""
    return state_word(JobState.Value(name)) if name in JobState.keys() else name.lower()  # noqa: SIM118
