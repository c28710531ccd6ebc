"""Many subscribers at once, for imports and exports: loaded, inserted and updated a thousand at a time.

One at a time: ``subscribers.py``. What may follow what is decided by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, literal, select, update
from sqlmodel import Session

from syndicate.core.addresses import name_key
from syndicate.model import Subscriber, Subscription, SubscriptionState
from syndicate.store.articles import highest_seq
from syndicate.store.columns import canonical_json
from syndicate.store.statements import among, insert_many
from syndicate.store.subscribers import (
    consent_events,
    subscribers,
    subscriptions,
    to_subscriber,
    to_subscription,
)

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """A subscriber without its number; ``email_hash`` and ``domain`` are what suppressions are compared with."""

    subscriber: Subscriber
    email_hash: str
    domain: str


@dataclass(frozen=True, slots=True)
class Membership:
    """A subscription with its subscriber."""

    subscriber: Subscriber
    subscription: Subscription


def subscribers_by_key(session: Session, keys: Sequence[str]) -> dict[str, Subscriber]:
    """Those of the addresses (compared form) that are known."""
    query = select(subscribers).where(among(session, subscribers.c.email_key, keys))
    return {row.email_key: to_subscriber(row) for row in session.connection().execute(query)}


def subscriptions_by_subscriber(session: Session, subscriber_ids: Sequence[int]) -> dict[tuple[int, str], Subscription]:
    """All subscriptions of some subscribers, by subscriber and digest."""
    query = select(subscriptions).where(among(session, subscriptions.c.subscriber_id, subscriber_ids))
    return {(row.subscriber_id, row.digest): to_subscription(row) for row in session.connection().execute(query)}


def insert_subscribers(session: Session, new: Sequence[NewSubscriber], *, now: datetime) -> dict[str, int]:
    """Insert subscribers and return their numbers by compared address."""
    if not new:
        return {}
    rows = [
        (
            one.subscriber.email,
            one.subscriber.email_key,
            one.email_hash,
            one.domain,
            one.subscriber.name,
            one.subscriber.language,
            one.subscriber.timezone,
            name_key(one.subscriber.name),
        )
        for one in new
    ]
    names = ("email", "email_key", "email_hash", "domain", "name", "language", "timezone", "name_key")
    unique, same = ("email_key",), {"created_at": now}
    made = insert_many(session, subscribers, names, rows, same, unique=unique, returning=("email_key", "id"))
    found: dict[str, int] = {row.email_key: row.id for row in made}
    # On PostgreSQL somebody else may have entered one meanwhile.
    missing = [one.subscriber.email_key for one in new if one.subscriber.email_key not in found]
    if missing:
        query = select(subscribers.c.email_key, subscribers.c.id).where(
            among(session, subscribers.c.email_key, missing)
        )
        found |= {row.email_key: row.id for row in session.connection().execute(query)}
    return found


def insert_subscriptions(
    session: Session, new: Sequence[tuple[int, Subscription]], *, now: datetime
) -> dict[tuple[int, str], int]:
    """Insert subscriptions, each with its subscriber's number, that begin at the beginning.

    Returns their numbers by subscriber and digest.
    """
    if not new:
        return {}
    table = subscriptions.c
    choices: dict[tuple[tuple[str, int], ...], str] = {}  # many choose alike
    rows = []
    for subscriber_id, one in new:
        key = tuple(one.topics.items())
        topics = choices.get(key) or choices.setdefault(key, canonical_json(dict(key)))
        rows.append((subscriber_id, one.digest, one.state.value, one.frequency.value, topics))
    at = literal(now, table.created_at.type)
    made = insert_many(
        session,
        subscriptions,
        ("subscriber_id", "digest", "state", "frequency", "topics"),
        rows,
        {"cursor": 0, "first": True, "joined_seq": highest_seq(session), "carry": [], "created_at": now},
        derived=lambda fields: {
            "confirmed_at": case((fields["state"] == SubscriptionState.CONFIRMED.value, at)),
            "unsubscribed_at": case((fields["state"] == SubscriptionState.UNSUBSCRIBED.value, at)),
        },
        unique=("subscriber_id", "digest"),
        returning=("subscriber_id", "digest", "id"),
    )
    found = {(subscriber_id, digest): number for subscriber_id, digest, number in made}
    owners = [subscriber_id for subscriber_id, one in new if (subscriber_id, one.digest) not in found]
    if not owners:
        return found
    query = select(table.subscriber_id, table.digest, table.id).where(among(session, table.subscriber_id, owners))
    return found | {(row.subscriber_id, row.digest): row.id for row in session.connection().execute(query)}


def update_subscribers(session: Session, changed: Sequence[Subscriber]) -> None:
    """Set name, language and time zone."""
    rows = [
        {
            "which": one.id,
            "new_name": one.name,
            "new_language": one.language,
            "new_timezone": one.timezone,
            "new_name_key": name_key(one.name),
        }
        for one in changed
    ]
    _update(session, subscribers, rows, ("name", "language", "timezone", "name_key"))


def update_subscriptions(session: Session, changed: Sequence[Subscription]) -> None:
    """Set frequency and topics; states move one at a time, each under its condition."""
    rows = [{"which": one.id, "new_frequency": one.frequency.value, "new_topics": dict(one.topics)} for one in changed]
    _update(session, subscriptions, rows, ("frequency", "topics"))


def _update(session: Session, table: Any, rows: list[dict[str, Any]], columns: Sequence[str]) -> None:
    if rows:
        # The names of parameters must differ from those of columns.
        values = {column: bindparam(f"new_{column}", type_=table.c[column].type) for column in columns}
        session.connection().execute(update(table).where(table.c.id == bindparam("which")).values(values), rows)


def insert_import_events(
    session: Session, rows: Sequence[tuple[int, str, int]], *, file: str, via: str, now: datetime
) -> None:
    """Write lines of the proof of consent: subscription, event, and the line of the file that said so."""
    # The same text as canonical_json gives, without an encoder for each of a million rows.
    name = canonical_json(file)
    texts = [(number, event, f'{{"file":{name},"line":{line}}}') for number, event, line in rows]
    insert_many(session, consent_events, ("subscription_id", "event", "detail"), texts, {"via": via, "at": now})


def memberships(session: Session, digest: str | None = None) -> Iterator[Membership]:
    """All subscriptions with their subscribers, in the order they were made, a page at a time: flat memory."""
    last = 0
    while True:
        query = select(subscriptions).where(subscriptions.c.id > last).order_by(subscriptions.c.id).limit(_PAGE)
        if digest is not None:
            query = query.where(subscriptions.c.digest == digest)
        page = [to_subscription(row) for row in session.connection().execute(query)]
        if not page:
            return
        owners = select(subscribers).where(among(session, subscribers.c.id, [one.subscriber_id for one in page]))
        people = {row.id: to_subscriber(row) for row in session.connection().execute(owners)}
        for subscription in page:
            yield Membership(people[subscription.subscriber_id], subscription)
        last = page[-1].id
