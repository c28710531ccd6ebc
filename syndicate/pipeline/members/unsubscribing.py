"""End a subscription, and the undo right after it. Idempotent: mail programs and people click twice.

Deliveries that are queued or deferred are not touched here: ``store/deliveries.take`` reads the subscription again in
the transaction that marks each row, so one place decides, whatever order the two happen in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from syndicate.core.addresses import parse_address
from syndicate.core.consent import UNDO_WITHIN, Event, moved
from syndicate.core.links import Purpose, verify, verify_from_mail
from syndicate.errors import StoreBusyError, TransitionError, UnknownNameError
from syndicate.model import Keyring, Subscription, SubscriptionState
from syndicate.store import confirmations, subscribers
from syndicate.store.engine import Database
from syndicate.store.suppressions import is_suppressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What was stopped: the subscription as it stands (None: erased since) and whether this call changed it."""

    subscription: Subscription | None
    changed: bool


def unsubscribe(database: Database, keyring: Keyring, token: str, *, now: datetime, via: str = "page") -> Ended:
    """End the subscription of an unsubscribe link, at once. Raises TokenError; an erased subscriber is no error."""
    payload = verify(keyring, Purpose.UNSUBSCRIBE, token, now)
    with database.write() as session:
        return _end(session, payload.subscription_id, Event.UNSUBSCRIBE, via, now)


def unsubscribe_by_mail(database: Database, keyring: Keyring, token: str, *, now: datetime) -> Ended:
    """End the subscription that a mail to the unsubscribe mailbox names in its local part. Raises TokenError."""
    payload = verify_from_mail(keyring, Purpose.UNSUBSCRIBE, token, now)
    with database.write() as session:
        return _end(session, payload.subscription_id, Event.UNSUBSCRIBE, "mail", now)


def unsubscribe_address(
    database: Database, email: str, *, now: datetime, digests: Iterable[str] | None = None, via: str = "cli"
) -> list[Ended]:
    """End the subscriptions of an address, all or those to some digests.

    Raises AddressError, and UnknownNameError when the address is not known here.
    """
    address = parse_address(email)
    with database.write() as session:
        subscriber = subscribers.find_subscriber(session, address.key)
        if subscriber is None:
            raise UnknownNameError(f"there is no subscriber {address.email}")
        wanted = None if digests is None else set(digests)
        found = subscribers.subscriptions_of(session, [subscriber.id])[subscriber.id]
        return [
            _end(session, subscription.id, Event.UNSUBSCRIBE, via, now)
            for subscription in found
            if wanted is None or subscription.digest in wanted
        ]


def may_undo(session: Session, subscription: Subscription, now: datetime) -> bool:
    """Whether the undo button works: a reader left within a day, had been confirmed, and may be written to."""
    if subscription.state is not SubscriptionState.UNSUBSCRIBED or subscription.confirmed_at is None:
        return False
    events = subscribers.consent_of(session, subscription.id)
    last = events[-1] if events else None
    if last is None or last.event != Event.UNSUBSCRIBE or last.via == "cli" or last.at + UNDO_WITHIN <= now:
        return False
    hashed = subscribers.hash_and_domain(session, subscription.subscriber_id)
    return hashed is not None and not is_suppressed(session, *hashed)


def undo(database: Database, keyring: Keyring, token: str, *, now: datetime, via: str = "page") -> Subscription:
    """Take an unsubscription back, as if it had not happened. Twice changes nothing.

    Raises TokenError, UnknownNameError (erased since), TransitionError (too late, or not the reader who left).
    """
    payload = verify(keyring, Purpose.UNSUBSCRIBE, token, now)
    with database.write() as session:
        before = subscribers.subscription_by_id(session, payload.subscription_id)
        if before is None:
            raise UnknownNameError("this subscription does not exist any more")
        if before.state is SubscriptionState.CONFIRMED:
            return before
        if not may_undo(session, before, now):
            raise TransitionError("this can no longer be undone; please subscribe again")
        after = moved(before, Event.UNDO, now)
        if not subscribers.move_subscription(session, before, after):
            raise StoreBusyError("the subscription was changed at the same time; try again")
        subscribers.record_event(session, before.id, Event.UNDO, via=via, now=now, detail={})
        return after


def _end(session: Session, subscription_id: int, event: Event, via: str, now: datetime) -> Ended:
    before = subscribers.subscription_by_id(session, subscription_id)
    if before is None:
        return Ended(subscription=None, changed=False)
    after = moved(before, event, now)
    if after is before:
        return Ended(subscription=before, changed=False)
    if not subscribers.move_subscription(session, before, after):
        raise StoreBusyError("the subscription was changed at the same time; try again")
    confirmations.cancel(session, [subscription_id], now)
    subscribers.record_event(session, subscription_id, event, via=via, now=now, detail={"was": before.state})
    return Ended(subscription=after, changed=True)
