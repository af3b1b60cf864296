"""Alembic's environment: on the connection that the service hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from overscan.service.store import tables

context.configure(connection=context.config.attributes["connection"], target_metadata=tables.metadata)
context.run_migrations()
