"""`overscan jobs pause`, `resume` and `move`: what waits, and in which order."""

from __future__ import annotations

from typing import Annotated

import typer

from overscan.cli import _options as options


def pause_job(job_id: options.JobId, json: options.Json = False) -> None:
    """Hold a job back. What runs of it is stopped; what is done stays."""
    from overscan.cli import _queue
    from overscan.cli._report import carry_out

    carry_out(lambda report: _queue.pause_job(job_id, report=report), json=json)


def resume_job(job_id: options.JobId, json: options.Json = False) -> None:
    """Let a paused job go on."""
    from overscan.cli import _queue
    from overscan.cli._report import carry_out

    carry_out(lambda report: _queue.resume_job(job_id, report=report), json=json)


def move_job(
    job_id: options.JobId,
    priority: options.Priority = None,
    before: Annotated[
        str | None, typer.Option(metavar="JOB", help="Just before this one of your jobs, of the same priority.")
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Before all your jobs of the same priority.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Behind all your jobs of the same priority.")] = False,
    json: options.Json = False,
) -> None:
    """Change a job's priority, or its place among your own jobs."""
    from overscan.cli import _queue
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _queue.move_job(job_id, priority=priority, before=before, first=first, last=last, report=report),
        json=json,
    )
