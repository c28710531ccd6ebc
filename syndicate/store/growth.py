"""How the readership grew: who joined and who left on each day, and how many there are; read from the subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, func, select
from sqlmodel import Session

from syndicate.model import SubscriptionState
from syndicate.store.statements import dialect_of
from syndicate.store.subscribers import subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day (UTC): subscriptions confirmed and ended on it, and how many were confirmed at its end."""

    day: date
    joined: int
    left: int
    total: int


def growth(session: Session, now: datetime, *, days: int, digest: str | None = None) -> list[Day]:
    """The last days, oldest first, of one digest or all. Reads every subscription: 1,000,000 take about a second.

    As the subscriptions stand today: who was erased is not counted, who came back counts from the last time.
    """
    first = now - timedelta(days=days - 1)
    joined = _by_day(session, subscriptions.c.confirmed_at, first, digest)
    left = _by_day(session, subscriptions.c.unsubscribed_at, first, digest, confirmed=True)
    total = _confirmed(session, digest)
    found = []
    for back in range(days):
        day = (now - timedelta(days=back)).date()
        key = day.isoformat()
        found.append(Day(day=day, joined=joined.get(key, 0), left=left.get(key, 0), total=total))
        total -= joined.get(key, 0) - left.get(key, 0)
    return found[::-1]


def _by_day(
    session: Session, at: Column[Any], since: datetime, digest: str | None, *, confirmed: bool = False
) -> dict[str, int]:
    local = func.timezone("UTC", at) if dialect_of(session) == "postgresql" else at
    day = func.date(local)
    start = since.replace(hour=0, minute=0, second=0, microsecond=0)
    query = select(day, func.count()).where(at >= start, *_of(digest)).group_by(day)
    if confirmed:  # who never confirmed does not leave the number of readers
        query = query.where(subscriptions.c.confirmed_at.is_not(None))
    return {str(row[0]): row[1] for row in session.connection().execute(query)}


def _confirmed(session: Session, digest: str | None) -> int:
    state = subscriptions.c.state == SubscriptionState.CONFIRMED.value
    query = select(func.count()).select_from(subscriptions).where(state, *_of(digest))
    return int(session.connection().execute(query).scalar_one())


def _of(digest: str | None) -> Sequence[Any]:
    return () if digest is None else (subscriptions.c.digest == digest,)
