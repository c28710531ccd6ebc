"""Ended deliveries queued again by the operator's wish: the issue locked, its messages still kept, running again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, select, update
from sqlmodel import Session, col

from syndicate.errors import TransitionError, UnknownNameError
from syndicate.model import DeliveryState, IssueState
from syndicate.store.columns import UtcDateTime
from syndicate.store.parting import follows
from syndicate.store.tables import DeliveryRow, EditionRow, IssueRow

Conditions = Sequence[ColumnElement[bool]]


def lock_issue(session: Session, issue_id: int, *, lock: bool = True) -> IssueRow:
    """The issue, locked (unless told not to) before its rows are looked at. Raises UnknownNameError.

    Finishing it at this moment must see them queued, or its finish be seen here.
    """
    query = select(IssueRow).where(col(IssueRow.id) == issue_id)
    query = query.with_for_update() if lock else query
    issue: IssueRow | None = session.execute(query).scalar_one_or_none()
    if issue is None:
        raise UnknownNameError(f"there is no issue {issue_id}; `syndicate issues list` names those there are")
    return issue


def require_open(session: Session, issue: IssueRow, conditions: Conditions, *, hint: str = "") -> None:
    """Raise TransitionError unless these rows of an issue can be sent again; ``hint`` says what else can be done."""
    if issue.state not in {IssueState.RUNNING, IssueState.PAUSED, IssueState.FINISHED}:
        raise TransitionError(f"issue {issue.id} is {issue.state}: its deliveries are not sent again{hint}")
    pruned = session.execute(
        select(func.count())
        .select_from(DeliveryRow)
        .join(EditionRow, col(EditionRow.id) == col(DeliveryRow.edition_id))
        .where(*conditions, col(EditionRow.message).is_(None))
    ).scalar_one()
    if pruned or issue.final_counts is not None:
        raise TransitionError(
            f"issue {issue.id}: its messages are not kept any more (service.keep_editions), so they cannot be sent "
            f"again{hint}"
        )


def queued_again(reason: str, now: datetime) -> dict[str, Any]:
    """What makes a row wait again. Its time begins anew: it may be long after the first attempt."""
    return {
        "state": DeliveryState.QUEUED.value,
        "reason": reason,
        # One that goes in a mail with others is due when the one that leads them is.
        "due_at": case((follows(), col(DeliveryRow.due_at)), else_=literal(now, UtcDateTime)),
        "finished_at": None,
        "first_marked_at": None,
    }


def change_rows(session: Session, conditions: Conditions, values: dict[str, Any]) -> list[int]:
    """Move rows that fulfil the conditions; returns their ids."""
    statement = update(DeliveryRow).where(*conditions).values(**values).returning(col(DeliveryRow.id))
    changed = session.execute(statement.execution_options(synchronize_session=False)).scalars()
    return [number for number in changed if number is not None]


def reopen(session: Session, issue_id: int) -> None:
    """Let a finished issue run again, of which rows were queued again in this transaction."""
    session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == issue_id, col(IssueRow.state) == IssueState.FINISHED.value)
        .values(state=IssueState.RUNNING.value, finished_at=None)
        .execution_options(synchronize_session=False)
    )
