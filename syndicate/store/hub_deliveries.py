"""Our own WebSub hub: what each subscriber is owed, and what became of it. Subscriptions are in ``hub.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, case, cast, delete, exists, func, literal, select, update
from sqlmodel import Session, SQLModel

from syndicate.store.hub import choose, subscriptions
from syndicate.store.statements import free, upsert
from syndicate.store.tables import HubDeliveryRow
from syndicate.store.websub import HELD_FOR

deliveries = SQLModel.metadata.tables[str(HubDeliveryRow.__tablename__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedDelivery:
    """A document that this process has taken up to send. ``attempts`` counts this one; ``changes`` goes back."""

    subscription_id: int
    topic: str
    callback: str
    host: str
    secret: str | None
    changes: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSubscribers:
    """How many subscribe to a topic, to how many of them its document is owed, and how many of those failed."""

    topic: str
    subscribers: int
    owed: int
    failing: int


def owe_deliveries(session: Session, topic: str, now: datetime) -> int:
    """Owe a topic's document to all its subscribers; returns how many.

    One being retried keeps its time, and will get the newest.
    """
    columns = {
        deliveries.c.subscription_id: subscriptions.c.id,
        deliveries.c.changes: literal(1),
        deliveries.c.due_at: literal(now, deliveries.c.due_at.type),
        deliveries.c.attempts: literal(0),
        deliveries.c.owed_at: literal(now, deliveries.c.owed_at.type),
    }
    # In one order everywhere: two processes cannot wait for each other.
    source = (
        select(*columns.values())
        .where(subscriptions.c.topic == topic, subscriptions.c.expires_at > now)
        .order_by(subscriptions.c.id)
    )
    statement = upsert(session, deliveries).from_select(list(columns), source)
    result = session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=["subscription_id"],
            set_={
                "changes": deliveries.c.changes + 1,
                "due_at": func.coalesce(deliveries.c.due_at, literal(now, deliveries.c.due_at.type)),
                "owed_at": func.coalesce(deliveries.c.owed_at, literal(now, deliveries.c.owed_at.type)),
            },
        ),
        # SQLAlchemy keeps the count of an INSERT only if told to: it was -1 with psycopg.
        execution_options={"preserve_rowcount": True},
    )
    return int(result.rowcount)


def take_deliveries(
    session: Session, holder: str, now: datetime, limit: int, *, busy: Mapping[str, int], per_host: int
) -> list[OwedDelivery]:
    """Take up due deliveries, oldest first; at most ``per_host`` of a host, with those ``busy`` already."""
    query = (
        select(deliveries.c.subscription_id, subscriptions.c.host)
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .where(deliveries.c.due_at <= now, subscriptions.c.expires_at > now)
        .order_by(deliveries.c.due_at, deliveries.c.subscription_id)
    )
    chosen = choose(session, query, subscriptions.c.host, limit, busy, per_host)
    if not chosen:
        return []
    connection = session.connection()
    due = select(deliveries.c.subscription_id).where(
        deliveries.c.subscription_id.in_(chosen), deliveries.c.due_at <= now
    )
    statement = (
        update(deliveries)
        .where(deliveries.c.subscription_id.in_(free(session, due)))
        .values(holder=holder, due_at=now + HELD_FOR, attempts=deliveries.c.attempts + 1)
        .returning(deliveries.c.subscription_id, deliveries.c.changes, deliveries.c.attempts)
    )
    taken = {row.subscription_id: row for row in connection.execute(statement)}
    return [
        OwedDelivery(
            subscription_id=row.id,
            topic=row.topic,
            callback=row.callback,
            host=row.host,
            secret=row.secret,
            changes=taken[row.id].changes,
            attempts=taken[row.id].attempts,
        )
        for row in connection.execute(select(subscriptions).where(subscriptions.c.id.in_(list(taken))))
    ]


def delivered(session: Session, delivery: OwedDelivery, holder: str, status: int, now: datetime) -> bool:
    """Record that the subscriber has it; what changed meanwhile is owed anew. False when another took it over."""
    mine = (deliveries.c.subscription_id == delivery.subscription_id, deliveries.c.holder == holder)
    newer = deliveries.c.changes != delivery.changes
    moment = literal(now, deliveries.c.due_at.type)
    statement = (
        update(deliveries)
        .where(*mine)
        .values(
            holder=None,
            attempts=0,
            delivered_at=now,
            status=status,
            error=None,
            due_at=case((newer, moment), else_=None),
            owed_at=case((newer, moment), else_=None),
        )
    )
    return session.connection().execute(statement).rowcount == 1


def delivery_failed(
    session: Session, delivery: OwedDelivery, holder: str, *, status: int | None, error: str, due_at: datetime | None
) -> bool:
    """Record a failure and when to try again; ``due_at`` None ends the subscription.

    False when another process took it over.
    """
    mine = (deliveries.c.subscription_id == delivery.subscription_id, deliveries.c.holder == holder)
    connection = session.connection()
    if due_at is None:
        held = exists().where(*mine)
        gone = delete(subscriptions).where(subscriptions.c.id == delivery.subscription_id, held)
        return connection.execute(gone).rowcount == 1
    statement = update(deliveries).where(*mine).values(holder=None, due_at=due_at, status=status, error=error)
    return connection.execute(statement).rowcount == 1


def next_delivery(session: Session) -> datetime | None:
    """When the earliest owed delivery is due."""
    query = select(func.min(deliveries.c.due_at)).where(deliveries.c.due_at.is_not(None))
    found: datetime | None = session.connection().execute(query).scalar_one()
    return found


def topic_subscribers(session: Session, now: datetime) -> list[TopicSubscribers]:
    """The topics that have subscribers, with their numbers."""
    owed = cast(deliveries.c.due_at.is_not(None), Integer)
    failing = cast(deliveries.c.error.is_not(None), Integer)
    query = (
        select(
            subscriptions.c.topic,
            func.count().label("subscribers"),
            func.coalesce(func.sum(owed), 0).label("owed"),
            func.coalesce(func.sum(failing), 0).label("failing"),
        )
        .join(deliveries, deliveries.c.subscription_id == subscriptions.c.id, isouter=True)
        .where(subscriptions.c.expires_at > now)
        .group_by(subscriptions.c.topic)
        .order_by(subscriptions.c.topic)
    )
    return [
        TopicSubscribers(topic=row.topic, subscribers=row.subscribers, owed=row.owed, failing=row.failing)
        for row in session.connection().execute(query)
    ]
