"""Issues that come to each reader at their own local time."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("issues", sa.Column("local_day", sa.String(), nullable=True))
