"""Carries out what `faults` decides: counts what went wrong with a job's work, and when it is tried again."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from overscan.core.errors import ErrorRecord
from overscan.core.frames import format_frames
from overscan.service._errors import WorkerDiedError
from overscan.service._settings import Settings
from overscan.service.scheduling.faults import Limits, Tried, Trouble, Verdict, decide
from overscan.service.scheduling.job_run import Assignment, Pause
from overscan.service.workers.logs import LOGS

_STAYS = frozenset({"claims", "beside.json", "places.json", LOGS})
_LOG = logging.getLogger(__name__)


def tried_before(steps: Iterable[Row[Any]]) -> Mapping[str, Tried]:
    """What has gone wrong with the steps of a job, as the store has it."""
    found = {
        row.step_id: Tried(failures=row.failures, deaths=row.deaths, kills=row.kills, frugal=row.frugal)
        for row in steps
    }
    return {step: tried for step, tried in found.items() if tried != Tried()}


def judge(work: Assignment, trouble: Trouble, *, settings: Settings, why: object) -> Verdict:
    """What becomes of work that has just gone wrong; `why` is for the log."""
    limits = Limits(retries_max=settings.retries_max, retry_seconds=settings.retry_seconds)
    tried = work.run.tried.get(work.id, Tried())
    verdict = decide(trouble, tried=tried, advanced=work.advanced, limits=limits)
    becomes = "fails"
    if verdict.again:
        becomes = f"is tried again in {verdict.pause_seconds:g} s" if verdict.pause_seconds else "is tried again"
        becomes += f", sparing memory ({verdict.tried.frugal})" if verdict.tried.frugal else ""
    _LOG.warning("job %s, %s %s after %s: %s", work.run.id, work.id, becomes, trouble.value, why)
    return verdict


def begin_again(work: Assignment, verdict: Verdict, record: ErrorRecord) -> None:
    """Have the work done again; `record` says what went wrong."""
    run = work.run
    run.tried[work.id] = verdict.tried
    if verdict.pause_seconds:
        what = record.message.rstrip(".")
        where = f" ({record.path})" if record.path and record.path not in what else ""
        why = f"A step is tried again every few seconds: {what}{where}. {record.next_step}".rstrip()
        run.pauses[work.id] = Pause(until=time.monotonic() + verdict.pause_seconds, why=why)


def death_record(work: Assignment, death: WorkerDiedError, tried: Tried) -> ErrorRecord:
    """What to tell the artist when a step's worker died too often."""
    where, suspect = "while checking the result against the plate", None
    if work.step is not None:
        done = set(work.frames_done)
        suspect = next((frame for frame in work.step.frames if frame not in done), None)
        about = f" (frames {format_frames(work.step.frames)})" if work.step.frames else ""
        at = f", at or after frame {suspect}" if suspect is not None else ""
        where = f"in step '{work.step.id}'{about}{at}"
    record = death.record
    if record.code == "OUT_OF_MEMORY" or death.trouble is Trouble.START:
        return replace(record, message=f"{record.message.rstrip('.')} {where}.", frame=suspect)
    times = tried.deaths + tried.kills
    return replace(
        record,
        message=f"the worker process died {times} times {where}; the last time by {death.how}.",
        next_step=f"{record.next_step} Check that frame's files and the memory that is free, then retry the job.",
        frame=suspect,
    )


def forget_what_was_made(work_folder: Path) -> None:
    """Empty a job's work folder, whose contents come from inputs that are others now.

    What stays says which files in the output folder are the job's own, and what its workers said.
    """
    with contextlib.suppress(FileNotFoundError):
        for path in work_folder.iterdir():
            if path.name in _STAYS:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
