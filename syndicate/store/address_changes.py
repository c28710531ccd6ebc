"""Changes of address: what a reader typed, until the button behind the mail to the new address was pressed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, literal, select, update
from sqlmodel import Session, SQLModel

from syndicate.core.addresses import Address
from syndicate.store.columns import UtcDateTime
from syndicate.store.subscribers import subscribers
from syndicate.store.tables import AddressChangeRow, BounceRow

changes = SQLModel.metadata.tables[str(AddressChangeRow.__tablename__)]
_BOUNCES = SQLModel.metadata.tables[str(BounceRow.__tablename__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressChange:
    """One change; ``done_at`` once it was confirmed. ``reverts``: the change that it takes back."""

    id: int
    subscriber_id: int
    email: str
    email_key: str
    email_hash: str
    domain: str
    done_at: datetime | None
    reverts: int | None = None


def add_change(session: Session, subscriber_id: int, address: Address, email_hash: str, now: datetime) -> int:
    """Note a wanted address; returns the number of the change. Earlier open ones of the subscriber are dropped.

    Those that take a change back stay: whoever took an address over must not be able to end them.
    """
    connection = session.connection()
    open_ones = (changes.c.subscriber_id == subscriber_id, changes.c.done_at.is_(None), changes.c.reverts.is_(None))
    connection.execute(delete(changes).where(*open_ones))
    row = {
        "subscriber_id": subscriber_id,
        "email": address.email,
        "email_key": address.key,
        "email_hash": email_hash,
        "domain": address.domain,
        "created_at": now,
    }
    return int(connection.execute(insert(changes).values(row).returning(changes.c.id)).scalar_one())


def add_way_back(session: Session, change: AddressChange, now: datetime) -> int:
    """Note the change that takes this one back, before it is made: to the address of now. Returns its number."""
    names = ("email", "email_key", "email_hash", "domain")
    own = select(
        subscribers.c.id, *(subscribers.c[name] for name in names), literal(now, UtcDateTime()), literal(change.id)
    ).where(subscribers.c.id == change.subscriber_id)
    statement = insert(changes).from_select(["subscriber_id", *names, "created_at", "reverts"], own)
    return int(session.connection().execute(statement.returning(changes.c.id)).scalar_one())


def drop_open(session: Session, subscriber_id: int) -> None:
    """Drop all changes of a subscriber that are not done, those that take one back as well."""
    open_ones = (changes.c.subscriber_id == subscriber_id, changes.c.done_at.is_(None))
    session.connection().execute(delete(changes).where(*open_ones))


def find_change(session: Session, change_id: int) -> AddressChange | None:
    """A change by its number; None when a later one took its place, or its subscriber was erased."""
    query = select(*(changes.c[name] for name in AddressChange.__dataclass_fields__)).where(changes.c.id == change_id)
    row = session.connection().execute(query).one_or_none()
    return None if row is None else AddressChange(**row._asdict())


def complete_change(session: Session, change: AddressChange, now: datetime) -> None:
    """Give the subscriber the new address. Nobody else may have it: look before, in this transaction."""
    connection = session.connection()
    connection.execute(
        update(subscribers)
        .where(subscribers.c.id == change.subscriber_id)
        .values(email=change.email, email_key=change.email_key, email_hash=change.email_hash, domain=change.domain)
    )
    connection.execute(update(changes).where(changes.c.id == change.id).values(done_at=now))
    # What came back from the old address says nothing of the new one.
    connection.execute(update(_BOUNCES).where(_BOUNCES.c.subscriber_id == change.subscriber_id).values(counted=False))


def moved_since(session: Session, subscriber_id: int, moment: datetime) -> bool:
    """Whether the subscriber has another address than at that moment."""
    query = select(changes.c.id).where(changes.c.subscriber_id == subscriber_id, changes.c.done_at > moment).limit(1)
    return session.connection().execute(query).one_or_none() is not None


def drop_changes(session: Session, before: datetime) -> int:
    """Delete what was asked before a time: its links have expired, and it holds an address."""
    return int(session.connection().execute(delete(changes).where(changes.c.created_at < before)).rowcount)
