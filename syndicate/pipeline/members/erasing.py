"""Erase a person (GDPR article 17)."""

from __future__ import annotations

from datetime import datetime

from syndicate.core.addresses import hash_address, parse_address
from syndicate.model import Keyring
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
