"""Deliveries in doubt: their data may have left and the answer was never recorded. Who settles them, and how."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlmodel import Session, col

from syndicate.errors import TransitionError, UnknownNameError
from syndicate.model import DeliveryState, IssueState
from syndicate.store.holders import give_up_dead, not_alive
from syndicate.store.tables import DeliveryRow, EditionRow, IssueRow

# A resend begins its time anew: it may come long after the first attempt.
_QUEUED_AGAIN: dict[str, Any] = {
    "state": DeliveryState.QUEUED.value,
    "reason": "resent: in doubt",
    "finished_at": None,
    "first_marked_at": None,
}


def take_over(
    session: Session, *, me: str, alone: bool, policy: Literal["ask", "resend", "skip"], now: datetime
) -> int:
    """Settle what processes that live no more had marked: their data may have left, so the rows are in doubt.

    ``alone``: no process but ``me`` can be sending. ``resend`` queues the rows again (same Message-ID), ``skip`` leaves
    them in doubt and resolved, ``ask`` leaves them for the operator. Returns the number of rows.
    """
    if policy == "resend":
        values = _QUEUED_AGAIN | {"due_at": now}
    else:
        values = {
            "state": DeliveryState.IN_DOUBT.value,
            "reason": "the sending process died",
            "resolved": policy == "skip",
            "finished_at": now,
        }
    orphaned = (
        select(col(DeliveryRow.id))
        .where(
            col(DeliveryRow.state) == DeliveryState.SENDING.value,
            not_alive(session, col(DeliveryRow.holder), me=me, alone=alone, now=now),
        )
        # Never wait for the locks of a process that was frozen in the middle of a transaction: the next look gets them.
        .with_for_update(skip_locked=True)
    )
    result = session.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.id).in_(orphaned))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if not alone:
        give_up_dead(session, now)
    return int(result.rowcount)  # type: ignore[attr-defined]


def resolve(session: Session, issue_id: int, *, how: Literal["resend", "skip"], now: datetime) -> int:
    """Decide an issue's unresolved rows in doubt; with ``resend`` a finished issue runs again. Returns the number.

    Raises UnknownNameError, and TransitionError for ``resend`` when the issue was cancelled or its bodies are not kept.
    """
    # Locked before its rows are looked at: finishing it at this moment must see them queued, or this see it finished.
    issue = session.execute(select(IssueRow).where(col(IssueRow.id) == issue_id).with_for_update()).scalar_one_or_none()
    if issue is None:
        raise UnknownNameError(f"there is no issue {issue_id}; `syndicate issues list` names those there are")
    doubtful = (
        col(DeliveryRow.issue_id) == issue_id,
        col(DeliveryRow.state) == DeliveryState.IN_DOUBT.value,
        col(DeliveryRow.resolved).is_(False),
    )
    values: dict[str, Any] = {"resolved": True}
    if how == "resend":
        _require_resendable(session, issue, doubtful)
        values = _QUEUED_AGAIN | {"due_at": now}
    result = session.execute(
        update(DeliveryRow).where(*doubtful).values(**values).execution_options(synchronize_session=False)
    )
    count = int(result.rowcount)  # type: ignore[attr-defined]
    if how == "resend" and count:
        _reopen(session, issue_id)
    return count


def _require_resendable(session: Session, issue: IssueRow, doubtful: tuple[Any, ...]) -> None:
    if issue.state not in {IssueState.RUNNING, IssueState.PAUSED, IssueState.FINISHED}:
        raise TransitionError(f"issue {issue.id} is {issue.state}: its deliveries are not sent again; use --as skip")
    pruned = session.execute(
        select(func.count())
        .select_from(DeliveryRow)
        .join(EditionRow, col(EditionRow.id) == col(DeliveryRow.edition_id))
        .where(*doubtful, col(EditionRow.message).is_(None))
    ).scalar_one()
    if pruned or issue.final_counts is not None:
        raise TransitionError(
            f"issue {issue.id}: its messages are not kept any more (service.keep_editions), so they cannot be sent "
            "again; use --as skip"
        )


def _reopen(session: Session, issue_id: int) -> None:
    session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == issue_id, col(IssueRow.state) == IssueState.FINISHED.value)
        .values(state=IssueState.RUNNING.value, finished_at=None)
        .execution_options(synchronize_session=False)
    )
