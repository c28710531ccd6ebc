"""Says all that is stored of one person (GDPR articles 15 and 20); the JSON forms of subscriber and subscription."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from syndicate.core.addresses import hash_address, parse_address
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
    }
