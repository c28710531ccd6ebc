"""Our own WebSub hub: requests to verify, and subscriptions with their leases. Deliveries: ``hub_deliveries.py``.

A row is taken up by moving its ``due_at`` on (see ``tables/websub.py``); outcomes are written only by who holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, exists, func, literal, select, update
from sqlmodel import Session, SQLModel

from syndicate.core.websub import HubRequest, Mode
from syndicate.store.statements import free, upsert
from syndicate.store.tables import FeedDocumentRow, HubRequestRow, HubSubscriptionRow
from syndicate.store.websub import HELD_FOR

# A full hub says so to the next one; a flood of requests that nobody confirms is turned away at the door.
MOST_SUBSCRIPTIONS = 100_000
MOST_OF_TOPIC = 20_000
MOST_OF_HOST = 5_000  # an aggregator subscribes to every feed of ours, from one host
MOST_WAITING = 2_000
MOST_WAITING_OF_HOST = 200
_LOOKED_AT = 500  # due rows that are looked through for some whose hosts are free

requests = SQLModel.metadata.tables[str(HubRequestRow.__tablename__)]
subscriptions = SQLModel.metadata.tables[str(HubSubscriptionRow.__tablename__)]
_documents = SQLModel.metadata.tables[str(FeedDocumentRow.__tablename__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenRequest:
    """A request that this process has taken up to ask its subscriber. ``attempts`` counts this one."""

    id: int
    mode: Mode
    topic: str
    callback: str
    host: str
    secret: str | None
    lease_seconds: int
    reason: str | None
    attempts: int


def has_document(session: Session, path: str) -> bool:
    """Whether a document of that path under ``feeds/`` is published."""
    return bool(session.connection().execute(select(exists().where(_documents.c.path == path))).scalar_one())


def too_many_waiting(session: Session, host: str) -> bool:
    """Whether so many requests wait, in all or for one host, that no more are taken in."""
    return _reaches(session, requests, MOST_WAITING) or _reaches(session, requests, MOST_WAITING_OF_HOST, host=host)


def reason_against(session: Session, request: HubRequest) -> str | None:
    """Why one more subscription is not taken, or None. A renewal always is."""
    known = exists().where(subscriptions.c.topic == request.topic, subscriptions.c.callback == request.callback)
    if session.connection().execute(select(known)).scalar_one():
        return None
    if _reaches(session, subscriptions, MOST_OF_TOPIC, topic=request.topic):
        return "this topic has as many subscriptions as this hub serves"
    if _reaches(session, subscriptions, MOST_OF_HOST, host=request.host):
        return "this host has as many subscriptions as this hub serves"
    if _reaches(session, subscriptions, MOST_SUBSCRIPTIONS):
        return "this hub has as many subscriptions as it serves"
    return None


def _reaches(session: Session, table: Table, limit: int, **where: str) -> bool:
    conditions = [table.c[name] == value for name, value in where.items()]
    few = select(literal(1)).select_from(table).where(*conditions).limit(limit).subquery()
    return bool(session.connection().execute(select(func.count()).select_from(few)).scalar_one() >= limit)


def choose(
    session: Session, query: Any, host: Any, limit: int, busy: Mapping[str, int], per_host: int
) -> Sequence[int]:
    """Ids of rows ``(id, host)`` of the query, so that no host has more than ``per_host`` with those it has."""
    full = [name for name, count in busy.items() if count >= per_host]
    taken = dict(busy)
    chosen: list[int] = []
    rows = (query.where(host.not_in(full)) if full else query).limit(_LOOKED_AT)
    for number, name in session.connection().execute(rows):
        if len(chosen) == limit:
            break
        if taken.get(name, 0) < per_host:
            taken[name] = taken.get(name, 0) + 1
            chosen.append(number)
    return chosen


def put_request(session: Session, request: HubRequest, now: datetime, *, denied: str | None = None) -> None:
    """Keep a request until its subscriber was asked; it replaces an earlier one of the same topic and callback.

    With ``denied``, the subscriber is told this reason instead.
    """
    values = {
        "mode": Mode.DENIED.value if denied else request.mode.value,
        "host": request.host,
        "secret": request.secret,
        "lease_seconds": int(request.lease.total_seconds()),
        "reason": denied,
        "due_at": now,
        "attempts": 0,
        "holder": None,
        "created_at": now,
    }
    statement = upsert(session, requests).values(topic=request.topic, callback=request.callback, **values)
    session.connection().execute(statement.on_conflict_do_update(index_elements=["topic", "callback"], set_=values))


def take_requests(
    session: Session, holder: str, now: datetime, limit: int, *, busy: Mapping[str, int], per_host: int
) -> list[TakenRequest]:
    """Take up due requests, oldest first; at most ``per_host`` of a host, with those ``busy`` already."""
    query = (
        select(requests.c.id, requests.c.host)
        .where(requests.c.due_at <= now)
        .order_by(requests.c.due_at, requests.c.id)
    )
    chosen = choose(session, query, requests.c.host, limit, busy, per_host)
    if not chosen:
        return []
    due = select(requests.c.id).where(requests.c.id.in_(chosen), requests.c.due_at <= now)
    statement = (
        update(requests)
        .where(requests.c.id.in_(free(session, due)))
        .values(holder=holder, due_at=now + HELD_FOR, attempts=requests.c.attempts + 1)
        .returning(*requests.c)
    )
    return [
        TakenRequest(
            id=row.id,
            mode=Mode(row.mode),
            topic=row.topic,
            callback=row.callback,
            host=row.host,
            secret=row.secret,
            lease_seconds=row.lease_seconds,
            reason=row.reason,
            attempts=row.attempts,
        )
        for row in session.connection().execute(statement)
    ]


def finish_request(session: Session, request: TakenRequest, holder: str) -> bool:
    """Take a request away that is settled. False when a newer one replaced it, or another process took it over."""
    mine = (requests.c.id == request.id, requests.c.holder == holder)
    return session.connection().execute(delete(requests).where(*mine)).rowcount == 1


def retry_request(session: Session, request: TakenRequest, holder: str, due_at: datetime) -> None:
    """Ask again later."""
    mine = (requests.c.id == request.id, requests.c.holder == holder)
    session.connection().execute(update(requests).where(*mine).values(holder=None, due_at=due_at))


def subscribe(session: Session, request: TakenRequest, *, now: datetime, expires_at: datetime) -> None:
    """Enter the subscription that was just confirmed, or renew it with its new lease and secret."""
    values = {"host": request.host, "secret": request.secret, "verified_at": now, "expires_at": expires_at}
    statement = upsert(session, subscriptions).values(
        topic=request.topic, callback=request.callback, created_at=now, **values
    )
    session.connection().execute(statement.on_conflict_do_update(index_elements=["topic", "callback"], set_=values))


def unsubscribe(session: Session, topic: str, callback: str) -> bool:
    """End a subscription, with what it is owed. False when there was none."""
    ours = (subscriptions.c.topic == topic, subscriptions.c.callback == callback)
    return session.connection().execute(delete(subscriptions).where(*ours)).rowcount == 1


def drop_expired(session: Session, now: datetime) -> int:
    """End the subscriptions whose lease is over. Returns how many."""
    statement = delete(subscriptions).where(subscriptions.c.expires_at <= now)
    return int(session.connection().execute(statement).rowcount)


def deny_all(session: Session, ours: Callable[[str], bool], reason: str, now: datetime) -> int:
    """End the subscriptions to topics that are not ours any more, and owe each subscriber the reason."""
    connection = session.connection()
    topics = connection.execute(select(subscriptions.c.topic).distinct()).scalars().all()
    gone = [topic for topic in topics if not ours(topic)]
    if not gone:
        return 0
    columns = {
        requests.c.topic: subscriptions.c.topic,
        requests.c.callback: subscriptions.c.callback,
        requests.c.host: subscriptions.c.host,
        requests.c.mode: literal(Mode.DENIED.value),
        requests.c.lease_seconds: literal(1),
        requests.c.reason: literal(reason),
        requests.c.due_at: literal(now, requests.c.due_at.type),
        requests.c.attempts: literal(0),
        requests.c.created_at: literal(now, requests.c.created_at.type),
    }
    source = select(*columns.values()).where(subscriptions.c.topic.in_(gone))
    statement = upsert(session, requests).from_select(list(columns), source)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["topic", "callback"]))
    return int(connection.execute(delete(subscriptions).where(subscriptions.c.topic.in_(gone))).rowcount)


def next_request(session: Session) -> datetime | None:
    """When the earliest request is due."""
    found: datetime | None = session.connection().execute(select(func.min(requests.c.due_at))).scalar_one()
    return found
