"""What came back for deliveries, or was refused at once: kept as evidence, looked at as a reader's history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, func, insert, select, update
from sqlmodel import Session, SQLModel

from syndicate.core.bounces.report import Action, ReturnClass, Returned
from syndicate.core.bounces.rules import CameBack, Thresholds, is_certain, verdict
from syndicate.core.outcomes import BounceClass
from syndicate.model import DeliveryState
from syndicate.store.deliveries import Result
from syndicate.store.statements import insert_new
from syndicate.store.subscribers import hash_and_domain
from syndicate.store.suppressions import SuppressionReason, add
from syndicate.store.tables import BounceRow, DeliveryRow, IssueRow, SubscriberRow

#: So many of a reader's last issues are looked at: more than any threshold needs.
HISTORY = 200
#: So much of a returned message is kept, in octets.
KEPT = 32_768

_TABLE = SQLModel.metadata.tables[str(BounceRow.__tablename__)]
_DELIVERIES = SQLModel.metadata.tables[str(DeliveryRow.__tablename__)]
_ISSUES = SQLModel.metadata.tables[str(IssueRow.__tablename__)]
_PEOPLE = SQLModel.metadata.tables[str(SubscriberRow.__tablename__)]
# Begins the fingerprint of a refusal at submission: no message came back.
_AT_ONCE = "smtp/"
_FAILURES = (ReturnClass.HARD, ReturnClass.SOFT, ReturnClass.BLOCK)
# Their data left us: only such a delivery can come back.
_LEFT = (DeliveryState.ACCEPTED, DeliveryState.IN_DOUBT, DeliveryState.SENDING)


class SentDelivery(NamedTuple):
    """A delivery that may have come back, and when it left."""

    issue_id: int
    subscriber_id: int
    sent_at: datetime


def sent_together(session: Session, issue_id: int, subscriber_id: int) -> list[SentDelivery]:
    """The deliveries of the mail in which that issue was sent to that reader, itself first: of a joint mail all.

    Empty where it was not sent; a genuine token alone does not say so.
    """
    sent = _DELIVERIES.c
    columns = (sent.issue_id, sent.finished_at, sent.marked_at, sent.due_at, sent.joined_to)
    left = and_(sent.subscriber_id == subscriber_id, sent.state.in_([state.value for state in _LEFT]))
    row = session.execute(select(*columns).where(sent.issue_id == issue_id, left)).one_or_none()
    if row is None:
        return []
    rows = [row]
    if row.joined_to is not None:
        others = select(*columns).where(left, sent.joined_to == row.joined_to, sent.issue_id != issue_id)
        rows += session.execute(others.order_by(sent.id)).all()
    return [SentDelivery(each[0], subscriber_id, each[1] or each[2] or each[3]) for each in rows]


def newest_sent(session: Session, subscriber_id: int, since: datetime) -> int | None:
    """The issue that was sent to a reader last: what a provider means that names nobody but her."""
    sent = _DELIVERIES.c
    query = (
        select(sent.issue_id)
        .where(
            sent.subscriber_id == subscriber_id,
            sent.state.in_([state.value for state in _LEFT]),
            func.coalesce(sent.finished_at, sent.marked_at) >= since,
        )
        .order_by(sent.id.desc())
        .limit(1)
    )
    return session.execute(query).scalar_one_or_none()


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
        "certain": is_certain(said.status, said.code, told=said.certain),
        "sent_at": delivery.sent_at,
        "at": now,
        "message": message[:KEPT],
    }
    return insert_new(session, BounceRow, row, ("fingerprint",))


def add_refusals(session: Session, results: Sequence[Result], now: datetime) -> list[int]:
    """Keep as evidence what servers refused for good, in the transaction that records it; blocks are our own fault.

    Returns the readers that may have to be suppressed, each once.
    """
    refused = [
        result
        for result in results
        if result.state is DeliveryState.REJECTED and result.bounce_class in {BounceClass.HARD, BounceClass.SOFT}
    ]
    rows = [
        {
            "fingerprint": f"{_AT_ONCE}{number}/{result.task.attempts}",
            "issue_id": issue_id,
            "subscriber_id": result.task.subscriber_id,
            "cls": str(result.bounce_class),
            "action": Action.FAILED.value,
            "status": result.outcome.enhanced,
            "code": result.outcome.code,
            "text": result.outcome.text,
            "final": True,
            "counted": True,
            "certain": is_certain(result.outcome.enhanced, result.outcome.code, told=False),
            "sent_at": now,
            "at": now,
            "message": None,
        }
        for result in refused
        for number, issue_id in zip(result.task.rows, result.task.issues, strict=True)
    ]
    known = _still_there(session, {result.task.subscriber_id for result in refused}) if rows else set()
    if rows := [row for row in rows if row["subscriber_id"] in known]:
        session.connection().execute(insert(_TABLE), rows)
    return sorted(known)


def _still_there(session: Session, subscriber_ids: set[int]) -> set[int]:
    """Those who were not erased while their messages were on the wire."""
    query = select(_PEOPLE.c.id).where(_PEOPLE.c.id.in_(subscriber_ids))
    return set(session.execute(query).scalars())


def judge(session: Session, subscriber_id: int, rules: Thresholds, now: datetime) -> bool:
    """Suppress a reader's address if all that came back from it is enough. Says whether it is newly suppressed."""
    found = verdict(*history(session, subscriber_id), rules)
    hashed = hash_and_domain(session, subscriber_id)
    if found is None or hashed is None:
        return False
    return add(session, "address", hashed[0], SuppressionReason(found.reason), now=now, note=found.note)


