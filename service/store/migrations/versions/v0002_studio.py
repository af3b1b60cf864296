"""What a service for a studio needs: users, dependencies, pauses, retries; and plans apart from jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from overscan.v1.plan_pb2 import Plan

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and tables, and take the steps out of the plans that lie with the jobs."""
    for column in (
        sa.Column("user", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("rank", sa.Float, nullable=False, server_default="0"),
        sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("usage_seconds", sa.Float, nullable=False, server_default="0"),
        sa.Column("purging", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("jobs", column)
    for column in (
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("kills", sa.Integer, nullable=False, server_default="0"),
        sa.Column("frugal", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("steps", column)
    op.create_table(
        "dependencies",
        _job_id(),
        sa.Column("needs_job_id", sa.String(32), primary_key=True, index=True),
        sa.Column("since_us", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table("plans", _job_id(), sa.Column("plan", sa.LargeBinary, nullable=False))
    _part_plans()


def _part_plans() -> None:
    connection = op.get_bind()
    jobs = sa.table("jobs", sa.column("id", sa.String), sa.column("plan", sa.LargeBinary))
    plans = sa.table("plans", sa.column("job_id", sa.String), sa.column("plan", sa.LargeBinary))
    connection.execute(sa.insert(plans).from_select(["job_id", "plan"], sa.select(jobs.c.id, jobs.c.plan)))
    for job_id in connection.execute(sa.select(jobs.c.id)).scalars().all():
        plan = Plan.FromString(connection.execute(sa.select(jobs.c.plan).where(jobs.c.id == job_id)).scalar_one())
        plan.ClearField("steps")
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(plan=plan.SerializeToString()))


def _job_id() -> sa.Column[str]:
    return sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
