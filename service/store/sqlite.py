"""The job store in SQLite: a file in the home, in WAL mode."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from overscan.core.errors import DiskFullError, OverscanError
from overscan.service._errors import StoreUnavailableError, StoreUnusableError
from overscan.service.store.database import LOOK_SECONDS, POOL, Database

_LOG = logging.getLogger(__name__)
_BUSY_SECONDS_MAX = 30
_CHECKPOINTS_MAX = 20


class SqliteDatabase(Database):
    """A file in the home, in WAL mode."""

    byte_order = "BINARY"

    def __init__(self, *, path: Path) -> None:
        with contextlib.suppress(OSError):  # SQLite gives its log the mode that the file has when it is opened
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
        engine = create_engine(
            URL.create("sqlite", database=str(path)),
            connect_args={"timeout": _BUSY_SECONDS_MAX, "check_same_thread": False},
            isolation_level="AUTOCOMMIT",  # transactions begin and end where this module says so
            hide_parameters=True,
            **POOL,
        )
        event.listen(engine, "connect", _set_up_sqlite)
        super().__init__(engine=engine, place=str(path))
        self.path = self.file = path
        self._log_is_there = False
        """Whether the disk has the log's name for sure."""

    def flush(self) -> None:
        """Flush the log, from which SQLite restores what the file itself has not yet."""
        try:
            with self.file.with_name(f"{self.file.name}-wal").open("rb+") as log:
                os.fsync(log.fileno())
            if not self._log_is_there and sys.platform != "win32":
                folder = os.open(self.file.parent, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
            self._log_is_there = True
        except FileNotFoundError:  # all is in the file
            return
        except OSError as error:
            words = "the disk is full" if error.errno == errno.ENOSPC else f"disk I/O: {error.strerror}"
            raise _explain_sqlite(words, self.file) or error from error

    def compact(self) -> None:
        """Write the file anew, and empty its log."""
        with self._writing, self.explained():
            connection = self._writer or self._connect_writer()
            connection.exec_driver_sql("VACUUM")
            for _ in range(_CHECKPOINTS_MAX):
                if not connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
                    return
                self._closed.wait(LOOK_SECONDS)  # somebody reads what the log has
            _LOG.warning("the log of %s could not be emptied, for somebody reads it", self.place)

    def copy_to(self, target: Path) -> None:
        """Copy the file, as it is between two transactions."""
        beside = target.with_name(f"{target.name}.part")
        beside.unlink(missing_ok=True)
        source, copy = sqlite3.connect(self.file), sqlite3.connect(beside)
        try:
            beside.chmod(0o600)
            source.backup(copy)
        except sqlite3.Error as error:
            raise _explain_sqlite(str(error), beside) or error from error
        finally:
            source.close()
            copy.close()
        beside.replace(target)

    @property
    def _begin_writing(self) -> str:
        return "BEGIN IMMEDIATE"  # waits for a while where another process (a backup) has the lock

    def _explain(self, error: DBAPIError) -> OverscanError | None:
        return _explain_sqlite(str(error.orig), self.file)


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # Deleted rows are overwritten with zeros, so that nothing of a purged plate is left in the file.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _explain_sqlite(words: str, path: Path) -> OverscanError | None:
    if "full" in words:
        return DiskFullError("no room left for the job store.", next_step="Free some space on that disk.", path=path)
    if "malformed" in words or "not a database" in words:
        return StoreUnusableError(
            f"the job store is damaged: {words}.",
            next_step="Restore it from a backup, or move it away to begin a new one.",
            path=path,
        )
    if any(part in words for part in ("unable to open", "readonly", "disk I/O", "locked")):
        return StoreUnavailableError(
            f"the job store cannot be used: {words}.",
            next_step="Check that its disk is there and can be written; the service goes on then.",
            path=path,
        )
    return None
