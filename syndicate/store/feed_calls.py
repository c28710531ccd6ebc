"""What hubs called in of feeds that we follow: such a feed is read now, and again if it still reads as before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, delete, func, literal, or_, select, update
from sqlmodel import Session, SQLModel

from syndicate.core.following import CALLS_APART
from syndicate.store.statements import upsert
from syndicate.store.tables import FeedCallRow
from syndicate.store.websub import HELD_FOR

feed_calls = SQLModel.metadata.tables[str(FeedCallRow.__tablename__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCall:
    """A call that this process has taken up. ``attempts`` counts this one; ``calls`` goes back when it is settled."""

    source: str
    feed: str
    calls: int
    attempts: int


def call(session: Session, source: str, feed: str, now: datetime) -> None:
    """Have a feed read: now, or ``CALLS_APART`` after the call before. One that is due sooner stays so."""
    connection = session.connection()
    mine = (feed_calls.c.source == source, feed_calls.c.feed == feed)
    last = connection.execute(select(feed_calls.c.called_at).where(*mine)).scalar()
    due_at = now if last is None else max(now, min(last, now) + CALLS_APART)
    statement = upsert(session, feed_calls).values(
        source=source, feed=feed, calls=1, due_at=due_at, attempts=0, called_at=now
    )
    # While it is being read its time is that of the reading process, which sees this call when it has done.
    stays = or_(feed_calls.c.holder.is_not(None), feed_calls.c.due_at < due_at)
    again = {
        "calls": feed_calls.c.calls + 1,
        "due_at": case((stays, feed_calls.c.due_at), else_=literal(due_at, feed_calls.c.due_at.type)),
        "attempts": case((feed_calls.c.holder.is_(None), 0), else_=feed_calls.c.attempts),
        "called_at": now,
    }
    connection.execute(statement.on_conflict_do_update(index_elements=["source", "feed"], set_=again))


def take_calls(session: Session, holder: str, now: datetime, limit: int, *, busy: Sequence[str] = ()) -> list[FeedCall]:
    """Take up the calls that are due of at most ``limit`` sources that are not ``busy``; no other process gets them."""
    sources = (
        select(feed_calls.c.source)
        .where(feed_calls.c.due_at <= now, feed_calls.c.source.not_in(list(busy)))
        .group_by(feed_calls.c.source)
        .order_by(func.min(feed_calls.c.due_at), feed_calls.c.source)
        .limit(limit)
    )
    statement = (
        update(feed_calls)
        .where(feed_calls.c.source.in_(sources), feed_calls.c.due_at <= now)
        .values(holder=holder, due_at=now + HELD_FOR, attempts=feed_calls.c.attempts + 1)
        .returning(feed_calls.c.source, feed_calls.c.feed, feed_calls.c.calls, feed_calls.c.attempts)
    )
    return [
        FeedCall(source=row.source, feed=row.feed, calls=row.calls, attempts=row.attempts)
        for row in session.connection().execute(statement)
    ]


def settle(session: Session, taken: FeedCall, holder: str, *, due_at: datetime | None, now: datetime) -> None:
    """Record that the feed was read; with ``due_at``, that it is to be read again then. A newer call counts anew."""
    newer = feed_calls.c.calls != taken.calls
    kind = feed_calls.c.due_at.type
    mine = (
        feed_calls.c.source == taken.source,
        feed_calls.c.feed == taken.feed,
        feed_calls.c.holder == holder,
    )
    statement = (
        update(feed_calls)
        .where(*mine)
        .values(
            holder=None,
            due_at=case((newer, literal(now + CALLS_APART, kind)), else_=literal(due_at, kind)),
            attempts=0 if due_at is None else case((newer, 0), else_=feed_calls.c.attempts),
        )
    )
    session.connection().execute(statement)


def forget_calls(session: Session, before: datetime) -> int:
    """Forget calls that were answered long ago. Returns how many."""
    old = (feed_calls.c.due_at.is_(None), feed_calls.c.called_at < before)
    return int(session.connection().execute(delete(feed_calls).where(*old)).rowcount)


def next_call(session: Session) -> datetime | None:
    """When the earliest call is due."""
    query = select(func.min(feed_calls.c.due_at)).where(feed_calls.c.due_at.is_not(None))
    found: datetime | None = session.connection().execute(query).scalar_one()
    return found
