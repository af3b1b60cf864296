"""The job store in PostgreSQL.

The connection that writes holds the lock that keeps other services off the store: whoever can write has the lock.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, PendingRollbackError

from overscan.core.errors import DiskFullError, OverscanError
from overscan.service._errors import InvalidRequestError, StoreUnavailableError, StoreUnusableError
from overscan.service.store.database import LOOK_SECONDS, POOL, Database

_LOG = logging.getLogger(__name__)
_CONNECT_SECONDS_MAX = 5
_LOCK_SECONDS_MAX = 10.0
"""For PostgreSQL to notice that a service which was killed is gone, and with it its lock."""
_LOCK_KEY = 0x6F766572
_VERSION_MIN = 13


class PostgresDatabase(Database):
    """A PostgreSQL server's, of 13 or later."""

    byte_order = "C"

    def __init__(self, *, url: str, password: str = "", lock_seconds_max: float = _LOCK_SECONDS_MAX) -> None:
        """The database at `url`; a lock that another service holds is waited for that long.

        Raises `StoreUnusableError` where `url` is no address, or psycopg is not there.
        """
        self._lock_seconds_max = lock_seconds_max
        self.taken = False
        """Whether another service has the store, so that this one must end."""
        address = _postgres_url(url)
        if password:
            address = address.set(password=password)
        try:
            engine = create_engine(
                address,
                connect_args={"connect_timeout": _CONNECT_SECONDS_MAX, "application_name": "overscan"},
                isolation_level="AUTOCOMMIT",
                hide_parameters=True,
                **POOL,
                pool_pre_ping=True,
            )
        except ModuleNotFoundError as error:
            raise StoreUnusableError(
                "the package psycopg is not installed, which a store in PostgreSQL needs.",
                next_step="Install overscan with the extra `postgres`.",
                actual=error.name,
            ) from error
        super().__init__(engine=engine, place=f"PostgreSQL at {address.host or 'its socket'}, {address.database}")

    def flush(self) -> None:
        """Commit a transaction that waits for the server's disk, which then has those before it, too."""
        with self.write() as connection:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
            connection.exec_driver_sql("SELECT pg_current_xact_id()")

    def compact(self) -> None:
        """Let the server use the room of removed rows again. Its own logs and backups are its administrator's."""
        with self._writing, self.explained():
            try:
                (self._writer or self._connect_writer()).exec_driver_sql("VACUUM")
            except DBAPIError as error:
                if error.connection_invalidated:
                    self._drop_writer()
                raise

    @property
    def _begin_writing(self) -> str:
        return "BEGIN"

    def _connect_writer(self) -> Connection:
        """Connect, and take the lock with it."""
        connection = self.engine.connect()
        try:
            version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10000
            if version < _VERSION_MIN:
                raise StoreUnusableError(
                    f"the server at {self.place} is PostgreSQL {version}.",
                    next_step="Use a newer server.",
                    expected=f"{_VERSION_MIN} or later",
                    actual=version,
                )
            end = time.monotonic() + self._lock_seconds_max
            take = f"SELECT pg_try_advisory_lock({_LOCK_KEY}, hashtext(current_schema()))"
            while not connection.exec_driver_sql(take).scalar():
                if time.monotonic() > end:
                    self.taken = True
                    raise StoreUnusableError(
                        f"another service has the job store ({self.place}).",
                        next_step="Stop it, or give each service a database of its own.",
                    )
                self._closed.wait(LOOK_SECONDS)
            connection.exec_driver_sql("SET synchronous_commit = off")
        except BaseException:
            with suppress(DBAPIError, PendingRollbackError):
                connection.invalidate()
                connection.close()
            raise
        self._writer = connection
        return connection

    def _commit(self, connection: Connection) -> None:
        """Commit; where the connection is cut at this very moment, find out whether it was."""
        number = connection.exec_driver_sql("SELECT pg_current_xact_id_if_assigned()::text").scalar()
        try:
            connection.exec_driver_sql("COMMIT")
        except DBAPIError as error:
            if not error.connection_invalidated or number is None:
                self._roll_back(connection)
                raise
            self._drop_writer()
            if not self._was_committed(number):
                raise

    def _was_committed(self, number: str) -> bool:
        """Whether that transaction was, asked again and again until the server answers."""
        while True:
            try:
                state = self._connect_writer().exec_driver_sql(f"SELECT pg_xact_status('{number}')").scalar()
            except (DBAPIError, OverscanError) as error:
                _LOG.warning("waiting for the job store, to see what it has written: %s", error)
                self._drop_writer()
                if self.taken or self._closed.wait(1.0):
                    raise
                continue
            if state != "in progress":
                return bool(state == "committed")
            self._closed.wait(LOOK_SECONDS)

    def _explain(self, error: DBAPIError) -> OverscanError | None:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        words = " ".join(str(error.orig).split())
        if state == "53100":
            return DiskFullError("no room left for the job store.", next_step=f"Free some space at {self.place}.")
        if state.startswith(("28", "3D", "42501", "3F")):  # who, which database, what is allowed
            return StoreUnusableError(
                f"the job store cannot be used ({self.place}): {words}.",
                next_step="Check database_url, and the password in database_password_file.",
            )
        if isinstance(error, DataError):
            return InvalidRequestError(
                f"a text or number is none that the job store can keep: {words}.",
                next_step="Leave out zero bytes, which PostgreSQL has not.",
            )
        lost = error.connection_invalidated or state.startswith(("08", "53", "57P")) or state in ("25006", "55P03")
        if lost or (not state and isinstance(error.orig, _psycopg_error())):
            return StoreUnavailableError(
                f"the job store cannot be reached ({self.place}): {words}.",
                next_step="Check database_url and that the server runs; a running service goes on when it is back.",
            )
        return None


def _psycopg_error() -> type[Exception]:
    import psycopg

    return psycopg.OperationalError


def _postgres_url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        url = None
    if url is None or url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise StoreUnusableError(  # without the text, which may have a password in it
            "database_url is no address of a PostgreSQL database.",
            next_step="Write postgresql://USER@HOST:5432/DATABASE, or leave it out for SQLite in the home.",
        )
    return url.set(drivername="postgresql+psycopg")
