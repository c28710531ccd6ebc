"""Puts addresses and whole domains on the suppression list by hand, and takes them off it."""

from __future__ import annotations

from datetime import datetime

from syndicate.core.addresses import hash_address, parse_address
from syndicate.errors import AddressError, UnknownNameError
from syndicate.model import Keyring
from syndicate.store import suppressions
from syndicate.store.bounces import absolve
from syndicate.store.engine import Database
from syndicate.store.suppressions import Scope, Suppression, SuppressionReason, add, remove


def suppress(database: Database, keyring: Keyring, what: str, *, note: str, now: datetime) -> bool:
    """Never write to an address, or to a domain and those below it. Says whether it is new. Raises AddressError."""
    scope, value = listed_as(keyring, what)
    with database.write() as session:
        return add(session, scope, value, SuppressionReason.MANUAL, now=now, note=note)


def release(database: Database, keyring: Keyring, what: str) -> int | None:
    """Take an address or a domain off the list; what came back from it before counts no more.

    Returns how many returned messages those are, None when it was not on the list. Raises AddressError.
    """
    scope, value = listed_as(keyring, what)
    with database.write() as session:
        if not remove(session, scope, value):
            return None
        return absolve(session, value) if scope == "address" else 0


def release_entry(database: Database, number: int) -> int:
    """The same by the entry's number; returns how many returned messages count no more. Raises UnknownNameError."""
    with database.write() as session:
        found = suppressions.entry_by_id(session, number)
        if found is None:
            raise UnknownNameError(f"there is no suppression {number}")
        remove(session, found.scope, found.value)
        return absolve(session, found.value) if found.scope == "address" else 0


def find_entry(database: Database, keyring: Keyring, what: str) -> Suppression:
    """The entry of an address or a domain itself. Raises AddressError, UnknownNameError."""
    scope, value = listed_as(keyring, what)
    with database.read() as session:
        found = suppressions.entry(session, scope, value)
    if found is None:
        raise UnknownNameError("it is not on the list")
    return found


def listed_as(keyring: Keyring, what: str) -> tuple[Scope, str]:
    """What an address, or a domain (with or without an @ in front), is kept under. Raises AddressError."""
    domain = what.strip().lstrip("@")
    if "@" in domain:
        return "address", hash_address(parse_address(what).key, keyring.hash_key)
    try:
        return "domain", parse_address(f"postmaster@{domain}").domain
    except AddressError as error:
        raise AddressError(f"{what!r} is neither an address nor a domain") from error
