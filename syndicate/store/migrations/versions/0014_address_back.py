"""Changes of address that take an earlier one back."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("address_changes", sa.Column("reverts", sa.Integer(), nullable=True))
