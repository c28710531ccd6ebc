"""Drafts with a deadline, an editor's changes, editions that take the place of others, corrections of articles."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("issues", sa.Column("edits", sa.Text(), nullable=True))
    op.add_column("issues", sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("issues", sa.Column("deadline_action", sa.String(), nullable=True))
    op.add_column("issues", sa.Column("given_back", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("issues", sa.Column("made_with", sa.Text(), nullable=True))
    op.add_column("editions", sa.Column("plan", sa.Text(), nullable=True))
    op.add_column("editions", sa.Column("current", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("editions", sa.Column("replaced_by", sa.Integer(), nullable=True))
    op.add_column("editions", sa.Column("pruned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("articles", sa.Column("material_version", sa.Integer(), server_default="1", nullable=False))
    corrected = sa.text("material_version > 1")
    op.create_index("ix_articles_corrected", "articles", ["id"], sqlite_where=corrected, postgresql_where=corrected)
    op.create_table(
        "issue_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_issue_events_issue_id", "issue_events", ["issue_id"])
