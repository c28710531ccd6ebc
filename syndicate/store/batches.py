"""Batches: an issue's deliveries in slices by id, each taken up by one worker at a time. Decision 5 of the design.

A batch only shares the work out. What keeps a message from leaving twice is the row: ``deliveries.py``. The jobs that
bring batches to workers are deferred in ``jobs.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, delete, func, insert, select, update
from sqlmodel import Session, col

from syndicate.core.slices import slices
from syndicate.model import DeliveryState, IssueState
from syndicate.store.compiled import Compiled
from syndicate.store.due import RETRIABLE, rows_between
from syndicate.store.holders import ends_when_frozen, not_alive
from syndicate.store.tables import BatchRow, DeliveryRow, HolderRow, IssueRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch as its holder claimed it: deliveries of an issue from ``first_id`` to ``last_id``."""

    id: int
    issue_id: int
    first_id: int
    last_id: int
    holder: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a batch that was given back still holds: rows that wait, when the first is due, rows someone is sending."""

    waiting: int
    sending: int
    due_at: datetime | None


def slice_issue(session: Session, issue_id: int) -> int:
    """Cut an issue's deliveries into batches, unless that was done. Returns how many there are now."""
    there = session.execute(select(func.count()).where(col(BatchRow.issue_id) == issue_id)).scalar_one()
    if there:
        return int(there)
    # Counted along with the bounds: PostgreSQL would look for a minimum alone through the ids of all older issues.
    first, last, count = session.execute(
        select(func.min(col(DeliveryRow.id)), func.max(col(DeliveryRow.id)), func.count()).where(
            col(DeliveryRow.issue_id) == issue_id
        )
    ).one()
    if not count:
        return 0
    rows = [
        {"issue_id": issue_id, "first_id": low, "last_id": high, "fence": 0, "finished": False}
        for low, high in slices(first, last, recipients=count)
    ]
    session.execute(insert(BatchRow), rows)
    return len(rows)


def claim(session: Session, batch_id: int, *, holder: str, now: datetime) -> Batch | None:
    """Take a batch of a running issue that no living process holds, with a fence of its own; None when there is none.

    A batch whose row is locked at this moment is somebody's.
    """
    free = (
        select(col(BatchRow.id))
        .join(IssueRow, col(IssueRow.id) == col(BatchRow.issue_id))
        .where(
            col(BatchRow.id) == batch_id,
            col(BatchRow.finished).is_(False),
            col(IssueRow.state) == IssueState.RUNNING.value,
            not_alive(session, col(BatchRow.holder), me=holder, alone=False, now=now),
        )
        # A worker that was frozen inside a transaction holds its lock until the server ends that: never wait for it.
        .with_for_update(skip_locked=True, of=BatchRow)
    )
    row = session.execute(
        update(BatchRow)
        .where(col(BatchRow.id).in_(free))
        .values(holder=holder, fence=col(BatchRow.fence) + 1)
        .returning(
            col(BatchRow.id),
            col(BatchRow.issue_id),
            col(BatchRow.first_id),
            col(BatchRow.last_id),
            col(BatchRow.fence),
        )
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if row is None:
        return None
    return Batch(
        id=row.id,
        issue_id=row.issue_id,
        first_id=row.first_id,
        last_id=row.last_id,
        holder=holder,
        fence=row.fence,
    )


def still_ours(session: Session, holder: str, batch: Batch | None) -> bool:
    """Whether nobody gave this process up for dead or claimed its batch; nobody can before this transaction ends.

    A batch that is gone is not lost: its issue is over, and nothing of it is taken any more. Should the process stand
    still in the middle, PostgreSQL ends the transaction (``holders.end_when_frozen``).
    """
    row = _OURS.rows(session, {"holder": holder, "batch": None if batch is None else batch.id})[0]
    if batch is None or row[0] is None:
        return row[0] is not None
    return row[1] is None or (row[1], row[2]) == (batch.holder, batch.fence)


def _ours(dialect: str) -> Any:
    # One statement: it stands in each commit of the ledger, and PostgreSQL was waited for three times.
    me = select(col(HolderRow.holder)).where(col(HolderRow.holder) == bindparam("holder"))
    claimed = select(col(BatchRow.holder), col(BatchRow.fence)).where(
        col(BatchRow.id) == bindparam("batch", type_=Integer)
    )
    mine = me.with_for_update(read=True, key_share=True).cte("mine")
    batch = claimed.with_for_update(read=True, key_share=True).cte("claimed")
    columns: list[Any] = [select(each).scalar_subquery() for each in (mine.c.holder, batch.c.holder, batch.c.fence)]
    if dialect == "postgresql":
        columns.append(ends_when_frozen())
    return select(*columns)


_OURS = Compiled(_ours)


def something_due(session: Session, batch: Batch, now: datetime) -> bool:
    """Whether any row of the batch waits to be sent now."""
    query = select(col(DeliveryRow.id)).where(
        *rows_between(batch.first_id, batch.last_id, batch.issue_id),
        col(DeliveryRow.state).in_(RETRIABLE),
        col(DeliveryRow.due_at) <= now,
    )
    return session.execute(query.limit(1)).first() is not None


def give_back(session: Session, batch: Batch) -> Left | None:
    """End a claim and say what the batch still holds; None when it was lost or its issue is over."""
    result: Any = session.execute(
        update(BatchRow)
        .where(col(BatchRow.id) == batch.id, col(BatchRow.holder) == batch.holder, col(BatchRow.fence) == batch.fence)
        .values(holder=None)
        .execution_options(synchronize_session=False)
    )
    if not result.rowcount:
        return None
    waiting = col(DeliveryRow.state).in_(RETRIABLE)
    row = session.execute(
        select(
            func.count().filter(waiting).label("waiting"),
            func.count().filter(~waiting).label("sending"),
            func.min(col(DeliveryRow.due_at)).filter(waiting).label("due_at"),
        ).where(
            *rows_between(batch.first_id, batch.last_id, batch.issue_id),
            col(DeliveryRow.state).in_((*RETRIABLE, DeliveryState.SENDING.value)),
        )
    ).one()
    left = Left(waiting=row.waiting, sending=row.sending, due_at=row.due_at)
    if not (left.waiting or left.sending):
        session.execute(
            update(BatchRow)
            .where(col(BatchRow.id) == batch.id)
            .values(finished=True)
            .execution_options(synchronize_session=False)
        )
    return left


def reopen(session: Session, issue_id: int) -> None:
    """Open batches again that have waiting rows, after some were queued anew; cut them first if there are none."""
    slice_issue(session, issue_id)
    waiting = (
        select(col(DeliveryRow.id))
        .where(
            *rows_between(col(BatchRow.first_id), col(BatchRow.last_id), col(BatchRow.issue_id)),
            col(DeliveryRow.state).in_(RETRIABLE),
        )
        .correlate(BatchRow)
        .exists()
    )
    session.execute(
        update(BatchRow)
        .where(col(BatchRow.issue_id) == issue_id, col(BatchRow.finished).is_(True), waiting)
        .values(finished=False)
        .execution_options(synchronize_session=False)
    )


def drop_batches(session: Session, issue_ids: Iterable[int]) -> None:
    """Forget the batches of issues that are over; who holds one takes nothing more of it."""
    session.execute(
        delete(BatchRow).where(col(BatchRow.issue_id).in_(list(issue_ids))).execution_options(synchronize_session=False)
    )
