"""Keeps a home from growing without end, and nothing in it for longer than the settings and the policies allow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import Row, select

from overscan.core.errors import DiskFullError
from overscan.service._errors import StoreUnavailableError
from overscan.service._settings import Settings
from overscan.service.retention.ages import (
    kept_days,
    remove_old_files,
    remove_unfinished_files,
    remove_work_folders,
    strictest_days,
    trim_cache,
)
from overscan.service.retention.purge import Purger, Selection
from overscan.service.store import tables
from overscan.service.store.migrate import backups
from overscan.service.store.store import Store
from overscan.service.store.writer import ENDED, now_us
from overscan.service.transfers.places import Places
from overscan.service.transfers.results import Results
from overscan.service.transfers.upload_ids import upload_ids
from overscan.v1.job_pb2 import JobSpec, JobState

_LOG = logging.getLogger(__name__)
_DAY_US = 24 * 3600 * 1_000_000
_EVENT_DAYS_MAX = 7
_BACKUP_DAYS_MAX = 30
_DAY_MIN = 1.0
"""What was written today may be in use, whatever a policy says."""


class Tidier:
    """Tidies one home."""

    def __init__(self, *, store: Store, settings: Settings, places: Places, results: Results, purger: Purger) -> None:
        self._store = store
        self._settings = settings
        self._places = places
        self._results = results
        self._purger = purger

    def begin(self) -> None:
        """Once, before there is any worker: remove what the workers of a killed service were writing."""
        remove_unfinished_files(self._settings.cache, older_than_seconds=0.0)
        remove_unfinished_files(self._settings.receipts, older_than_seconds=0.0)

    def run(self) -> None:
        """Tidy everything; what cannot be tidied now is tidied another time."""
        for part in (
            self._purger.finish,
            self._forget_old_jobs,
            self._drop_events,
            self._drop_work_folders,
            self._drop_transfers,
            self._drop_files,
        ):
            try:
                part()
            except (DiskFullError, StoreUnavailableError) as error:
                _LOG.warning("not all of the home could be tidied: %s", error)
            except Exception:
                _LOG.exception("not all of the home could be tidied")

    def _forget_old_jobs(self) -> None:
        days = self._settings.history_days
        if days is not None:
            gone = self._purger.purge(Selection(ended_before_us=now_us() - int(days * _DAY_US)))
            if gone.jobs:
                _LOG.info("%d jobs ended more than %g days ago and were removed", gone.jobs, days)

    def _drop_events(self) -> None:
        """Drop what was said about single frames, with the previews of shows that nothing may be kept of."""
        jobs = tables.jobs
        with self._store.read() as connection:
            groups = connection.execute(select(jobs.c.show, jobs.c.shot).distinct()).all()
        for show, shot in groups:
            days = self._days(show, shot)
            before = now_us() - int(min(_EVENT_DAYS_MAX, _EVENT_DAYS_MAX if days is None else days) * _DAY_US)
            with self._store.write() as writer:
                writer.prune_events(ended_before_us=before, show=show, shot=shot)

    def _drop_work_folders(self) -> None:
        overdue = self._overdue()

        def unneeded(job_id: str) -> bool:
            state = self._store.state(job_id=job_id)
            return state in (None, JobState.JOB_STATE_SUCCEEDED) or overdue(self._store.job(job_id=job_id))

        remove_work_folders(jobs=self._settings.jobs, unneeded=unneeded)

    def _drop_transfers(self) -> None:
        """Drop uploads that nobody used for long, and kept results."""
        needed: set[str] = set()
        for row in self._store.unfinished():
            needed |= upload_ids(JobSpec.FromString(row.spec))
        days = self._least(self._settings.upload_days_max)
        self._places.uploads.tidy(days_max=days, needed=frozenset(needed))
        overdue = self._overdue()
        self._results.tidy(days_max=self._settings.result_days_max)
        if not self._settings.results.is_dir():
            return
        for folder in self._settings.results.iterdir():
            if self._store.state(job_id=folder.name) in ENDED and overdue(self._store.job(job_id=folder.name)):
                self._results.remove(job_id=folder.name)

    def _drop_files(self) -> None:
        settings = self._settings
        remove_unfinished_files(settings.cache, older_than_seconds=_DAY_MIN * 24 * 3600)
        strictest = strictest_days(policies=settings.policies, days_max=settings.retention_days)
        trim_cache(cache=settings.cache, bytes_max=settings.cache_bytes_max, days_max=strictest)
        if strictest is not None:
            remove_old_files(list(settings.logs.glob("*")), days_max=max(strictest, _DAY_MIN))
        if self._store.path is not None:
            days = self._least(_BACKUP_DAYS_MAX)
            remove_old_files(backups(self._store.path), days_max=days)

    def _least(self, days: float) -> float:
        strictest = strictest_days(policies=self._settings.policies, days_max=self._settings.retention_days)
        return max(min(days, days if strictest is None else strictest), _DAY_MIN)

    def _days(self, show: str, shot: str) -> float | None:
        return kept_days(policies=self._settings.policies, show=show, shot=shot, days_max=self._settings.retention_days)

    def _overdue(self) -> Callable[[Row[Any]], bool]:
        """Says of jobs whether they ended longer ago than anything of them may be kept; asks each policy once."""
        days_of = cache(self._days)

        def overdue(row: Row[Any]) -> bool:
            if row.ended_us is None:
                return False
            days = days_of(row.show, row.shot)
            return days is not None and time.time() - row.ended_us / 1e6 > days * 24 * 3600

        return overdue
