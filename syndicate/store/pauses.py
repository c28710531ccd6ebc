"""Pauses: a confirmed subscription that is left out of issues until a date, which its reader chose.

What a reader misses counts as considered: the cursor moves with each run as if the issue had been theirs, so whoever
comes back gets what is new since the last run of the pause, no flood, and nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col

from syndicate.model import SubscriptionState
from syndicate.store.tables import SubscriptionRow


def set_pause(session: Session, subscription_id: int, until: datetime | None) -> None:
    """Pause a subscription until a time, or end its pause."""
    session.execute(
        update(SubscriptionRow)
        .where(col(SubscriptionRow.id) == subscription_id)
        .values(paused_until=until)
        .execution_options(synchronize_session=False)
    )


def end_pauses(session: Session, digest: str, now: datetime) -> int:
    """End the pauses of a digest's readers whose time has come. Returns how many."""
    return _count(
        session,
        update(SubscriptionRow)
        .where(col(SubscriptionRow.digest) == digest, col(SubscriptionRow.paused_until) <= now)
        .values(paused_until=None),
    )


def pass_over_paused(session: Session, digest: str, frequencies: Iterable[str] | None, max_seq: int) -> int:
    """Move the cursors of those who pause over what this run took up; what they carry stays. Returns how many."""
    conditions: list[Any] = [
        col(SubscriptionRow.digest) == digest,
        col(SubscriptionRow.state) == SubscriptionState.CONFIRMED.value,
        col(SubscriptionRow.cursor) < max_seq,
        col(SubscriptionRow.paused_until).is_not(None),
    ]
    if frequencies is not None:
        conditions.append(col(SubscriptionRow.frequency).in_([str(frequency) for frequency in frequencies]))
    return _count(session, update(SubscriptionRow).where(*conditions).values(cursor=max_seq, first=False, joined_seq=0))


def _count(session: Session, statement: Any) -> int:
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)
