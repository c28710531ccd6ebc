"""What the console alone reads: editions, and people by the beginning of an address or a name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select
from sqlmodel import Session, col

from syndicate.core.addresses import name_key
from syndicate.model import Subscriber
from syndicate.store.subscribers import subscribers, to_subscriber
from syndicate.store.tables import BounceRow, EditionRow

# Above every character that an address can hold, in the order of both databases.
_AFTER = "\U0010fffd"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionLine:
    """One rendering of an issue. ``kept``: its message is still there."""

    id: int
    language: str
    subject: str
    recipients: int
    kept: bool


def edition_lines(session: Session, issue_id: int, *, limit: int) -> list[EditionLine]:
    """The current editions of an issue, those for most readers first."""
    kept = col(EditionRow.message).is_not(None)
    columns = (
        col(EditionRow.id), col(EditionRow.language), col(EditionRow.subject), col(EditionRow.recipients), kept,
    )  # fmt: skip
    query = (
        select(*columns)
        .where(col(EditionRow.issue_id) == issue_id, col(EditionRow.current).is_(True))
        .order_by(col(EditionRow.recipients).desc(), col(EditionRow.id))
        .limit(limit)
    )
    return [
        EditionLine(id=number or 0, language=language, subject=subject, recipients=recipients, kept=there)
        for number, language, subject, recipients, there in session.execute(query)
    ]


def edition_message(session: Session, issue_id: int, edition_id: int) -> bytes | None:
    """The message of one edition of an issue, with its slots; None when there is none or it is kept no longer."""
    query = select(col(EditionRow.message)).where(
        col(EditionRow.id) == edition_id, col(EditionRow.issue_id) == issue_id
    )
    return session.execute(query).scalar_one_or_none()


def people_like(session: Session, start: str, *, limit: int, after: str = "") -> list[Subscriber]:
    """Subscribers whose address (its compared form) begins so, by address; ``after``: the last one's compared form."""
    return [to_subscriber(row) for row in session.connection().execute(addressed(start, limit, after))]


def addressed(start: str, limit: int, after: str = "") -> Select[Any]:
    """The statement of ``people_like``; walks the index of addresses."""
    key = subscribers.c.email_key
    query = select(subscribers).where(key >= start, key < start + _AFTER).order_by(key).limit(limit)
    return query.where(key > after) if after else query


def people_named(
    session: Session, start: str, *, limit: int, after: tuple[str, int] | None = None
) -> list[tuple[Subscriber, str]]:
    """Subscribers whose name begins so, in any case, each with its key; ``after``: the last one's key and number."""
    rows = session.connection().execute(named(start, limit, after))
    return [(to_subscriber(row), row.name_key) for row in rows]


def named(start: str, limit: int, after: tuple[str, int] | None = None) -> Select[Any]:
    """The statement of ``people_named``; walks the index of names."""
    key, begins = subscribers.c.name_key, name_key(start)
    query = select(subscribers).where(key >= begins, key < begins + _AFTER)
    if after is not None:
        # The first condition is what the index is walked by.
        query = query.where(key >= after[0], or_(key > after[0], subscribers.c.id > after[1]))
    return query.order_by(key, subscribers.c.id).limit(limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedLine:
    """One message that came back for a delivery to a reader; ``counted`` False once the address was taken off."""

    issue_id: int
    at: datetime
    cls: str
    status: str | None
    code: int | None
    text: str
    counted: bool


def returned_for(
    session: Session, subscriber_id: int, *, issue_id: int | None = None, limit: int = 50
) -> list[ReturnedLine]:
    """What came back from a reader's address, for one issue or all, newest first."""
    columns = (
        col(BounceRow.issue_id), col(BounceRow.at), col(BounceRow.cls), col(BounceRow.status), col(BounceRow.code),
        col(BounceRow.text), col(BounceRow.counted),
    )  # fmt: skip
    query = select(*columns).where(col(BounceRow.subscriber_id) == subscriber_id)
    if issue_id is not None:
        query = query.where(col(BounceRow.issue_id) == issue_id)
    rows = session.execute(query.order_by(col(BounceRow.sent_at).desc(), col(BounceRow.id).desc()).limit(limit))
    return [ReturnedLine(**row._asdict()) for row in rows]


def person_of_hash(session: Session, email_hash: str) -> Subscriber | None:
    """The subscriber whose address has this keyed hash."""
    row = session.connection().execute(select(subscribers).where(subscribers.c.email_hash == email_hash)).first()
    return None if row is None else to_subscriber(row)
