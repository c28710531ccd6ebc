"""What is due when. Any process may act; a row is moved by an UPDATE on the time that was seen, so only one wins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlmodel import Session, col

from syndicate.store.statements import insert_new, upsert
from syndicate.store.tables import ScheduleRow, SourceRow

_SCHEDULES: Any = ScheduleRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One thing that recurs: when it is due next, when it ran last, and the rule its time was computed from."""

    name: str
    rule_hash: str
    due_at: datetime
    ran_at: datetime | None


def schedules(session: Session) -> dict[str, Schedule]:
    """All schedules by name."""
    rows = session.execute(select(ScheduleRow)).scalars()
    return {
        row.name: Schedule(name=row.name, rule_hash=row.rule_hash, due_at=row.due_at, ran_at=row.ran_at) for row in rows
    }


def set_schedule(session: Session, name: str, *, rule_hash: str, due_at: datetime) -> None:
    """Enter a schedule, or give it a new rule and time; two processes may do it at once."""
    statement = upsert(session, _SCHEDULES).values(name=name, rule_hash=rule_hash, due_at=due_at)
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"rule_hash": statement.excluded.rule_hash, "due_at": statement.excluded.due_at},
        )
    )


def advance(session: Session, name: str, *, seen: datetime, due_at: datetime, now: datetime) -> bool:
    """Move a schedule on if it still stands at the time that was seen; False when somebody else did it."""
    result = session.execute(
        update(ScheduleRow)
        .where(col(ScheduleRow.name) == name, col(ScheduleRow.due_at) == seen)
        .values(due_at=due_at, ran_at=now)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]


def drop_schedules(session: Session, names: set[str]) -> None:
    """Forget schedules whose digest or frequency is no longer configured."""
    session.execute(
        delete(ScheduleRow).where(col(ScheduleRow.name).in_(names)).execution_options(synchronize_session=False)
    )


def claim_poll(session: Session, source: str, *, interval: timedelta, now: datetime) -> bool:
    """Claim the poll of a source that is due; False when it is not, or another process has it."""
    insert_new(session, SourceRow, {"name": source, "state": {}, "date_shift": 0}, ("name",))
    result: Any = session.execute(
        update(SourceRow)
        .where(
            col(SourceRow.name) == source,
            or_(col(SourceRow.next_poll_at).is_(None), col(SourceRow.next_poll_at) <= now),
        )
        .values(next_poll_at=now + interval)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount == 1)


def next_polls(session: Session) -> dict[str, datetime | None]:
    """When each known source is polled next."""
    return dict(session.execute(select(col(SourceRow.name), col(SourceRow.next_poll_at))).all())
