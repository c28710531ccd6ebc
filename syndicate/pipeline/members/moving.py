"""Change a reader's address: asked for on the preferences page, done by the button behind the mail to the new one.

Nobody learns here whether an address is known: the answer to asking is always the same.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from syndicate.config import Settings
from syndicate.core.addresses import hash_address, mask, parse_address
from syndicate.core.form_limits import limit_key, next_arrival
from syndicate.core.links import Purpose, verify
from syndicate.errors import AddressError, TransitionError, UnknownNameError, UsageError
from syndicate.model import Keyring, Subscriber, Subscription
from syndicate.store import owed_confirmations, subscribers
from syndicate.store.address_changes import (
    AddressChange,
    add_change,
    add_way_back,
    complete_change,
    drop_open,
    find_change,
)
from syndicate.store.engine import Database
from syndicate.store.form_limits import arrivals, keep_arrivals
from syndicate.store.suppressions import is_suppressed

MOVED = "address_changed"  # in the proof of consent, beside the events of core/consent.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change of address as its page shows it: both addresses masked, and a subscription to name."""

    from_email: str
    to_email: str
    subscription: Subscription | None
    done: bool


def is_own_address(subscriber: Subscriber, typed: str) -> bool:
    """Whether somebody who has a reader's link knows the address that it belongs to: the link may be forwarded."""
    try:
        return hmac.compare_digest(parse_address(typed).key.encode(), subscriber.email_key.encode())
    except AddressError:
        return False


def ask_for_move(
    database: Database, settings: Settings, keyring: Keyring, token: str, own: str, wanted: str, *, now: datetime
) -> None:
    """Owe the mail to a new address. ``own``: the present address as the reader typed it.

    Raises TokenError, UnknownNameError, AddressError, and UsageError when ``own`` is another.
    """
    payload = verify(keyring, Purpose.PREFERENCES, token, now)
    address = parse_address(wanted)
    email_hash = hash_address(address.key, keyring.hash_key)
    key = limit_key("move", str(payload.subscription_id), keyring.hash_key)
    with database.write() as session:
        subscription = subscribers.subscription_by_id(session, payload.subscription_id)
        person = None if subscription is None else subscribers.subscriber_by_id(session, subscription.subscriber_id)
        if subscription is None or person is None:
            raise UnknownNameError("this subscription does not exist any more")
        if not is_own_address(person, own):
            raise UsageError("the present address is another one")
        if address.key == person.email_key:
            return
        arrival = next_arrival(arrivals(session, [key]).get(key), settings.signup.address_rate, now)
        if arrival is None:
            return
        keep_arrivals(session, {key: arrival})
        # The same work whether the new address may be written to or not: time must not tell.
        most = 0 if is_suppressed(session, email_hash, address.domain) else settings.signup.mails_per_day
        change = add_change(session, person.id, address, email_hash, now)
        owed_confirmations.queue_change(session, subscription.id, change, now, most)


def show_move(database: Database, keyring: Keyring, token: str, *, now: datetime) -> Move:
    """What an address link would do. Raises TokenError, and UnknownNameError when it is of no use any more."""
    payload = verify(keyring, Purpose.ADDRESS, token, now)
    with database.read() as session:
        change = find_change(session, payload.subscription_id)
        person = None if change is None else subscribers.subscriber_by_id(session, change.subscriber_id)
        if change is None or person is None:
            raise UnknownNameError("this change was replaced by a later one, or its subscriber does not exist any more")
        found = subscribers.subscriptions_of(session, [person.id])[person.id]
        return _move(change, person, found)


def move(database: Database, keyring: Keyring, token: str, *, now: datetime) -> Move:
    """Change the address, and owe the old one a mail that says so, with a way back; a second time changes nothing.

    A change that takes another back tells nobody: else two would take one address from each other for ever.

    Raises TokenError, UnknownNameError, and TransitionError when the new address has subscriptions of its own or may
    not be written to.
    """
    payload = verify(keyring, Purpose.ADDRESS, token, now)
    with database.write() as session:
        change = find_change(session, payload.subscription_id)
        person = None if change is None else subscribers.subscriber_by_id(session, change.subscriber_id)
        if change is None or person is None:
            raise UnknownNameError("this change was replaced by a later one, or its subscriber does not exist any more")
        found = subscribers.subscriptions_of(session, [person.id])[person.id]
        if change.done_at is not None:
            return _move(change, person, found)
        if subscribers.find_subscriber(session, change.email_key) is not None:
            raise TransitionError("this address has a subscription of its own; end the other one instead")
        if is_suppressed(session, change.email_hash, change.domain):
            raise TransitionError("this address may not be written to")
        if change.reverts is None and found:
            owed_confirmations.queue_notice(session, found[0].id, add_way_back(session, change, now), now)
        complete_change(session, change, now)
        if change.reverts is not None:
            drop_open(session, person.id)
        for subscription in found:
            subscribers.record_event(session, subscription.id, MOVED, via="page", now=now, detail={})
        return _move(change, person, found, done=True)


def _move(change: AddressChange, person: Subscriber, found: list[Subscription], *, done: bool | None = None) -> Move:
    return Move(
        from_email=mask(person.email),
        to_email=mask(change.email),
        subscription=found[0] if found else None,
        done=change.done_at is not None if done is None else done,
    )
