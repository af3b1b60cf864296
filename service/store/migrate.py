"""Brings a job store to the schema of this version: a new one is made, an older one migrated, a newer one refused.

Alembic is loaded only where there is something to migrate.
"""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, update

from overscan.core.errors import OverscanError
from overscan.service._errors import StoreUnusableError
from overscan.service.store import tables
from overscan.service.store.database import Database
from overscan.service.store.sqlite import SqliteDatabase

_LOG = logging.getLogger(__name__)


def prepare(database: Database) -> None:
    """Make `database` ready for this version, in one transaction; raises `StoreUnusableError`."""
    with database.read() as connection:
        version = _version(connection)
    if version == tables.SCHEMA_VERSION:
        return
    if version is not None and version > tables.SCHEMA_VERSION:
        raise StoreUnusableError(
            f"the job store was written by a newer version of Overscan (schema {version}).",
            next_step="Use that version, or another home (OVERSCAN_HOME).",
            path=database.path,
            expected=f"at most {tables.SCHEMA_VERSION}",
            actual=version,
        )
    if version is not None:
        _back_up(database, version)
    with database.write() as connection:
        if version is None:
            _make(connection)
        else:
            migrate(connection, version=version)
            _LOG.info("the job store is of schema %d now; it was of %d", tables.SCHEMA_VERSION, version)
    database.flush()


def backups(path: Path) -> list[Path]:
    """The copies of a store in SQLite that migrating it has left beside it."""
    return sorted(path.parent.glob(f"{path.stem}.schema-*{path.suffix}*"))


def migrate(connection: Connection, *, version: int) -> None:
    """Migrate a store of schema `version` (0 for an empty database) to this version's, in an open transaction."""
    from alembic import command
    from alembic.config import Config

    from overscan.service.store import migrations

    if version == 1:  # the first version did not know Alembic
        tables.revisions.create(connection, checkfirst=True)
        if connection.execute(select(tables.revisions.c.version_num)).scalar() is None:
            connection.execute(insert(tables.revisions).values(version_num="0001"))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.execute(update(tables.schema).values(version=tables.SCHEMA_VERSION))


def _version(connection: Connection) -> int | None:
    """The schema of a store; None where there is none yet."""
    if not inspect(connection).has_table(tables.schema.name):
        return None
    return connection.execute(select(tables.schema.c.version)).scalar()


def _make(connection: Connection) -> None:
    tables.metadata.create_all(connection)
    tables.revisions.create(connection, checkfirst=True)
    connection.execute(insert(tables.schema).values(version=tables.SCHEMA_VERSION))
    connection.execute(insert(tables.revisions).values(version_num=f"{tables.SCHEMA_VERSION:04d}"))


def _back_up(database: Database, version: int) -> None:
    if not isinstance(database, SqliteDatabase):  # a backup is its administrator's to make
        return
    target = database.file.with_name(f"{database.file.stem}.schema-{version}{database.file.suffix}")
    try:
        database.copy_to(target)
    except OverscanError as error:
        why = error.record.message
        raise StoreUnusableError(
            f"the job store is of schema {version} and must be migrated, and it cannot be copied before: {why}",
            next_step=error.record.next_step,
            path=target,
        ) from error
    _LOG.info("the job store is of schema %d and is migrated; a copy of it is %s", version, target)
