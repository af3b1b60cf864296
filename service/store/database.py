"""Where the job store is: what SQLite (`store.sqlite`) and PostgreSQL (`store.postgres`) have in common.

Writes go through one connection, one at a time; reads have a pool.
"""

from __future__ import annotations

import abc
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, PendingRollbackError, TimeoutError

from overscan.core.errors import OverscanError
from overscan.service._errors import StoreUnavailableError

POOL: dict[str, Any] = {"pool_size": 9, "max_overflow": 0, "pool_timeout": 60, "pool_use_lifo": True}
"""One connection that writes, and eight that read: more calls at once wait, and Python could not serve them anyway."""
LOOK_SECONDS = 0.25


class Database(abc.ABC):
    """A database with one writer."""

    byte_order: str
    """The collation that orders texts by their bytes: in others, e.g. Danish, what begins with "aa" comes last."""

    def __init__(self, *, engine: Engine, place: str) -> None:
        self.engine = engine
        self.place = place
        """What to call it; without user and password."""
        self.path: Path | None = None
        """The file, where it is one."""
        self._writing = threading.Lock()
        self._writer: Connection | None = None
        self._closed = threading.Event()

    def open(self) -> None:
        """Connect, once; raises `StoreUnusableError` or `StoreUnavailableError` where that cannot be done."""
        with self._writing, self.explained():
            if self._writer is None:
                self._connect_writer()

    def close(self) -> None:
        """Close all connections."""
        self._closed.set()
        with self._writing:
            self._drop_writer()
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection on which each statement sees what has been written until then."""
        with self.explained(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The one write transaction; what it wrote survives a power cut once it is flushed.

        Raises `DiskFullError` or `StoreUnavailableError`, and has then written nothing.
        """
        with self._writing, self.explained():
            try:
                connection = self._begun()
                try:
                    yield connection
                except BaseException:
                    self._roll_back(connection)
                    raise
                self._commit(connection)
            except DBAPIError as error:
                if error.connection_invalidated:
                    self._drop_writer()
                raise

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say in our words what a failure of the database means, where it is no fault of ours."""
        try:
            yield
        except DBAPIError as error:
            found = self._explain(error)
            if found is None:
                raise
            raise found from error
        except TimeoutError as error:
            raise StoreUnavailableError(
                f"the job store is too busy ({self.place}).", next_step="Try again in a moment."
            ) from error

    @abc.abstractmethod
    def flush(self) -> None:
        """Have all that was written on the disk; raises as `write` does."""

    @property
    @abc.abstractmethod
    def _begin_writing(self) -> str:
        """The statement that begins a transaction which writes."""

    @abc.abstractmethod
    def _explain(self, error: DBAPIError) -> OverscanError | None:
        """What a failure of the database means; None where it means a fault of ours."""

    @abc.abstractmethod
    def compact(self) -> None:
        """Leave nothing of what was removed in the database's files, as far as that is ours to do."""

    def _connect_writer(self) -> Connection:
        self._writer = self.engine.connect()
        return self._writer

    def _drop_writer(self) -> None:
        if self._writer is not None:
            with suppress(DBAPIError, PendingRollbackError):
                self._writer.invalidate()
                self._writer.close()
            self._writer = None

    def _begun(self) -> Connection:
        """The writer, in a transaction; it is connected anew where the database has cut it off meanwhile."""
        if self._writer is not None:
            try:
                self._writer.exec_driver_sql(self._begin_writing)
                return self._writer
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._drop_writer()
        connection = self._connect_writer()
        connection.exec_driver_sql(self._begin_writing)
        return connection

    def _roll_back(self, connection: Connection) -> None:
        with suppress(DBAPIError, PendingRollbackError):
            connection.exec_driver_sql("ROLLBACK")

    def _commit(self, connection: Connection) -> None:
        try:
            connection.exec_driver_sql("COMMIT")
        except DBAPIError:
            self._roll_back(connection)
            raise
