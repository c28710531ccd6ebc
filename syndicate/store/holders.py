"""The processes that send: each has a row that it touches while it lives, so that others know what a dead one held.

On PostgreSQL the database's clock writes and compares the times: the clocks of two machines may differ by more than a
sign of life lasts. On SQLite a file lock tells more, and one process sends at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, literal_column, or_, select, update
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
# Why rows are in doubt. After a power cut what the disk had not kept is lost, too; a mark is on it before data leaves.
DIED = "the sending process died"
MACHINE_RESTARTED = "the machine of the sending process lost power or was restarted"
DATABASE_RESTARTED = "the sending process died, and the database server was restarted"


def register_holder(
    session: Session, holder: str, *, host: str, pid: int, now: datetime, boot_id: str | None = None
) -> None:
    """Enter a process that is about to send; ``boot_id`` names the start of its machine."""
    session.add(
        HolderRow(
            holder=holder,
            host=host,
            pid=pid,
            started_at=now,
            seen_at=now,
            boot_id=boot_id,
            database_started_at=_server_start(session),
        )
    )
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
        session.execute(select(ends_when_frozen()))


def ends_when_frozen() -> Any:
    """The same as a column of a statement of PostgreSQL."""
    milliseconds = int(_IDLE_AT_MOST.total_seconds() * 1000)
    name: Any
    value: Any
    name, value = literal_column("'idle_in_transaction_session_timeout'"), literal_column(f"'{milliseconds}'")
    return func.set_config(name, value, literal_column("true"))


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


def causes_of_death(session: Session, holders: Sequence[str | None], *, me: str) -> dict[str | None, str]:
    """Why these processes do not live any more, as far as can be told from what they and ``me`` entered."""
    names = [holder for holder in (*holders, me) if holder is not None]
    rows = {
        row.holder: row for row in session.execute(select(HolderRow).where(col(HolderRow.holder).in_(names))).scalars()
    }
    own = rows.get(me)
    return {holder: _cause(rows.get(holder or ""), own) for holder in holders}


def _cause(dead: HolderRow | None, own: HolderRow | None) -> str:
    if dead is None or own is None:
        return DIED
    if dead.host == own.host and dead.boot_id != own.boot_id and dead.boot_id and own.boot_id:
        return MACHINE_RESTARTED
    if dead.database_started_at != own.database_started_at and dead.database_started_at and own.database_started_at:
        return DATABASE_RESTARTED
    return DIED


def _server_start(session: Session) -> datetime | None:
    if session.get_bind().dialect.name != "postgresql":
        return None
    started_at: datetime = session.execute(select(func.pg_postmaster_start_time())).scalar_one()
    return started_at


def _clock(session: Session, now: datetime) -> Any:
    return func.clock_timestamp() if dialect_of(session) == "postgresql" else now
