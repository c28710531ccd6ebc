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
from syndicate.core.links import PROBES, Purpose, verify_from_mail, verify_unsubscribe
from syndicate.errors import StoreBusyError, TokenError, TransitionError, UnknownNameError
from syndicate.model import Keyring, Subscription, SubscriptionState
from syndicate.store import owed_confirmations, subscribers
from syndicate.store.engine import Database
from syndicate.store.probes import note_probe
from syndicate.store.suppressions import is_suppressed

# The ways by which an operator ends a subscription, not its reader.
OPERATORS = frozenset({"cli", "console"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What was stopped: the subscription as it stands (None: erased since) and whether this call changed it."""

    subscription: Subscription | None
    changed: bool


def unsubscribe(database: Database, keyring: Keyring, token: str, *, now: datetime, via: str = "page") -> list[Ended]:
    """End what an unsubscribe link stands for, at once: one subscription, or all of a joint mail in its order.

    A link of nobody, with which ``doctor`` tries this, leaves its number. Raises TokenError; an erased subscriber is no
    error.
    """
    ids = verify_unsubscribe(keyring, token, now)
    with database.write() as session:
        if ids[0] in PROBES:
            note_probe(session, ids[0])
        return [_end(session, number, Event.UNSUBSCRIBE, via, now) for number in ids]


def unsubscribe_by_mail(database: Database, keyring: Keyring, token: str, *, now: datetime) -> list[Ended]:
    """End the subscriptions that a mail to the unsubscribe mailbox names. Raises TokenError.

    One stands in the local part of the address; for all of a joint mail the token of its link stands in the subject.
    """
    try:
        ids = verify_from_mail(keyring, Purpose.UNSUBSCRIBE, token, now).ids
    except TokenError:
        ids = verify_unsubscribe(keyring, token, now)
    with database.write() as session:
        return [_end(session, number, Event.UNSUBSCRIBE, "mail", now) for number in ids]


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


def complained(database: Database, subscriber_id: int, *, now: datetime) -> int:
    """End all subscriptions of a reader whose provider reported a complaint (email.md R29). Returns how many."""
    with database.write() as session:
        found = subscribers.subscriptions_of(session, [subscriber_id])[subscriber_id]
        return sum(_end(session, one.id, Event.COMPLAINT, "mail", now).changed for one in found)


def left_by_provider(database: Database, subscriber_id: int, issue_digest: str, *, now: datetime) -> int:
    """End the subscription to a digest whose reader used her provider's own button. Returns how many ended."""
    with database.write() as session:
        found = subscribers.subscriptions_of(session, [subscriber_id])[subscriber_id]
        mine = [one for one in found if one.digest == issue_digest]
        return sum(_end(session, one.id, Event.UNSUBSCRIBE, "provider", now).changed for one in mine)


def may_undo(session: Session, subscription: Subscription, now: datetime) -> bool:
    """Whether the undo button works: a reader left within a day, had been confirmed, and may be written to."""
    if subscription.state is not SubscriptionState.UNSUBSCRIBED or subscription.confirmed_at is None:
        return False
    events = subscribers.consent_of(session, subscription.id)
    last = events[-1] if events else None
    if last is None or last.event != Event.UNSUBSCRIBE or last.via in OPERATORS or last.at + UNDO_WITHIN <= now:
        return False
    hashed = subscribers.hash_and_domain(session, subscription.subscriber_id)
    return hashed is not None and not is_suppressed(session, *hashed)


def undo(database: Database, keyring: Keyring, token: str, *, now: datetime, via: str = "page") -> list[Subscription]:
    """Take back what an unsubscribe link did last, as if it had not happened. Twice changes nothing.

    Of a joint mail's link that is all that ended together: what the reader had left before stays so. Raises TokenError,
    UnknownNameError (erased since), TransitionError (too late, or not the reader who left).
    """
    ids = verify_unsubscribe(keyring, token, now)
    with database.write() as session:
        found = [subscribers.subscription_by_id(session, number) for number in ids]
        there = [subscription for subscription in found if subscription is not None]
        if not there:
            raise UnknownNameError("this subscription does not exist any more")
        left = [each for each in there if each.state is not SubscriptionState.CONFIRMED]
        last = max((each.unsubscribed_at for each in left if each.unsubscribed_at), default=None)
        together = [each for each in left if each.unsubscribed_at == last and may_undo(session, each, now)]
        if left and not together:
            raise TransitionError("this can no longer be undone; please subscribe again")
        taken_back = {each.id: _take_back(session, each, via, now) for each in together}
        return [taken_back.get(each.id, each) for each in there]


def _take_back(session: Session, before: Subscription, via: str, now: datetime) -> Subscription:
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
    owed_confirmations.cancel(session, [subscription_id], now)
    subscribers.record_event(session, subscription_id, event, via=via, now=now, detail={"was": before.state})
    return Ended(subscription=after, changed=True)
