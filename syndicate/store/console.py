"""What the console alone reads: pages of the ledger, editions, people by the start of an address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlmodel import Session, col

from syndicate.model import DeliveryState, Subscriber
from syndicate.store.subscribers import subscribers, to_subscriber
from syndicate.store.tables import DeliveryRow, EditionRow, SubscriberRow

# Above every character that an address can hold, in the order of both databases.
_AFTER = "\U0010fffd"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One delivery of an issue. ``email`` is None once its reader was erased."""

    id: int
    email: str | None
    state: DeliveryState
    reason: str | None
    attempts: int
    due_at: datetime
    finished_at: datetime | None
    relay: str | None
    code: int | None
    reply: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionLine:
    """One rendering of an issue. ``kept``: its message is still there."""

    id: int
    language: str
    subject: str
    recipients: int
    kept: bool


def ledger_page(
    session: Session, issue_id: int, state: DeliveryState, *, limit: int, after: tuple[datetime, int] | None = None
) -> list[LedgerLine]:
    """An issue's deliveries of one state, in the order of ``ix_deliveries_issue_state``; ``after``: where to go on."""
    query = (
        select(DeliveryRow, col(SubscriberRow.email))
        .outerjoin(SubscriberRow, col(SubscriberRow.id) == col(DeliveryRow.subscriber_id))
        .where(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.state) == state.value)
        .order_by(col(DeliveryRow.due_at), col(DeliveryRow.id))
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(col(DeliveryRow.due_at), col(DeliveryRow.id)) > after)
    return [
        LedgerLine(
            id=row.id or 0,
            email=email,
            state=DeliveryState(row.state),
            reason=row.reason,
            attempts=row.attempts,
            due_at=row.due_at,
            finished_at=row.finished_at,
            relay=row.relay,
            code=row.reply_code,
            reply=row.reply,
        )
        for row, email in session.execute(query)
    ]


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
    key = subscribers.c.email_key
    query = select(subscribers).where(key >= start, key < start + _AFTER, key > after).order_by(key).limit(limit)
    return [to_subscriber(row) for row in session.connection().execute(query)]
