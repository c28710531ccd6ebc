"""Put an address or a domain on the list of those never to be written to, and take it off again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from syndicate.core.addresses import hash_address, parse_address
from syndicate.errors import UnknownNameError
from syndicate.model import Keyring
from syndicate.store import suppressions
from syndicate.store.bounces import absolve
from syndicate.store.engine import Database
from syndicate.store.suppressions import Scope, Suppression, SuppressionReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """The entry as it stands, and whether this call made it."""

    entry: Suppression
    added: bool


def listed_as(keyring: Keyring, entry: str) -> tuple[Scope, str]:
    """What an address or a domain (without an @, or with one in front) is kept under. Raises AddressError."""
    if "@" in entry.strip().lstrip("@"):
        return "address", hash_address(parse_address(entry).key, keyring.hash_key)
    return "domain", parse_address(f"postmaster@{entry.strip().lstrip('@')}").domain


def suppress(database: Database, keyring: Keyring, entry: str, *, note: str, now: datetime) -> Suppressed:
    """Never write to it again; mail that is queued for it does not leave any more. Raises AddressError."""
    scope, value = listed_as(keyring, entry)
    with database.write() as session:
        new = suppressions.add(session, scope, value, SuppressionReason.MANUAL, now=now, note=note)
        found = suppressions.entry(session, scope, value)
    assert found is not None  # noqa: S101 - it stands there now
    return Suppressed(entry=found, added=new)


def release(database: Database, number: int) -> int:
    """Take an entry off the list by its number; what came back from it before counts no more: returns how many.

    Raises UnknownNameError.
    """
    with database.write() as session:
        found = suppressions.entry_by_id(session, number)
        if found is None:
            raise UnknownNameError(f"there is no suppression {number}")
        suppressions.remove(session, found.scope, found.value)
        return absolve(session, found.value) if found.scope == "address" else 0


def find(database: Database, keyring: Keyring, entry: str) -> Suppression:
    """The entry of an address or a domain itself. Raises AddressError, UnknownNameError."""
    scope, value = listed_as(keyring, entry)
    with database.read() as session:
        found = suppressions.entry(session, scope, value)
    if found is None:
        raise UnknownNameError("it is not on the list")
    return found
