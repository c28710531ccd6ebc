"""Says all that is stored of one person (GDPR articles 15 and 20); the JSON forms of subscriber and subscription."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlmodel import Session

from syndicate.core.addresses import hash_address, mask, parse_address
from syndicate.core.links import Purpose, verify
from syndicate.core.topics import chosen_topics
from syndicate.errors import UnknownNameError
from syndicate.model import Keyring, Subscriber, Subscription
from syndicate.store import subscribers
from syndicate.store.attempts import attempts_of
from syndicate.store.engine import Database
from syndicate.store.suppressions import suppression_of


def person_document(database: Database, keyring: Keyring, email: str) -> dict[str, Any]:
    """All that is stored of a person, as plain values (times are aware datetimes).

    Raises AddressError, and UnknownNameError when the address is not known here.
    """
    address = parse_address(email)
    with database.read() as session:
        subscriber = subscribers.find_subscriber(session, address.key)
        if subscriber is None:
            raise UnknownNameError(f"there is no subscriber {address.email}")
        return _document(session, keyring, subscriber)


def own_document(database: Database, keyring: Keyring, token: str, *, now: datetime) -> dict[str, Any]:
    """The same for the reader who holds a preferences link, in which the address stands only masked.

    Mails are forwarded, links and all: whoever opens it may be another. Raises TokenError, UnknownNameError.
    """
    payload = verify(keyring, Purpose.PREFERENCES, token, now)
    with database.read() as session:
        subscription = subscribers.subscription_by_id(session, payload.subscription_id)
        subscriber = None if subscription is None else subscribers.subscriber_by_id(session, subscription.subscriber_id)
        if subscriber is None:
            raise UnknownNameError("this subscription does not exist any more")
        document: dict[str, Any] = _masked(_document(session, keyring, subscriber), subscriber)
        return document


def _masked(value: Any, subscriber: Subscriber) -> Any:
    # Servers repeat the address in their answers, in whatever case.
    if isinstance(value, str):
        for address in {subscriber.email, subscriber.email_key}:
            value = re.sub(re.escape(address), mask(subscriber.email), value, flags=re.IGNORECASE)
        return value
    if isinstance(value, dict):
        return {key: _masked(each, subscriber) for key, each in value.items()}
    return [_masked(each, subscriber) for each in value] if isinstance(value, (list, tuple)) else value


def _document(session: Session, keyring: Keyring, subscriber: Subscriber) -> dict[str, Any]:
    address = parse_address(subscriber.email)
    email_hash = hash_address(address.key, keyring.hash_key)
    suppression = suppression_of(session, email_hash, address.domain)
    found = subscribers.subscriptions_of(session, [subscriber.id])[subscriber.id]
    receipts = list(subscribers.receipts(session, subscriber.id))
    attempts = attempts_of(session, [receipt.id for receipt in receipts])
    return {
        **person(subscriber),
        "suppression": None
        if suppression is None
        else {"scope": suppression.scope, "reason": suppression.reason, "since": suppression.created_at},
        "subscriptions": [
            {
                **choice(subscription),
                "consent": [
                    {"event": event.event, "at": event.at, "via": event.via, **event.detail}
                    for event in subscribers.consent_of(session, subscription.id)
                ],
            }
            for subscription in found
        ],
        "deliveries": [
            {
                "issue": receipt.issue_id,
                "digest": receipt.digest,
                "period": receipt.period,
                "subject": receipt.subject,
                "state": receipt.state,
                "reason": receipt.reason,
                "code": receipt.code,
                "reply": receipt.reply,
                "attempts": receipt.attempts,
                "next_try_at": receipt.due_at,
                "finished_at": receipt.finished_at,
                "history": [asdict(attempt) for attempt in attempts.get(receipt.id, ())],
            }
            for receipt in receipts
        ],
    }


def person(subscriber: Subscriber) -> dict[str, Any]:
    """A subscriber in JSON."""
    return {
        "id": subscriber.id,
        "email": subscriber.email,
        "name": subscriber.name,
        "language": subscriber.language,
        "timezone": subscriber.timezone,
        "created_at": subscriber.created_at,
    }


def choice(subscription: Subscription) -> dict[str, Any]:
    """A subscription in JSON."""
    return {
        "digest": subscription.digest,
        "state": subscription.state,
        "frequency": subscription.frequency,
        "topics": chosen_topics(subscription.topics),
        "created_at": subscription.created_at,
        "confirmed_at": subscription.confirmed_at,
        "unsubscribed_at": subscription.unsubscribed_at,
        "paused_until": subscription.paused_until,
    }
