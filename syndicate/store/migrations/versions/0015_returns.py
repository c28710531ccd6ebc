"""Whether a bounce is certain, and the webhook calls that were taken."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("bounces", sa.Column("certain", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.create_table(
        "hook_calls",
        sa.Column("hook", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hook", "key"),
    )
    op.create_index("ix_hook_calls_at", "hook_calls", ["at"])
