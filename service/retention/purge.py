"""Removes jobs that have ended, with all that the service keeps of them; never what artists have in their folders.

A job that is to go is marked first, in one transaction, and nobody finds it from then on; then its files go, then its
rows. A service that is killed meanwhile finishes it when it is started again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from overscan.core.errors import DiskFullError, InvalidJobError, OutputNotWritableError
from overscan.service._errors import JobNotEndedError
from overscan.service._settings import Settings
from overscan.service.store import tables
from overscan.service.store.migrate import backups
from overscan.service.store.store import Store
from overscan.service.store.writer import ENDED
from overscan.service.transfers.upload_ids import upload_ids
from overscan.service.transfers.uploads import Uploads
from overscan.service.workers.kernels import KERNELS
from overscan.v1.job_pb2 import JobSpec

_LOG = logging.getLogger(__name__)
_ASIDE = ".overscan-purged-"
"""How the names in the cache begin of what is being removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is to go."""

    job_ids: Sequence[str] = ()
    """These, by their ids or how they begin; each must have ended."""
    show: str = ""
    """All of this show that have ended."""
    ended_before_us: int | None = None
    """All that ended before, microseconds since 1970, UTC; of the show, if that is given."""
    receipts: bool = False
    """The service's copies of their receipts too."""
    cache: bool = False
    """The whole cache, which is by content and does not know whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeResult:
    """What went, or would go."""

    jobs: int = 0
    files: int = 0
    bytes: int = 0


@dataclass(slots=True)
class _Count:
    files: int = 0
    bytes: int = 0
    left: list[str] = field(default_factory=list)
    """What could not be removed."""


class Purger:
    """Removes jobs of one home. Safe to use from any thread."""

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        uploads: Uploads,
        still: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """No job begins while one is within `still`."""
        self._store = store
        self._settings = settings
        self._uploads = uploads
        self._still = still

    def purge(self, selection: Selection, *, dry_run: bool = False) -> PurgeResult:
        """Remove what is selected; with `dry_run`, only say what that is.

        Raises `InvalidJobError` where nothing is selected, `JobNotFoundError`, and `JobNotEndedError` for a job that is
        named and has not ended, or that another which has not ended depends on, and for the cache while jobs use it.
        """
        rows = self._chosen(selection)
        if selection.cache:
            self._require_idle_cache()
        if not dry_run and rows:
            with self._store.write() as writer:
                writer.mark_purging([row.id for row in rows], receipts=selection.receipts)
            self._store.flush()  # before any file is gone
            _LOG.info("purging jobs %s", ", ".join(row.id for row in rows))
        count = _Count()
        self._remove_rows(rows, receipts=selection.receipts, dry_run=dry_run, count=count)
        if selection.cache:
            for path in self._cached() if dry_run else self._cache_set_aside():
                _remove(path, count, dry_run=dry_run)
        return PurgeResult(jobs=len(rows), files=count.files, bytes=count.bytes)

    def finish(self) -> None:
        """Finish what a service began that was killed."""
        jobs = tables.jobs
        with self._store.read() as connection:
            rows = connection.execute(select(jobs).where(jobs.c.purging != 0)).all()
        for receipts in (False, True):
            left = [row for row in rows if row.purging == (2 if receipts else 1)]
            self._remove_rows(left, receipts=receipts, dry_run=False, count=_Count())
        for path in self._settings.cache.glob(f"{_ASIDE}*"):
            _remove(path, _Count(), dry_run=False)

    def _chosen(self, selection: Selection) -> Sequence[Row[Any]]:
        by_kind = bool(selection.show) or selection.ended_before_us is not None
        if selection.job_ids and by_kind:
            raise InvalidJobError(
                "jobs by their ids, and a show or an age, exclude each other.",
                next_step="Give the ids alone, or the show and the age.",
                field="job_ids",
            )
        if selection.job_ids:
            ids = dict.fromkeys(self._store.find(prefix=prefix) for prefix in selection.job_ids)
            rows = [self._store.job(job_id=job_id) for job_id in ids]
            self._require_ended(rows)
            return rows
        if not by_kind:
            if selection.cache:
                return []
            raise InvalidJobError(
                "it is not said what is to be removed.", next_step="Name jobs, a show, or an age.", field="job_ids"
            )
        jobs = tables.jobs
        query = select(jobs).where(jobs.c.state.in_(ENDED), jobs.c.purging == 0).order_by(jobs.c.ordinal)
        if selection.show:
            query = query.where(jobs.c.show == selection.show)
        if selection.ended_before_us is not None:
            query = query.where(jobs.c.ended_us < selection.ended_before_us)
        needed = self._needed()
        with self._store.read() as connection:
            return [row for row in connection.execute(query) if row.id not in needed]

    def _require_ended(self, rows: Iterable[Row[Any]]) -> None:
        needed = self._needed()
        for row in rows:
            if row.state not in ENDED:
                raise JobNotEndedError(
                    f"the job {row.id} has not ended.",
                    next_step="Cancel it first, or wait for its end.",
                    field="job_ids",
                    actual=row.id,
                )
            if row.id in needed:
                raise JobNotEndedError(
                    f"the job {needed[row.id]} waits and depends on the job {row.id}.",
                    next_step="Cancel it first, or wait for its end.",
                    field="job_ids",
                    actual=row.id,
                )

    def _needed(self) -> dict[str, str]:
        """Jobs that others depend on which have not ended, with one of these."""
        table, jobs = tables.dependencies, tables.jobs
        query = (
            select(table.c.needs_job_id, table.c.job_id)
            .join(jobs, jobs.c.id == table.c.job_id)
            .where(jobs.c.state.not_in(ENDED))
        )
        with self._store.read() as connection:
            return {row.needs_job_id: row.job_id for row in connection.execute(query)}

    def _require_idle_cache(self) -> None:
        jobs = tables.jobs
        begun = select(jobs.c.id).where(jobs.c.state.not_in(ENDED), jobs.c.started_us.is_not(None)).limit(1)
        with self._store.read() as connection:
            job_id = connection.execute(begun).scalar()
        if job_id is not None:
            raise JobNotEndedError(
                f"the job {job_id} has begun, and may need what is in the cache.",
                next_step="Empty the cache when no job is under way.",
                field="cache",
                actual=job_id,
            )

    def _remove_rows(self, rows: Sequence[Row[Any]], *, receipts: bool, dry_run: bool, count: _Count) -> None:
        """Remove the files of jobs, and then the jobs."""
        if not rows:
            return
        for path in self._files(rows, receipts=receipts):
            _remove(path, count, dry_run=dry_run)
        for upload_id in self._own_uploads(rows):
            _remove(self._settings.uploads / upload_id, count, dry_run=True)
            if not dry_run:
                self._uploads.remove(upload_id=upload_id)
        for path in self._shared():
            _empty(path, count, dry_run=dry_run)
        if dry_run:
            return
        if count.left:
            raise OutputNotWritableError(
                f"{len(count.left)} files of purged jobs cannot be removed, among them {count.left[0]}.",
                next_step="Make their folders writable for the service; it removes them when it is started again.",
                path=count.left[0],
            )
        for row in rows:
            with self._store.write() as writer:
                writer.remove_job(row.id)
        try:
            self._store.compact()
        except DiskFullError as error:  # what was removed is overwritten with zeros all the same
            _LOG.warning("the job store stays as large as it is: %s", error)

    def _files(self, rows: Iterable[Row[Any]], *, receipts: bool) -> Iterator[Path]:
        for row in rows:
            yield self._settings.jobs / row.id
            yield self._settings.results / row.id
            if receipts:
                yield from sorted(self._settings.receipts.glob(f"{row.id}.*"))
        if self._store.path is not None:  # they have the same jobs, and nothing is taken out of a copy
            yield from backups(self._store.path)

    def _own_uploads(self, rows: Sequence[Row[Any]]) -> frozenset[str]:
        """Uploads that these jobs read, and no others do."""
        own = frozenset[str]().union(*(upload_ids(JobSpec.FromString(row.spec)) for row in rows))
        if not own:
            return own
        gone = {row.id for row in rows}
        with self._store.read() as connection:
            for other in connection.execute(select(tables.jobs.c.id, tables.jobs.c.spec)):
                if other.id not in gone:
                    own -= upload_ids(JobSpec.FromString(other.spec))
        return own

    def _shared(self) -> Iterator[Path]:
        """Logs, whose lines are about all jobs. The audit log is none of them: it says who asked for this."""
        with contextlib.suppress(OSError):
            yield from sorted(path for path in self._settings.logs.iterdir() if path.is_file())

    def _cache_set_aside(self) -> Sequence[Path]:
        """What was in the cache, out of the way of jobs that begin now: to remove it may take long."""
        found = []
        with self._still():
            self._require_idle_cache()
            for path in self._cached():
                aside = path.with_name(f"{_ASIDE}{secrets.token_hex(8)}")  # a folder for all may not fit on a full disk
                try:
                    found.append(path.rename(aside))
                except OSError:  # another disk, say
                    found.append(path)
        return found

    def _cached(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            yield from sorted(path for path in self._settings.cache.iterdir() if path.name != KERNELS)


def _remove(path: Path, count: _Count, *, dry_run: bool) -> None:
    """Remove a file or a folder. Of a symbolic link, the link; what it leads to is somebody else's."""
    try:
        status = path.lstat()
    except OSError:
        return
    if path.is_symlink() or not path.is_dir():
        count.files += 1
        count.bytes += status.st_size
        if not dry_run:
            path.unlink(missing_ok=True)
        return
    for folder, _, names in os.walk(path):  # does not follow links
        for name in names:
            with contextlib.suppress(OSError):
                count.bytes += (Path(folder) / name).lstat().st_size
                count.files += 1
    if not dry_run:
        shutil.rmtree(path, onerror=lambda _, name, __: _note(name, count))  # safe against links


def _empty(path: Path, count: _Count, *, dry_run: bool) -> None:
    """Take all out of a log that may be open: whoever writes it goes on at its end."""
    with contextlib.suppress(OSError):
        size = path.lstat().st_size
        if size and not path.is_symlink():
            count.files += 1
            count.bytes += size
            if not dry_run:
                os.truncate(path, 0)


def _note(name: str, count: _Count) -> None:
    if os.path.lexists(name):
        count.left.append(name)
