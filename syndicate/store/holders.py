"""The processes that send: each has a row that it touches while it lives, so that others know what a dead one held."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from syndicate.store.tables import HolderRow

# A holder touches its row at least every few seconds while it holds anything; PostgreSQL only (SQLite has a file lock).
DEAD_AFTER = timedelta(seconds=30)


def register_holder(session: Session, holder: str, *, host: str, pid: int, now: datetime) -> None:
    """Enter a process that is about to send."""
    session.add(HolderRow(holder=holder, host=host, pid=pid, started_at=now, seen_at=now))


def touch_holder(session: Session, holder: str, now: datetime) -> None:
    """Show that a process lives."""
    session.execute(
        update(HolderRow)
        .where(col(HolderRow.holder) == holder)
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )


def remove_holder(session: Session, holder: str) -> None:
    """Take a process out that ended in order."""
    session.execute(
        delete(HolderRow).where(col(HolderRow.holder) == holder).execution_options(synchronize_session=False)
    )


def dead_holders(session: Session, now: datetime) -> list[str]:
    """The processes that showed no life for ``DEAD_AFTER``."""
    query = select(col(HolderRow.holder)).where(col(HolderRow.seen_at) < now - DEAD_AFTER)
    return list(session.execute(query).scalars())
