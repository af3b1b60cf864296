"""`overscan purge`: has the service remove jobs that have ended, with all that it keeps of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import typer

from overscan.cli._report import Outcome, Report
from overscan.cli._words import plural, size
from overscan.client import ServiceError, connect, make_problem
from overscan.v1.admin_service_pb2 import PurgeRequest, PurgeResponse

_DAY_SECONDS = 24 * 3600.0


def purge(
    job_ids: Sequence[str],
    *,
    show: str,
    days: float | None,
    receipts: bool,
    cache: bool,
    dry_run: bool,
    yes: bool,
    report: Report,
) -> Outcome:
    """Say what would go, ask, and have it removed."""
    request = PurgeRequest(job_ids=job_ids, show=show, receipts=receipts, cache=cache, dry_run=True)
    if days is not None:
        request.ended_before.FromSeconds(round(max(0.0, time.time() - days * _DAY_SECONDS)))
    with connect() as client:
        found = client.admin.purge(request)
        if dry_run or not (found.jobs or found.files):
            report.say(f"This would remove {_what(found)}." if dry_run else "There is nothing to remove.")
            return Outcome(facts={**_facts(found), "dry_run": dry_run})
        if not yes:
            report.note(
                f"This removes {_what(found)}, for good. Results in the output folders stay"
                f"{'' if receipts else ', and so do receipts'}."
            )
            if not _agreed(report):
                report.say("Nothing was removed.")
                return Outcome(facts={"jobs": 0, "files": 0, "bytes": 0, "dry_run": False})
        request.dry_run = False
        gone = client.admin.purge(request)
    report.say(f"Removed {_what(gone)}.")
    return Outcome(facts={**_facts(gone), "dry_run": False})


def _what(found: PurgeResponse) -> str:
    return f"{plural(found.jobs, 'job')} and {plural(found.files, 'file')} ({size(found.bytes)})"


def _facts(found: PurgeResponse) -> dict[str, object]:
    return {"jobs": found.jobs, "files": found.files, "bytes": found.bytes}


def _agreed(report: Report) -> bool:
    if report.json or not sys.stdin.isatty():
        raise ServiceError(
            [
                make_problem(
                    "USAGE",
                    "nothing is removed without a yes, and there is nobody to ask.",
                    next_step="Look with --dry-run at what would go, then add --yes.",
                )
            ]
        )
    return typer.confirm("Remove it?", err=True)
