"""The processes that send: each has a row that it touches while it lives, so that others know what a dead one held.

On PostgreSQL the database's clock writes and compares the times: the clocks of two machines may differ by more than a
sign of life lasts. On SQLite a file lock tells more, and one process sends at a time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlmodel import Session, col

from syndicate.store.tables import HolderRow

# A holder touches its row every few seconds while it holds anything.
DEAD_AFTER = timedelta(seconds=30)


def register_holder(session: Session, holder: str, *, host: str, pid: int, now: datetime) -> None:
    """Enter a process that is about to send."""
    session.add(HolderRow(holder=holder, host=host, pid=pid, started_at=now, seen_at=now))
    session.flush()
    touch_holder(session, holder, now)


def touch_holder(session: Session, holder: str, now: datetime) -> None:
    """Show that a process lives."""
    session.execute(
        update(HolderRow)
        .where(col(HolderRow.holder) == holder)
        .values(seen_at=_clock(session, now))
        .execution_options(synchronize_session=False)
    )


def remove_holder(session: Session, holder: str) -> None:
    """Take a process out that ended in order."""
    session.execute(
        delete(HolderRow).where(col(HolderRow.holder) == holder).execution_options(synchronize_session=False)
    )


def not_alive(session: Session, held: Any, *, me: str | None, alone: bool, now: datetime) -> Any:
    """The condition that a ``holder`` column names no living process but ``me``; ``alone``: no other can live."""
    others = held.is_distinct_from(me) if me is not None else held.is_not(None)
    if alone:
        return or_(held.is_(None), others)
    living = select(col(HolderRow.holder)).where(col(HolderRow.seen_at) >= _clock(session, now) - DEAD_AFTER)
    return or_(held.is_(None), others & held.not_in(living))


def _clock(session: Session, now: datetime) -> Any:
    return func.clock_timestamp() if session.get_bind().dialect.name == "postgresql" else now
