"""Deliveries in doubt: their data may have left and the answer was never recorded. Who settles them, and how."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlmodel import Session, col

from syndicate.errors import TransitionError, UnknownNameError
from syndicate.model import AttemptEvent, DeliveryState, IssueState
from syndicate.store import attempts
from syndicate.store.holders import causes_of_death, not_alive
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
    sending = (
        col(DeliveryRow.state) == DeliveryState.SENDING.value,
        not_alive(session, col(DeliveryRow.holder), me=me, alone=alone, now=now),
    )
    dead = session.execute(select(col(DeliveryRow.holder)).where(*sending).distinct()).scalars().all()
    count = 0
    for holder, cause in causes_of_death(session, dead, me=me).items() if dead else ():
        values: dict[str, Any] = _QUEUED_AGAIN | {"due_at": now}
        if policy != "resend":
            values = _in_doubt(cause, resolved=policy == "skip", now=now)
        taken = _change(session, (*sending, col(DeliveryRow.holder).is_not_distinct_from(holder)), values)
        attempts.note_crash(session, taken, cause, now, next_at=now if policy == "resend" else None)
        count += len(taken)
    return count


def _in_doubt(reason: str, *, resolved: bool, now: datetime) -> dict[str, Any]:
    state = DeliveryState.IN_DOUBT.value
    return {"state": state, "reason": reason, "resolved": resolved, "finished_at": now}


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
    changed = _change(session, doubtful, values)
    event = AttemptEvent.RESENT if how == "resend" else AttemptEvent.SKIPPED
    attempts.note_decision(session, changed, event, now)
    if how == "resend" and changed:
        reopen(session, issue_id)
    return len(changed)


def _change(session: Session, conditions: tuple[Any, ...], values: dict[str, Any]) -> list[int]:
    """Move rows that fulfil the conditions; returns their ids."""
    statement = update(DeliveryRow).where(*conditions).values(**values).returning(col(DeliveryRow.id))
    changed = session.execute(statement.execution_options(synchronize_session=False)).scalars()
    return [number for number in changed if number is not None]


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


def reopen(session: Session, issue_id: int) -> None:
    """Let a finished issue run again, of which rows were queued again in this transaction."""
    session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == issue_id, col(IssueRow.state) == IssueState.FINISHED.value)
        .values(state=IssueState.RUNNING.value, finished_at=None)
        .execution_options(synchronize_session=False)
    )
