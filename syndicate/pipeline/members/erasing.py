"""Erase a person (GDPR article 17)."""

from __future__ import annotations

from datetime import datetime

from syndicate.core.addresses import hash_address, parse_address
from syndicate.core.links import Purpose, verify
from syndicate.errors import UnknownNameError, UsageError
from syndicate.model import Keyring
from syndicate.pipeline.members.moving import is_own_address
from syndicate.store import subscribers
from syndicate.store.engine import Database
from syndicate.store.suppressions import SuppressionReason, add


def erase(database: Database, keyring: Keyring, email: str, *, now: datetime, block: bool = False) -> bool:
    """Remove all that names this address. Says whether it was known.

    A suppression stays as it was: as a keyed hash it names nobody, and it keeps the address from being written to.
    ``block`` adds one (reason gdpr-erasure). Deliveries stay on the ledger without a subscriber. Raises AddressError.
    """
    address = parse_address(email)
    with database.write() as session:
        subscriber = subscribers.find_subscriber(session, address.key)
        known = subscriber is not None and subscribers.erase_subscriber(session, subscriber.id)
        if block:
            value = hash_address(address.key, keyring.hash_key)
            add(session, "address", value, SuppressionReason.ERASURE, now=now)
    return known


def erase_own(database: Database, keyring: Keyring, token: str, own: str, *, now: datetime) -> None:
    """Remove all that names the reader of a preferences link.

    ``own``: the address as the reader typed it, since a forwarded mail has the link, too, and this cannot be undone.
    Raises TokenError, UnknownNameError (nothing is there any more), UsageError when ``own`` is another.
    """
    payload = verify(keyring, Purpose.PREFERENCES, token, now)
    with database.write() as session:
        subscription = subscribers.subscription_by_id(session, payload.subscription_id)
        person = None if subscription is None else subscribers.subscriber_by_id(session, subscription.subscriber_id)
        if person is None:
            raise UnknownNameError("this subscription does not exist any more")
        if not is_own_address(person, own):
            raise UsageError("the address is another one")
        subscribers.erase_subscriber(session, person.id)
