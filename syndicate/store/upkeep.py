"""Removes what is kept no longer: bodies of editions, rows of the ledger, versions of articles, dead holders.

Each function does one bounded chunk in the caller's transaction, so that nobody waits long for the write lock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, select, tuple_, update
from sqlmodel import Session, col

from syndicate.errors import LedgerError
from syndicate.model import Counts, DeliveryState, IssueState
from syndicate.store.tables import (
    ArticleVersionRow,
    CohortRow,
    DeliveryRow,
    EditionRow,
    HolderRow,
    IssueRow,
)

# A draft that lapsed is skipped, and has rows.
_OVER = (IssueState.FINISHED.value, IssueState.CANCELLED.value, IssueState.SKIPPED.value)


def drop_bodies(session: Session, before: datetime, limit: int, *, now: datetime) -> int:
    """Take the message bodies from editions of issues that were over before a time. Returns how many.

    When that was done stays, so that ``replay`` can tell.
    """
    chunk = (
        select(col(EditionRow.id))
        .join(IssueRow, col(IssueRow.id) == col(EditionRow.issue_id))
        .where(col(EditionRow.message).is_not(None), *_over_before(before))
        .limit(limit)
    )
    return _count(session, update(EditionRow).where(col(EditionRow.id).in_(chunk)).values(message=None, pruned_at=now))


def issues_with_old_rows(session: Session, before: datetime) -> list[int]:
    """The issues over before a time that still have rows on the ledger, oldest first."""
    rows = exists().where(col(DeliveryRow.issue_id) == col(IssueRow.id))
    query = select(col(IssueRow.id)).where(*_over_before(before), rows).order_by(col(IssueRow.id))
    return [issue_id for issue_id in session.execute(query).scalars() if issue_id is not None]


def keep_sums(session: Session, issue_id: int) -> None:
    """Store an issue's counts by state on the issue itself, unless that was done; then its rows may go.

    Raises LedgerError, with nothing changed, when they do not add up to the issue's recipients: such rows are evidence.
    """
    query = select(col(IssueRow.recipients), col(IssueRow.final_counts)).where(col(IssueRow.id) == issue_id)
    if session.get_bind().dialect.name == "postgresql":
        query = query.with_for_update()  # SQLite's transaction has the write lock already
    recipients, kept = session.execute(query).one()
    if kept is not None:
        return
    rows = session.execute(
        select(col(DeliveryRow.state), func.count())
        .where(col(DeliveryRow.issue_id) == issue_id)
        .group_by(col(DeliveryRow.state))
    )
    counts = Counts(**{DeliveryState(state).value: count for state, count in rows})
    if counts.total != recipients:
        raise LedgerError(
            f"issue {issue_id} was frozen with {recipients} recipients and its rows add up to {counts.total}; "
            "its rows were kept. This is a fault of the program: please report it"
        )
    session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == issue_id, col(IssueRow.state).in_(_OVER))
        .values(final_counts=counts.as_dict())
        .execution_options(synchronize_session=False)
    )


def drop_deliveries(session: Session, issue_id: int, limit: int) -> int:
    """Delete rows of an issue whose sums are kept; with the last ones go its cohorts. Returns how many rows."""
    kept = exists().where(col(IssueRow.id) == issue_id, col(IssueRow.final_counts).is_not(None))
    chunk = select(col(DeliveryRow.id)).where(col(DeliveryRow.issue_id) == issue_id, kept).limit(limit)
    gone = _count(session, delete(DeliveryRow).where(col(DeliveryRow.id).in_(chunk)))
    if gone < limit:
        _count(session, delete(CohortRow).where(col(CohortRow.issue_id) == issue_id, kept))
    return gone


def drop_versions(session: Session, before: datetime, limit: int) -> int:
    """Delete versions of articles that were replaced before a time. Returns how many."""
    key = (col(ArticleVersionRow.article_id), col(ArticleVersionRow.version))
    chunk = select(*key).where(col(ArticleVersionRow.replaced_at) < before).limit(limit)
    return _count(session, delete(ArticleVersionRow).where(tuple_(*key).in_(chunk)))


def drop_holders(session: Session, before: datetime) -> int:
    """Delete processes not seen since a time that hold nothing any more. Returns how many."""
    holding = exists().where(
        col(DeliveryRow.holder) == col(HolderRow.holder), col(DeliveryRow.state) == DeliveryState.SENDING.value
    )
    return _count(session, delete(HolderRow).where(col(HolderRow.seen_at) < before, ~holding))


def _over_before(before: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    ended = func.coalesce(col(IssueRow.finished_at), col(IssueRow.composed_at))
    return col(IssueRow.state).in_(_OVER), ended < before


def _count(session: Session, statement: Any) -> int:
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)
