"""What became of each attempt that was not accepted, and on which start of which machine a process sends."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "attempts",
        sa.Column("id", big_id, nullable=False),
        sa.Column("delivery_id", big_id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("relay", sa.String(), nullable=True),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "event IN ('deferred', 'given_up', 'rejected', 'in_doubt', 'resent', 'skipped', 'retried')",
            name="ck_attempts_event",
        ),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_attempts_delivery_id", "attempts", ["delivery_id"])
    op.add_column("holders", sa.Column("boot_id", sa.String(), nullable=True))
    op.add_column("holders", sa.Column("database_started_at", sa.DateTime(timezone=True), nullable=True))
