"""Limits of forms: one time per keyed hash, read and written in the transaction of what they limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlmodel import Session, SQLModel

from syndicate.store.statements import insert_new, upsert
from syndicate.store.tables import FormLimitRow

limits = SQLModel.metadata.tables[str(FormLimitRow.__tablename__)]


def arrivals(session: Session, keys: Sequence[str]) -> dict[str, datetime]:
    """What is kept under these keys."""
    query = select(limits.c.key, limits.c.arrival_at).where(limits.c.key.in_(keys)).order_by(limits.c.key)
    if session.get_bind().dialect.name == "postgresql":
        query = query.with_for_update()  # two uses at once count as two; SQLite has one writer anyway
    return {row.key: row.arrival_at for row in session.connection().execute(query)}


def keep_arrivals(session: Session, found: Mapping[str, datetime]) -> None:
    """Keep the times after these uses, in the order of their keys: crosswise, two transactions would wait for ever."""
    statement = upsert(session, limits)
    statement = statement.on_conflict_do_update(
        index_elements=["key"], set_={"arrival_at": statement.excluded.arrival_at}
    )
    session.connection().execute(
        statement.values([{"key": key, "arrival_at": arrival_at} for key, arrival_at in sorted(found.items())])
    )


def use_once(session: Session, key: str, until: datetime) -> bool:
    """Note that something was used that may be used once until a time; False when it was used before."""
    return insert_new(session, FormLimitRow, {"key": key, "arrival_at": until}, ("key",))


def drop_arrivals(session: Session, before: datetime, limit: int) -> int:
    """Delete what limits nothing any more. Returns how many."""
    chunk = select(limits.c.key).where(limits.c.arrival_at < before).limit(limit)
    return int(session.connection().execute(delete(limits).where(limits.c.key.in_(chunk))).rowcount)
