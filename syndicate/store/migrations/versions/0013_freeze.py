"""What a freeze paid for each row: two keys of deliveries, and an index that each moved cursor changed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("deliveries_issue_id_fkey", "deliveries", type_="foreignkey")
        op.drop_constraint("deliveries_edition_id_fkey", "deliveries", type_="foreignkey")
        # Room beside each row, so that a moved cursor stays on its page and no index is touched (HOT).
        op.execute("ALTER TABLE subscriptions SET (fillfactor = 60)")
    else:
        sequence = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'deliveries'")
        last = op.get_bind().scalar(sequence) or 0
        with op.batch_alter_table("deliveries", recreate="always", copy_from=_deliveries()):
            pass  # made anew as it is told here
        # Ids stand in signed links: those of rows that are gone must not come back either.
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'deliveries'")
        sequences = sa.table("sqlite_sequence", sa.column("name", sa.String), sa.column("seq", sa.Integer))
        op.bulk_insert(sequences, [{"name": "deliveries", "seq": last}])
    op.drop_index("ix_subscriptions_due", "subscriptions")
    op.create_index("ix_subscriptions_due", "subscriptions", ["digest", "state", "frequency"])
    paused = sa.text("paused_until IS NOT NULL")
    op.create_index(
        "ix_subscriptions_paused", "subscriptions", ["digest"], sqlite_where=paused, postgresql_where=paused
    )


def _deliveries() -> sa.Table:
    """The table for SQLite: what 0001 and 0007 made, less the two keys."""
    time = sa.DateTime(timezone=True)
    sending = sa.text("state = 'sending'")
    undecided = sa.text("state = 'in_doubt' AND NOT resolved")
    joined = sa.text("joined_to IS NOT NULL AND state IN ('queued', 'deferred')")
    return sa.Table(
        "deliveries",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=True),
        sa.Column("cohort_id", sa.Integer(), nullable=True),
        sa.Column("subscriber_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", time, nullable=False),
        sa.Column("first_marked_at", time, nullable=True),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("marked_at", time, nullable=True),
        sa.Column("finished_at", time, nullable=True),
        sa.Column("relay", sa.String(), nullable=True),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        sa.Column("resolved", sa.Boolean(), nullable=False),
        sa.Column("joined_to", sa.Integer(), nullable=True),
        sa.Column("joint_edition_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'deferred', 'accepted', 'rejected', 'in_doubt', 'suppressed', 'cancelled')",
            name="ck_deliveries_state",
        ),
        sa.CheckConstraint("attempts >= 0", name="ck_deliveries_attempts"),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("issue_id", "subscriber_id", name="uq_deliveries_issue_subscriber"),
        sa.Index("ix_deliveries_issue_state", "issue_id", "state", "due_at"),
        sa.Index("ix_deliveries_sending", "holder", sqlite_where=sending),
        sa.Index("ix_deliveries_undecided", "issue_id", sqlite_where=undecided),
        sa.Index("ix_deliveries_subscriber", "subscriber_id"),
        sa.Index("ix_deliveries_joined", "joined_to", sqlite_where=joined),
        sqlite_autoincrement=True,
    )
