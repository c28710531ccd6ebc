"""What came back for deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    classes = "'hard', 'soft', 'block', 'complaint', 'autoreply', 'delivered'"
    op.create_table(
        "bounces",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("cls", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("final", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("counted", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(f"cls IN ({classes})", name="ck_bounces_cls"),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("fingerprint", name="uq_bounces_fingerprint"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bounces_subscriber", "bounces", ["subscriber_id", "sent_at"])
    op.create_index("ix_bounces_issue", "bounces", ["issue_id", "cls"])
    op.create_index("ix_bounces_at", "bounces", ["at"])
