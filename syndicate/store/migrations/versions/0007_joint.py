"""Deliveries of several issues joined by one mail, and what such a mail holds."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "joint_editions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("parts", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=True),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("composed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pruned_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("parts", name="uq_joint_editions_parts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_joint_editions_issue_id", "joint_editions", ["issue_id"])
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("deliveries", sa.Column("joined_to", big_id, nullable=True))
    op.add_column("deliveries", sa.Column("joint_edition_id", sa.Integer(), nullable=True))
    joined = sa.text("joined_to IS NOT NULL AND state IN ('queued', 'deferred')")
    op.create_index("ix_deliveries_joined", "deliveries", ["joined_to"], sqlite_where=joined, postgresql_where=joined)
