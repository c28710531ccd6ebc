"""What came back for deliveries: kept as evidence, looked at as a reader's history."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, update
from sqlmodel import Session, SQLModel

from syndicate.core.bounces.report import ReturnClass, Returned
from syndicate.core.bounces.rules import CameBack
from syndicate.model import DeliveryState
from syndicate.store.statements import insert_new
from syndicate.store.tables import BounceRow, DeliveryRow, SubscriberRow

#: So many of a reader's last issues are looked at: more than any threshold needs.
HISTORY = 200
#: So much of a returned message is kept, in octets.
KEPT = 32_768

_TABLE = SQLModel.metadata.tables[str(BounceRow.__tablename__)]
_DELIVERIES = SQLModel.metadata.tables[str(DeliveryRow.__tablename__)]
_PEOPLE = SQLModel.metadata.tables[str(SubscriberRow.__tablename__)]
_FAILURES = (ReturnClass.HARD, ReturnClass.SOFT, ReturnClass.BLOCK)
# Their data left us: only such a delivery can come back.
_LEFT = (DeliveryState.ACCEPTED, DeliveryState.IN_DOUBT, DeliveryState.SENDING)


class SentDelivery(NamedTuple):
    """A delivery that may have come back, and when it left."""

    issue_id: int
    subscriber_id: int
    sent_at: datetime


def sent_delivery(session: Session, issue_id: int, subscriber_id: int) -> SentDelivery | None:
    """The delivery, if that issue was sent to that reader; a genuine token alone does not say so."""
    sent = _DELIVERIES.c
    query = select(sent.finished_at, sent.marked_at, sent.due_at).where(
        sent.issue_id == issue_id,
        sent.subscriber_id == subscriber_id,
        sent.state.in_([state.value for state in _LEFT]),
    )
    row = session.execute(query).one_or_none()
    return None if row is None else SentDelivery(issue_id, subscriber_id, row[0] or row[1] or row[2])


def add_bounce(
    session: Session,
    delivery: SentDelivery,
    said: Returned,
    *,
    fingerprint: str,
    message: bytes,
    counted: bool,
    now: datetime,
) -> bool:
    """Keep what came back; ``counted`` False where it says nothing of the reader's address of today.

    False when this very message was kept before.
    """
    row = {
        "fingerprint": fingerprint,
        "issue_id": delivery.issue_id,
        "subscriber_id": delivery.subscriber_id,
        "cls": said.cls.value,
        "action": said.action and said.action.value,
        "status": said.status,
        "code": said.code,
        "text": said.text,
        "final": said.final,
        "counted": counted,
        "sent_at": delivery.sent_at,
        "at": now,
        "message": message[:KEPT],
    }
    return insert_new(session, BounceRow, row, ("fingerprint",))


def history(session: Session, subscriber_id: int) -> tuple[list[CameBack], list[datetime]]:
    """What of a reader's last issues came back and counts, and when those were sent that did not."""
    rows, sent = _TABLE.c, _DELIVERIES.c
    came_back = session.execute(
        select(rows.issue_id, rows.sent_at, rows.cls)
        .where(rows.subscriber_id == subscriber_id, rows.counted, rows.final)
        .order_by(rows.sent_at.desc())
        .limit(HISTORY)
    ).all()
    failed = select(rows.issue_id).where(
        rows.subscriber_id == subscriber_id, rows.cls.in_([each.value for each in _FAILURES]), rows.final
    )
    arrived = session.execute(
        select(sent.finished_at)
        .where(
            sent.subscriber_id == subscriber_id,
            sent.state == DeliveryState.ACCEPTED.value,
            sent.finished_at.is_not(None),
            sent.issue_id.not_in(failed),
        )
        .order_by(sent.id.desc())
        .limit(HISTORY)
    ).scalars()
    return [CameBack(row[0], row[1], ReturnClass(row[2])) for row in came_back], list(arrived)


def absolve(session: Session, email_hash: str) -> int:
    """Let nothing count any more that came back from an address: it was taken off the list. Returns how many rows."""
    person = select(_PEOPLE.c.id).where(_PEOPLE.c.email_hash == email_hash)
    statement = update(_TABLE).where(_TABLE.c.subscriber_id.in_(person), _TABLE.c.counted).values(counted=False)
    result: Any = session.execute(statement)
    return int(result.rowcount)


def bounce_counts(session: Session, issue_id: int) -> dict[str, int]:
    """How many of an issue's readers it came back from, by class; delays left out."""
    rows = _TABLE.c
    query = (
        select(rows.cls, func.count(rows.subscriber_id.distinct()))
        .where(rows.issue_id == issue_id, rows.final)
        .group_by(rows.cls)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def drop_messages(session: Session, before: datetime, limit: int) -> int:
    """Let returned messages go that came before; what was understood of them stays. Returns how many rows."""
    old = select(_TABLE.c.id).where(_TABLE.c.at < before, _TABLE.c.message.is_not(None)).limit(limit)
    result: Any = session.execute(update(_TABLE).where(_TABLE.c.id.in_(old)).values(message=None))
    return int(result.rowcount)


def drop_bounces(session: Session, before: datetime, limit: int) -> int:
    """Remove what came back before. Returns how many rows."""
    old = select(_TABLE.c.id).where(_TABLE.c.at < before).limit(limit)
    result: Any = session.execute(delete(_TABLE).where(_TABLE.c.id.in_(old)))
    return int(result.rowcount)
