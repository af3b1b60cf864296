"""The tables of the job store."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

SCHEMA_VERSION = 2
"""The last of `migrations`; a store of another version is migrated, or refused where it is newer."""

metadata = MetaData()


def _job_id() -> Column[str]:
    return Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)


schema = Table("schema", metadata, Column("version", Integer, primary_key=True))  # also read by the first version

revisions = Table(  # Alembic's own, which it leaves out where it compares: hence not in `metadata`
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("ordinal", Integer, primary_key=True, autoincrement=True),  # order of creation
    Column("id", String(32), nullable=False, unique=True),
    Column("request_id", String(200), nullable=False, unique=True),
    Column("spec", LargeBinary, nullable=False),  # proto JobSpec
    Column("plan", LargeBinary, nullable=False),  # proto Plan without its steps, which may be many: see `plans`
    Column("parameters", Text, nullable=False),  # the engine's, JSON, by their types: the wire knows one kind of number
    Column("state", Integer, nullable=False, index=True),  # proto JobState
    Column("priority", Integer, nullable=False),
    Column("progress", Float, nullable=False, default=0.0),
    Column("error", LargeBinary),  # proto Problem
    Column("verification", LargeBinary),  # proto Verification
    Column("created_us", BigInteger, nullable=False),  # microseconds since 1970, UTC
    Column("started_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("event_ceiling", BigInteger, nullable=False, default=0),  # event numbers up to here may be taken
    Column("output_key", Text, nullable=False, index=True),  # output pattern, normalised
    Column("show", Text, nullable=False),
    Column("sequence", Text, nullable=False),
    Column("shot", Text, nullable=False),
    Column("artist", Text, nullable=False),
    Column("user", Text, nullable=False, server_default=text("''")),  # who created it, as the service knows them
    Column("rank", Float, nullable=False, server_default="0"),  # order within a user's jobs of one priority
    Column("paused", Boolean, nullable=False, server_default=false()),
    Column("usage_seconds", Float, nullable=False, server_default="0"),  # of workers, so far
    Column("purging", Integer, nullable=False, server_default="0"),  # 1: is being removed; 2: with its receipt
    sqlite_autoincrement=True,
)

plans = Table("plans", metadata, _job_id(), Column("plan", LargeBinary, nullable=False))  # proto Plan, whole

dependencies = Table(
    "dependencies",
    metadata,
    _job_id(),
    Column("needs_job_id", String(32), primary_key=True, index=True),  # no foreign key: a purged job must be missed
    Column("since_us", BigInteger, nullable=False, server_default="0"),  # how it ended before that does not count
)

steps = Table(
    "steps",
    metadata,
    _job_id(),
    Column("step_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", Integer, nullable=False),  # proto StepState
    Column("attempts", Integer, nullable=False, default=0),  # starts, ever
    Column("deaths", Integer, nullable=False, default=0),  # workers that died on it since it was last (re)tried
    Column("failures", Integer, nullable=False, server_default="0"),  # that may pass, since it was last (re)tried
    Column("kills", Integer, nullable=False, server_default="0"),  # of its worker from outside, since then
    Column("frugal", Integer, nullable=False, server_default="0"),  # how far its use of memory is cut down
)

frames = Table(
    "frames",
    metadata,
    _job_id(),
    Column("frame", Integer, primary_key=True, autoincrement=False),
    Column("state", Integer, nullable=False),  # proto FrameState
    Column("path", Text, nullable=False, default=""),
    Column("step_id", Text, nullable=False, default=""),  # the step that finished it
)

events = Table(
    "events",
    metadata,
    _job_id(),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("payload", LargeBinary, nullable=False),  # proto JobEvent
)

warnings = Table(
    "warnings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("frame", Text, nullable=False),  # empty for none: NULLs are never equal
    UniqueConstraint("job_id", "code", "message", "frame"),
)

Index("jobs_by_state", jobs.c.state, jobs.c.ordinal)
