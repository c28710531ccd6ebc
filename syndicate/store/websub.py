"""What the publisher owes to hubs: topics that changed, and a ping to each hub for each of them, kept until it is told.

Our own hub's subscriptions are in ``hub.py``, its deliveries in ``hub_deliveries.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlmodel import Session, SQLModel

from syndicate.store.statements import free, upsert
from syndicate.store.tables import HubPingRow, TopicChangeRow

# How long a row that was taken up is left to its process. An exchange ends after 20 s, whatever the other side does.
HELD_FOR = timedelta(minutes=1)
_AT_ONCE = 500

_changes = SQLModel.metadata.tables[str(TopicChangeRow.__tablename__)]
_pings = SQLModel.metadata.tables[str(HubPingRow.__tablename__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedPing:
    """A ping that this process has taken up. ``attempts`` counts this one; ``changes`` goes back when it is told."""

    hub: str
    topic: str
    changes: int
    attempts: int
    owed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PingTrouble:
    """A hub that could not be told of a topic; ``next_at`` None: given up until the topic changes again."""

    hub: str
    topic: str
    error: str
    attempts: int
    next_at: datetime | None


def owe_pings(session: Session, topics: Sequence[str], now: datetime) -> None:
    """Owe the news of these topics (addresses of documents whose bytes changed) to all who must hear of it.

    Call it in the transaction that records the documents' new hashes: then a kill at any moment loses no news. Which
    hubs there are is asked later, so a feed without one costs a row for a second. The order of topics is no matter.
    """
    connection = session.connection()
    ordered = sorted(set(topics))  # in one order everywhere: two processes cannot wait for each other
    for start in range(0, len(ordered), _AT_ONCE):
        rows = [{"topic": topic, "changed_at": now} for topic in ordered[start : start + _AT_ONCE]]
        statement = upsert(session, _changes).values(rows)
        # An UPDATE also where the row stands: it keeps others from taking it before this transaction is committed.
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["topic"], set_={"changed_at": statement.excluded.changed_at}
            )
        )


def take_changes(session: Session, limit: int) -> list[str]:
    """Take topics that changed, oldest first; in the same transaction whatever follows from them must be owed."""
    oldest = select(_changes.c.topic).order_by(_changes.c.changed_at).limit(limit)
    statement = delete(_changes).where(_changes.c.topic.in_(free(session, oldest))).returning(_changes.c.topic)
    return sorted(session.connection().execute(statement).scalars())


def owe_ping(session: Session, hub: str, topic: str, now: datetime, *, due_at: datetime | None = None) -> None:
    """Owe a hub the news of a topic, from ``due_at`` on (default: now).

    One that is being retried keeps its time: a broken hub is not asked more often.
    """
    statement = upsert(session, _pings).values(
        hub=hub, topic=topic, changes=1, due_at=due_at or now, attempts=0, owed_at=now, error=None
    )
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=["hub", "topic"],
            set_={
                "changes": _pings.c.changes + 1,
                "due_at": func.coalesce(_pings.c.due_at, due_at or now),
                "owed_at": func.coalesce(_pings.c.owed_at, now),
            },
        )
    )


def take_pings(session: Session, holder: str, now: datetime, limit: int, *, busy: Sequence[str] = ()) -> list[OwedPing]:
    """Take up what is due for one hub that is not ``busy``, at most ``limit``; no other process gets it meanwhile."""
    connection = session.connection()
    due = (_pings.c.due_at <= now, _pings.c.hub.not_in(list(busy)))
    hub = connection.execute(select(_pings.c.hub).where(*due).order_by(_pings.c.due_at).limit(1)).scalar()
    if hub is None:
        return []
    chosen = (
        select(_pings.c.topic)
        .where(_pings.c.hub == hub, _pings.c.due_at <= now)
        .order_by(_pings.c.due_at, _pings.c.topic)
        .limit(limit)
    )
    statement = (
        update(_pings)
        .where(_pings.c.hub == hub, _pings.c.topic.in_(free(session, chosen)), _pings.c.due_at <= now)
        .values(holder=holder, due_at=now + HELD_FOR, attempts=_pings.c.attempts + 1)
        .returning(_pings.c.topic, _pings.c.changes, _pings.c.attempts, _pings.c.owed_at)
    )
    return [
        OwedPing(hub=hub, topic=row.topic, changes=row.changes, attempts=row.attempts, owed_at=row.owed_at or now)
        for row in sorted(connection.execute(statement), key=lambda row: row.topic)
    ]


def ping_told(
    session: Session, ping: OwedPing, holder: str, status: int, now: datetime, *, again_at: datetime | None = None
) -> bool:
    """Record that a hub knows; what changed meanwhile is owed anew, from ``again_at`` on (default: now).

    False when another process has taken it over.
    """
    mine = (_pings.c.hub == ping.hub, _pings.c.topic == ping.topic, _pings.c.holder == holder)
    told = {"holder": None, "attempts": 0, "told_at": now, "status": status, "error": None}
    connection = session.connection()
    all_of_it = update(_pings).where(*mine, _pings.c.changes == ping.changes).values(**told, due_at=None, owed_at=None)
    if connection.execute(all_of_it).rowcount == 1:
        return True
    the_rest = update(_pings).where(*mine).values(**told, due_at=again_at or now, owed_at=now)
    return connection.execute(the_rest).rowcount == 1


def ping_failed(
    session: Session, ping: OwedPing, holder: str, *, status: int | None, error: str, due_at: datetime | None
) -> bool:
    """Record a failure and when to try again; ``due_at`` None gives up until the topic changes again.

    False when another process has taken it over.
    """
    values = {"holder": None, "status": status, "error": error, "due_at": due_at}
    if due_at is None:
        values |= {"attempts": 0, "owed_at": None}
    statement = (
        update(_pings)
        .where(_pings.c.hub == ping.hub, _pings.c.topic == ping.topic, _pings.c.holder == holder)
        .values(values)
    )
    return session.connection().execute(statement).rowcount == 1


def release_ping(session: Session, ping: OwedPing, holder: str, now: datetime) -> None:
    """Put back what was taken up and not tried (the service is stopping)."""
    session.connection().execute(
        update(_pings)
        .where(_pings.c.hub == ping.hub, _pings.c.topic == ping.topic, _pings.c.holder == holder)
        .values(holder=None, due_at=now, attempts=_pings.c.attempts - 1)
    )


def forget_pings(session: Session, hubs: Sequence[str]) -> int:
    """Forget what is owed to hubs that are no longer configured: all but these. Returns how many rows."""
    statement = delete(_pings).where(_pings.c.hub.not_in(list(hubs)))
    return int(session.connection().execute(statement).rowcount)


def changes_wait(session: Session) -> bool:
    """Whether a topic changed of which nobody was told yet."""
    return session.connection().execute(select(_changes.c.topic).limit(1)).first() is not None


def next_ping(session: Session) -> datetime | None:
    """When the earliest owed ping is due."""
    query = select(func.min(_pings.c.due_at)).where(_pings.c.due_at.is_not(None))
    found: datetime | None = session.connection().execute(query).scalar_one()
    return found


def ping_troubles(session: Session) -> list[PingTrouble]:
    """Hubs that could not be told the last time, by hub and topic."""
    query = select(_pings).where(_pings.c.error.is_not(None)).order_by(_pings.c.hub, _pings.c.topic)
    return [
        PingTrouble(hub=row.hub, topic=row.topic, error=row.error, attempts=row.attempts, next_at=row.due_at)
        for row in session.connection().execute(query)
    ]
