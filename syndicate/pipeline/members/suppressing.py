"""Puts addresses and whole domains on the suppression list by hand, and takes them off it."""

from __future__ import annotations

from datetime import datetime

from syndicate.core.addresses import hash_address, parse_address
from syndicate.errors import AddressError
from syndicate.model import Keyring
from syndicate.store.engine import Database
from syndicate.store.suppressions import Scope, SuppressionReason, add, remove


def suppress(database: Database, keyring: Keyring, what: str, *, note: str, now: datetime) -> bool:
    """Never write to an address, or to a domain and those below it. Says whether it is new. Raises AddressError."""
    scope, value = _entry(keyring, what)
    with database.write() as session:
        return add(session, scope, value, SuppressionReason.MANUAL, now=now, note=note)


def release(database: Database, keyring: Keyring, what: str) -> bool:
    """Take an address or a domain off the list. Says whether it was on it. Raises AddressError."""
    scope, value = _entry(keyring, what)
    with database.write() as session:
        return remove(session, scope, value)


def _entry(keyring: Keyring, what: str) -> tuple[Scope, str]:
    if "@" in what:
        return "address", hash_address(parse_address(what).key, keyring.hash_key)
    try:
        return "domain", parse_address(f"postmaster@{what}").domain
    except AddressError as error:
        raise AddressError(f"{what!r} is neither an address nor a domain") from error
