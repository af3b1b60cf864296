"""Migrations of the job store, run by Alembic where a store of an older version is opened."""
