"""The processes that send: each has a row that it touches while it lives, so that others know what a dead one held.

On PostgreSQL the database's clock writes and compares the times: the clocks of two machines may differ by more than a
sign of life lasts. On SQLite a file lock tells more, and one process sends at a time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, text, update
from sqlmodel import Session, col

from syndicate.store.statements import dialect_of
from syndicate.store.tables import HolderRow

# A holder touches its row so often while it holds anything.
TOUCH_EVERY = timedelta(seconds=2)
# A worker that dies is silent for this long before its batch goes on elsewhere, which has to happen within 15 s.
DEAD_AFTER = timedelta(seconds=8)
# What the server allows a transaction of the ledger to do nothing: a process that is frozen in the middle of one (or a
# machine that lost its power) would hold the locks of its rows for hours. Never more than DEAD_AFTER.
_IDLE_AT_MOST = timedelta(seconds=5)


def register_holder(session: Session, holder: str, *, host: str, pid: int, now: datetime) -> None:
    """Enter a process that is about to send."""
    session.add(HolderRow(holder=holder, host=host, pid=pid, started_at=now, seen_at=now))
    session.flush()
    touch_holder(session, holder, now)


def touch_holder(session: Session, holder: str, now: datetime) -> bool:
    """Show that a process lives. False when others gave it up for dead: then nothing is its own any more."""
    result: Any = session.execute(
        update(HolderRow)
        .where(col(HolderRow.holder) == holder)
        .values(seen_at=_clock(session, now))
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount)


def give_up_dead(session: Session, now: datetime) -> None:
    """Take out who was silent for too long; one that was only frozen learns by that, when it wakes up.

    What it held must be settled first in this transaction, or later by others: it counts as nobody's from now on.
    """
    dead = (
        select(col(HolderRow.holder))
        .where(col(HolderRow.seen_at) < _clock(session, now) - DEAD_AFTER)
        .with_for_update(skip_locked=True)
    )
    session.execute(
        delete(HolderRow).where(col(HolderRow.holder).in_(dead)).execution_options(synchronize_session=False)
    )


def end_when_frozen(session: Session) -> None:
    """Have the server end this transaction, and its locks, when the process stands still in the middle of it.

    On PostgreSQL; no lock of SQLite outlives its process, and there one process sends.
    """
    if dialect_of(session) == "postgresql":
        milliseconds = int(_IDLE_AT_MOST.total_seconds() * 1000)
        session.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds}"))


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
    return func.clock_timestamp() if dialect_of(session) == "postgresql" else now
