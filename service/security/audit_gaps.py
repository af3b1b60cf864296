"""Gives jobs and uploads a line in the audit log whose calls were cut off by the end of the service.

A call's line is written when it has done its work; a service that is killed between the two has done it and not said
so. What was made has its user, so that the next service can say it. Calls that change what is there, and leave nobody's
name, have a line before they begin instead (`security.roles`).
"""

from __future__ import annotations

import logging
import re
from datetime import datetime, timezone

from sqlalchemy import select

from overscan.service.security.audit import AuditLog, about
from overscan.service.store import tables
from overscan.service.store.store import Store
from overscan.service.transfers.uploads import Uploads
from overscan.v1.job_pb2 import JobSpec

_LOG = logging.getLogger(__name__)
_TAIL_BYTES = 4 << 20
"""Some ten thousand lines: nothing was made before the first of these, and had no line yet when the service ended."""
_JOBS_MAX = 1000
"""Where the log is new and the store is not, so many of the newest get a line."""
_BEGINNING = b'{"number": 1, '
_TIME = re.compile(rb'"time": "([^"]+)"')
_MADE = re.compile(rb'"call": "Create(?:Job|Upload)", "(?:job|upload)": "([0-9a-f]{32})"')
"""What a line about a call that made something has; no text of a caller's looks so, for its quotes are escaped."""


def close_gaps(*, log: AuditLog, store: Store, uploads: Uploads) -> None:
    """Add a line with the outcome ``RECOVERED`` for each job and upload whose making no line names.

    Before any call is taken. Raises `StoreUnavailableError`.
    """
    tail = log.tail(_TAIL_BYTES)
    first = _TIME.search(tail)
    since = (
        0.0 if first is None or tail.startswith(_BEGINNING) else datetime.fromisoformat(first[1].decode()).timestamp()
    )
    named = {found.decode() for found in _MADE.findall(tail)}
    entries = [*_jobs(store, named, since), *_uploads(uploads, named, since)]
    if entries:
        _LOG.warning("%d jobs and uploads that no line of the audit log named have one now", len(entries))
        log.catch_up(entries)


def _jobs(store: Store, named: set[str], since: float) -> list[dict[str, object]]:
    jobs = tables.jobs
    query = select(jobs.c.id, jobs.c.user, jobs.c.created_us).order_by(jobs.c.ordinal.desc()).limit(_JOBS_MAX)
    entries: list[dict[str, object]] = []
    with store.read() as connection:
        for row in reversed(connection.execute(query).all()):
            if row.created_us >= int(since * 1e6) and row.id not in named:
                spec = connection.execute(select(jobs.c.spec).where(jobs.c.id == row.id)).scalar_one()
                detail = about(JobSpec.FromString(spec))
                entries.append(_entry("Job", row.id, user=row.user, made=row.created_us / 1e6, detail=detail))
    return entries


def _uploads(uploads: Uploads, named: set[str], since: float) -> list[dict[str, object]]:
    return [
        _entry("Upload", upload.id, user=upload.user, made=made, detail=upload.name)
        for upload, made in uploads.made_since(since)
        if upload.id not in named
    ]


def _entry(kind: str, name: str, *, user: str, made: float, detail: str) -> dict[str, object]:
    return {
        "user": user or "(service)",
        "call": f"Create{kind}",
        kind.lower(): name,
        "detail": detail,
        "outcome": "RECOVERED",
        "happened": datetime.fromtimestamp(made, timezone.utc).isoformat(),
    }
