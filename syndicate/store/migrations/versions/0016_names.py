"""Subscribers found by the beginning of their name."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_CHUNK = 10_000


def upgrade() -> None:
    kind = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.add_column("subscribers", sa.Column("name_key", kind, server_default=sa.text("''"), nullable=False))
    connection = op.get_bind()
    people = sa.table("subscribers", sa.column("id"), sa.column("name"), sa.column("name_key"))
    change = sa.update(people).where(people.c.id == sa.bindparam("which")).values(name_key=sa.bindparam("folded"))
    last = 0
    while True:
        named = sa.select(people.c.id, people.c.name).where(people.c.id > last, people.c.name != "")
        rows = connection.execute(named.order_by(people.c.id).limit(_CHUNK)).all()
        if not rows:
            break
        connection.execute(change, [{"which": number, "folded": name.casefold()} for number, name in rows])
        last = rows[-1][0]
    op.create_index("ix_subscribers_name_key", "subscribers", ["name_key"])
