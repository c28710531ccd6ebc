"""Limits of forms: one time per keyed hash, read and written in the transaction of what they limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlmodel import Session, SQLModel

from syndicate.store.compiled import Compiled, as_time, moment, new_row
from syndicate.store.statements import among_in, insert_new, key_list, upsert_in
from syndicate.store.tables import FormLimitRow

limits = SQLModel.metadata.tables[str(FormLimitRow.__tablename__)]


def arrivals(session: Session, keys: Sequence[str]) -> dict[str, datetime]:
    """What is kept under these keys."""
    rows = _ARRIVALS.rows(session, {"keys": key_list(session, keys)})
    return {key: at for key, text in rows if (at := as_time(text)) is not None}


def keep_arrivals(session: Session, found: Mapping[str, datetime]) -> None:
    """Keep the times after these uses, in the order of their keys: crosswise, two transactions would wait for ever."""
    for key, arrival_at in sorted(found.items()):
        _KEEP.run(session, {"key": key, "arrival_at": moment(session, arrival_at)})


def _arrivals(dialect: str) -> Any:
    query = select(limits.c.key, limits.c.arrival_at).where(among_in(dialect, limits.c.key, bindparam("keys")))
    # Two uses at once count as two; SQLite has one writer anyway.
    return query.order_by(limits.c.key).with_for_update() if dialect == "postgresql" else query


def _keep(dialect: str) -> Any:
    statement = upsert_in(dialect, limits).values(new_row(limits, ("key", "arrival_at")))
    return statement.on_conflict_do_update(index_elements=["key"], set_={"arrival_at": statement.excluded.arrival_at})


_ARRIVALS = Compiled(_arrivals)
_KEEP = Compiled(_keep)


def use_once(session: Session, key: str, until: datetime) -> bool:
    """Note that something was used that may be used once until a time; False when it was used before."""
    return insert_new(session, FormLimitRow, {"key": key, "arrival_at": until}, ("key",))


def drop_arrivals(session: Session, before: datetime, limit: int) -> int:
    """Delete what limits nothing any more. Returns how many."""
    chunk = select(limits.c.key).where(limits.c.arrival_at < before).limit(limit)
    return int(session.connection().execute(delete(limits).where(limits.c.key.in_(chunk))).rowcount)