def history(session: Session, subscriber_id: int) -> tuple[list[CameBack], list[datetime]]:
    """What of a reader's last issues came back and counts, and when those were sent that did not."""
    rows, sent = _TABLE.c, _DELIVERIES.c
    of_delivery = and_(sent.issue_id == rows.issue_id, sent.subscriber_id == rows.subscriber_id)
    came_back = session.execute(
        # Of a joint mail all issues have one number, that of its leading delivery; of others none is the same.
        select(func.coalesce(sent.joined_to, -rows.issue_id), rows.sent_at, rows.cls, rows.certain)
        .select_from(_TABLE.outerjoin(_DELIVERIES, of_delivery))
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
    return [CameBack(row[0], row[1], ReturnClass(row[2]), row[3]) for row in came_back], list(arrived)


def absolve(session: Session, email_hash: str) -> int:
    """Let nothing count any more that came back from an address: it was taken off the list. Returns how many rows."""
    person = select(_PEOPLE.c.id).where(_PEOPLE.c.email_hash == email_hash)
    statement = update(_TABLE).where(_TABLE.c.subscriber_id.in_(person), _TABLE.c.counted).values(counted=False)
    result: Any = session.execute(statement)
    return int(result.rowcount)


def bounce_counts(session: Session, issue_id: int) -> dict[str, int]:
    """How many of an issue's readers it came back from, by class; no delays, nothing refused at once."""
    rows = _TABLE.c
    query = (
        select(rows.cls, func.count(rows.subscriber_id.distinct()))
        .where(rows.issue_id == issue_id, rows.final, ~rows.fingerprint.startswith(_AT_ONCE, autoescape=True))
        .group_by(rows.cls)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def blocks_since(session: Session, since: datetime) -> dict[int, int]:
    """How many messages came back, or were refused at once, for our own fault since a time, by issue."""
    rows, sent, block = _TABLE.c, _DELIVERIES.c, ReturnClass.BLOCK.value
    told = select(rows.issue_id, func.count()).where(rows.at >= since, rows.cls == block, rows.final)
    # Issues that ended lately only: the ledger has no index by time.
    lately = select(_ISSUES.c.id).where(func.coalesce(_ISSUES.c.finished_at, since) >= since)
    refused = select(sent.issue_id, func.count()).where(
        sent.issue_id.in_(lately),
        sent.state == DeliveryState.REJECTED.value,
        sent.reason == block,
        sent.finished_at >= since,
    )
    found: dict[int, int] = {}
    for query in (told.group_by(rows.issue_id), refused.group_by(sent.issue_id)):
        for issue_id, count in session.execute(query):
            found[issue_id] = found.get(issue_id, 0) + count
    return dict(sorted(found.items()))


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
