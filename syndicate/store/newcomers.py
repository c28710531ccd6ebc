"""What a sign-up writes: the subscriber and the subscription, each unless it stands already.

The path of every form, so its statements are compiled once. What is found, changed and erased: ``subscribers.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlmodel import Session

from syndicate.core.addresses import Address, name_key
from syndicate.model import Frequency, Subscriber, Subscription, SubscriptionState
from syndicate.store.articles import SEQ, counters
from syndicate.store.columns import canonical_json
from syndicate.store.compiled import Compiled, moment, new_row
from syndicate.store.statements import upsert_in
from syndicate.store.subscribers import find_subscriber, subscribers, subscriptions

_PERSON = ("email", "email_key", "email_hash", "domain", "name", "language", "timezone", "created_at", "name_key")
_CHOICE = (
    *("subscriber_id", "digest", "state", "frequency", "topics", "cursor", "first", "carry"),
    *("created_at", "confirmed_at", "unsubscribed_at"),
)


def ensure_subscriber(
    session: Session,
    address: Address,
    email_hash: str,
    *,
    now: datetime,
    name: str = "",
    language: str | None = None,
    timezone: str | None = None,
) -> tuple[Subscriber, bool]:
    """The subscriber of an address, added if there is none; and whether it is new. An existing one is not changed."""
    row = {
        "email": address.email,
        "email_key": address.key,
        "email_hash": email_hash,
        "domain": address.domain,
        "name": name,
        "language": language,
        "timezone": timezone,
        "created_at": moment(session, now),
        "name_key": name_key(name),
    }
    added = _ADD_PERSON.rows(session, row)
    if added:
        new = Subscriber(
            id=added[0][0],
            email=address.email,
            email_key=address.key,
            name=name,
            language=language,
            timezone=timezone,
            created_at=now,
        )
        return new, True
    found = find_subscriber(session, address.key)
    assert found is not None  # noqa: S101 - it is there now, and this transaction sees it
    return found, False


def add_subscription(
    session: Session,
    subscriber_id: int,
    digest: str,
    *,
    state: SubscriptionState,
    frequency: Frequency,
    topics: Mapping[str, int],
    now: datetime,
) -> Subscription | None:
    """Add a subscription that starts from the beginning (cursor 0, first issue to come); None when one is there.

    ``lookback`` bounds what has a number now; unless it is confirmed, what will have one when it is.
    """
    at = moment(session, now)
    row = {
        "subscriber_id": subscriber_id,
        "digest": digest,
        "state": state.value,
        "frequency": frequency.value,
        "topics": canonical_json(dict(topics)),
        "cursor": 0,
        "first": True,
        "carry": "[]",
        "created_at": at,
        "confirmed_at": at if state is SubscriptionState.CONFIRMED else None,
        "unsubscribed_at": at if state is SubscriptionState.UNSUBSCRIBED else None,
        "counter": SEQ,
    }
    added = _ADD_SUBSCRIPTION.rows(session, row)
    if not added:
        return None
    return Subscription(
        id=added[0][0],
        subscriber_id=subscriber_id,
        digest=digest,
        state=state,
        frequency=frequency,
        topics=dict(topics),
        cursor=0,
        first=True,
        joined_seq=added[0][1],
        carry=(),
        created_at=now,
        confirmed_at=now if state is SubscriptionState.CONFIRMED else None,
        unsubscribed_at=now if state is SubscriptionState.UNSUBSCRIBED else None,
        paused_until=None,
    )


_ADD_PERSON = Compiled(
    lambda dialect: (
        upsert_in(dialect, subscribers)
        .values(new_row(subscribers, _PERSON))
        .on_conflict_do_nothing(index_elements=["email_key"])
        .returning(subscribers.c.id)
    )
)
_SEQ = select(counters.c.value).where(counters.c.name == bindparam("counter")).scalar_subquery()
_ADD_SUBSCRIPTION = Compiled(
    lambda dialect: (
        upsert_in(dialect, subscriptions)
        .values(new_row(subscriptions, _CHOICE) | {"joined_seq": func.coalesce(_SEQ, 0)})
        .on_conflict_do_nothing(index_elements=["subscriber_id", "digest"])
        .returning(subscriptions.c.id, subscriptions.c.joined_seq)
    )
)
