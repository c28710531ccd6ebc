"""Issues that pause by themselves because too much of them is refused.

They are looked at in the transaction that learned of the last refusal, so that whoever sends stops with its next look.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session, SQLModel, col

from syndicate.core.bounces.pausing import Cause, PauseShares, cause_to_pause
from syndicate.core.bounces.report import ReturnClass
from syndicate.model import DeliveryState, IssueState, WebhookEvent
from syndicate.store.bounces import bounce_counts
from syndicate.store.issue_events import events_of, note_event
from syndicate.store.outbox import emit
from syndicate.store.parting import free_stranded
from syndicate.store.tables import DeliveryRow, IssueRow

BY_ITSELF = "paused by itself: "
EVENT = "paused_by_itself"
_TABLE = SQLModel.metadata.tables[str(DeliveryRow.__tablename__)]
_ANSWERED = (DeliveryState.ACCEPTED, DeliveryState.REJECTED, DeliveryState.IN_DOUBT)


def pause_if_refused(
    session: Session, issue_ids: Iterable[int], shares: PauseShares, now: datetime
) -> dict[int, Cause]:
    """Pause those of these running issues of which too much is refused. Returns why, by issue."""
    found = {}
    for issue_id in sorted(set(issue_ids)):
        cause = _cause(session, issue_id, shares)
        if cause is not None and _pause(session, issue_id, cause, now):
            found[issue_id] = cause
    return found


def paused_by_itself(session: Session) -> dict[int, str]:
    """The issues that paused by themselves and wait for an operator, with the reason."""
    query = (
        select(col(IssueRow.id), col(IssueRow.reason))
        .where(
            col(IssueRow.state) == IssueState.PAUSED.value, col(IssueRow.reason).startswith(BY_ITSELF, autoescape=True)
        )
        .order_by(col(IssueRow.id))
    )
    return {int(issue_id): str(reason) for issue_id, reason in session.execute(query) if issue_id is not None}


def _cause(session: Session, issue_id: int, shares: PauseShares) -> Cause | None:
    if shares.fewest is None:
        return None
    counts = _counts(session, issue_id)
    if sum(counts.values()) < shares.fewest:
        return None  # the sum over all rows of a large issue takes a while, and is hardly ever needed
    state = _TABLE.c.state
    query = select(func.count()).where(_TABLE.c.issue_id == issue_id, state.in_([each.value for each in _ANSWERED]))
    before = {
        ReturnClass(name): int(count)
        for event in events_of(session, issue_id)
        if event.event == EVENT
        for name, count in event.detail.get("counts", {}).items()
    }
    return cause_to_pause(counts, session.execute(query).scalar_one(), shares, before)


def _counts(session: Session, issue_id: int) -> dict[ReturnClass, int]:
    """Readers whose message was refused at once, and those from whom it came back, by class."""
    rows = _TABLE.c
    refused = session.execute(
        select(rows.reason, func.count())
        .where(rows.issue_id == issue_id, rows.state == DeliveryState.REJECTED.value)
        .group_by(rows.reason)
    )
    told = dict(bounce_counts(session, issue_id))
    for reason, count in refused:
        told[reason] = told.get(reason, 0) + count
    wanted = (ReturnClass.HARD, ReturnClass.BLOCK, ReturnClass.COMPLAINT)
    return {cls: told[cls.value] for cls in wanted if cls.value in told}


def _pause(session: Session, issue_id: int, cause: Cause, now: datetime) -> bool:
    reason = f"{BY_ITSELF}{cause}"
    result: Any = session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == issue_id, col(IssueRow.state) == IssueState.RUNNING.value)
        .values(state=IssueState.PAUSED.value, reason=reason)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:
        return False
    free_stranded(session, now)  # of joint mails that wait for it
    counts = {cls.value: count for cls, count in _counts(session, issue_id).items()}
    note_event(session, issue_id, EVENT, now, detail={"counts": counts, "reason": reason})
    digest, period = session.execute(
        select(col(IssueRow.digest), col(IssueRow.period)).where(col(IssueRow.id) == issue_id)
    ).one()
    told = {"issue": issue_id, "digest": digest, "period": period, "class": cause.cls.value, "reason": str(cause)}
    emit(session, WebhookEvent.ISSUE_PAUSED, told, now)
    return True
