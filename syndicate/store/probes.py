"""The last unsubscribe link of nobody that was followed: how ``doctor`` sees that one-click requests reach us."""

from __future__ import annotations

from sqlalchemy import select
from sqlmodel import Session, SQLModel, col

from syndicate.store.statements import upsert
from syndicate.store.tables import MetaRow

_KEY = "probe/one_click"
_meta = SQLModel.metadata.tables[str(MetaRow.__tablename__)]


def note_probe(session: Session, number: int) -> None:
    """Leave the number of such a link, in place of the last one."""
    statement = upsert(session, _meta).values(key=_KEY, value=str(number))
    session.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": str(number)}))


def last_probe(session: Session) -> int | None:
    """The number of the last one."""
    value = session.execute(select(col(MetaRow.value)).where(col(MetaRow.key) == _KEY)).scalar_one_or_none()
    return None if value is None else int(value)
