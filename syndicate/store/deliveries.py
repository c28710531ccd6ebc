"""The ledger's rows: taking deliveries up, recording their outcomes. What is in doubt is settled in ``doubts.py``.

Every transition is a conditional UPDATE. A row is ``sending`` durably before its data leaves; an outcome is written
only by the process that holds the row, so one that was given up for dead and wakes up changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, or_, select, update
from sqlmodel import Session, col

from syndicate.core.outcomes import BounceClass
from syndicate.errors import UnknownNameError
from syndicate.model import DeliveryState, IssueState, Outcome, SubscriptionState
from syndicate.store.due import RETRIABLE, Span, due_rows
from syndicate.store.holders import not_alive
from syndicate.store.suppressions import suppressed_domains
from syndicate.store.tables import (
    DeliveryRow,
    EditionRow,
    IssueRow,
)

_TABLE: Any = DeliveryRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One delivery taken up: all that its message and envelope need. ``first_marked_at``: its first attempt."""

    id: int
    issue_id: int
    edition_id: int
    digest: str
    subscriber_id: int
    subscription_id: int
    email: str
    name: str
    attempts: int
    first_marked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a task: the state to record and, when deferred, the time of the next attempt."""

    task: Task
    state: DeliveryState
    outcome: Outcome
    bounce_class: BounceClass | None = None
    due_at: datetime | None = None
    resolved: bool = False


def take(
    session: Session,
    *,
    holder: str,
    now: datetime,
    limit: int,
    issues: Sequence[int] | None = None,
    span: Span | None = None,
) -> list[Task]:
    """Mark up to ``limit`` due rows of running issues (within ``span``) ``sending`` for this holder and return them.

    Suppression, unsubscription and erasure are read again here, in the transaction that marks the row: such rows end as
    ``suppressed`` or ``cancelled`` with the reason. Rows taken must be committed before their data leaves.
    """
    tasks: list[Task] = []
    for issue_id in running_issues(session, issues):
        while len(tasks) < limit:
            rows = session.execute(due_rows(issue_id, now, limit - len(tasks), span)).all()
            if span is not None and span.moved_on(rows):
                continue
            if not rows:
                break
            tasks += _mark(session, rows, holder=holder, now=now)
        if len(tasks) >= limit:
            break
    return tasks


def running_issues(session: Session, issues: Sequence[int] | None = None) -> list[int]:
    """The running issues (of these, if given), oldest first."""
    query = select(col(IssueRow.id)).where(col(IssueRow.state) == IssueState.RUNNING.value).order_by(col(IssueRow.id))
    if issues is not None:
        query = query.where(col(IssueRow.id).in_(issues))
    return [issue_id for issue_id in session.execute(query).scalars() if issue_id is not None]


def _mark(session: Session, rows: Sequence[Any], *, holder: str, now: datetime) -> list[Task]:
    domains = suppressed_domains(session, {row.domain for row in rows if row.domain is not None})
    tasks, ended = [], []
    for row in rows:
        refusal = _refusal(row, domains)
        if refusal is None:
            tasks.append(_task(row, now))
        else:
            ended.append({"b_id": row.id, "b_state": refusal[0].value, "b_reason": refusal[1]})
    if ended:
        _end_rows(session, ended, now)
    if tasks:
        session.execute(
            update(DeliveryRow)
            .where(col(DeliveryRow.id).in_([task.id for task in tasks]), col(DeliveryRow.state).in_(RETRIABLE))
            .values(
                state=DeliveryState.SENDING.value,
                holder=holder,
                marked_at=now,
                first_marked_at=func.coalesce(col(DeliveryRow.first_marked_at), now),
                attempts=col(DeliveryRow.attempts) + 1,
            )
            .execution_options(synchronize_session=False)
        )
    return tasks


def _refusal(row: Any, domains: dict[str, str]) -> tuple[DeliveryState, str] | None:
    if row.email is None:
        return DeliveryState.CANCELLED, "erased"
    if row.suppression is not None:
        return DeliveryState.SUPPRESSED, row.suppression
    if row.domain in domains:
        return DeliveryState.SUPPRESSED, domains[row.domain]
    if row.subscription_state != SubscriptionState.CONFIRMED.value:
        return DeliveryState.SUPPRESSED, "unsubscribed"
    return None


def _task(row: Any, now: datetime) -> Task:
    return Task(
        id=row.id,
        issue_id=row.issue_id,
        edition_id=row.edition_id,
        digest=row.digest,
        subscriber_id=row.subscriber_id,
        subscription_id=row.subscription_id,
        email=row.email,
        name=row.name,
        attempts=row.attempts + 1,
        first_marked_at=row.first_marked_at or now,
    )


def _end_rows(session: Session, ended: list[dict[str, Any]], now: datetime) -> None:
    session.connection().execute(
        update(_TABLE)
        # Not IN: SQLAlchemy expands its list at run time, which executemany does not allow.
        .where(_TABLE.c.id == bindparam("b_id"), or_(*(_TABLE.c.state == state for state in RETRIABLE)))
        .values(state=bindparam("b_state"), reason=bindparam("b_reason"), finished_at=now),
        ended,
    )


def record(session: Session, results: Sequence[Result], *, holder: str, now: datetime) -> int:
    """Write outcomes of rows this holder marked; returns how many rows were still its own.

    A smaller number than given means that another process took some over: this one must stop.
    """
    if not results:
        return 0
    statement = (
        update(_TABLE)
        .where(
            _TABLE.c.id == bindparam("b_id"),
            _TABLE.c.state == DeliveryState.SENDING.value,
            _TABLE.c.holder == holder,
        )
        .values(
            state=bindparam("b_state"),
            reason=bindparam("b_reason"),
            due_at=func.coalesce(bindparam("b_due", type_=_TABLE.c.due_at.type), _TABLE.c.due_at),
            finished_at=bindparam("b_finished", type_=_TABLE.c.finished_at.type),
            relay=bindparam("b_relay"),
            reply_code=bindparam("b_code"),
            # Erased while it was on the wire: the server's words often repeat the address.
            reply=case((_TABLE.c.subscriber_id.is_(None), None), else_=bindparam("b_reply")),
            resolved=bindparam("b_resolved"),
        )
    )
    values = [
        {
            "b_id": result.task.id,
            "b_state": result.state.value,
            "b_reason": result.bounce_class.value if result.bounce_class else None,
            "b_due": result.due_at,
            "b_finished": None if result.state is DeliveryState.DEFERRED else now,
            "b_relay": result.outcome.relay,
            "b_code": result.outcome.code,
            "b_reply": result.outcome.text or None,
            "b_resolved": result.resolved,
        }
        for result in results
    ]
    return int(session.connection().execute(statement, values).rowcount)


def release(session: Session, task_ids: Sequence[int], *, holder: str) -> int:
    """Put rows back whose data did not begin to leave (the relay could not be reached); the attempt does not count."""
    result = session.execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.id).in_(task_ids),
            col(DeliveryRow.state) == DeliveryState.SENDING.value,
            col(DeliveryRow.holder) == holder,
        )
        .values(
            state=DeliveryState.QUEUED.value,
            holder=None,
            marked_at=None,
            first_marked_at=case((col(DeliveryRow.attempts) <= 1, None), else_=col(DeliveryRow.first_marked_at)),
            attempts=col(DeliveryRow.attempts) - 1,
        )
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def cancel_open(session: Session, issue_id: int, now: datetime) -> int:
    """Cancel what an issue has queued or deferred; what is on the wire gets its outcome."""
    result = session.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.state).in_(RETRIABLE))
        .values(state=DeliveryState.CANCELLED.value, reason="the issue was cancelled", finished_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def mark_started(session: Session, issue_ids: Iterable[int], now: datetime) -> None:
    """Stamp the time at which an issue's first delivery was taken up."""
    session.execute(
        update(IssueRow)
        .where(col(IssueRow.id).in_(list(issue_ids)), col(IssueRow.started_at).is_(None))
        .values(started_at=now)
        .execution_options(synchronize_session=False)
    )


def edition_message(session: Session, edition_id: int) -> bytes:
    """The finished bytes of an edition, with slots. Raises UnknownNameError when they were pruned."""
    message: bytes | None = session.execute(
        select(col(EditionRow.message)).where(col(EditionRow.id) == edition_id)
    ).scalar_one_or_none()
    if message is None:
        raise UnknownNameError(f"edition {edition_id} is no longer kept (service.keep_editions)")
    return message


def oldest_due(session: Session) -> datetime | None:
    """When the row of a running issue that has waited longest was, or will be, due."""
    found = (next_due(session, issue_id) for issue_id in running_issues(session))
    return min((due_at for due_at in found if due_at is not None), default=None)


def next_due(session: Session, issue_id: int) -> datetime | None:
    """When the next of an issue's waiting rows is due; None when none waits."""
    found: list[datetime] = []
    for state in RETRIABLE:
        # One step in the index (issue, state, due_at); a minimum over all rows cost 45 ms at 200,000.
        first = session.execute(
            select(col(DeliveryRow.due_at))
            .where(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.state) == state)
            .order_by(col(DeliveryRow.due_at))
            .limit(1)
        ).scalar_one_or_none()
        if first is not None:
            found.append(first)
    return min(found, default=None)


def work_waiting(session: Session, now: datetime) -> bool:
    """Whether a pass of delivering has anything to do.

    That is: a row is due; a row is held by a process that lives no more; or a running issue has nothing left to wait
    for and is to be finished (all its rows suppressed, or its process killed before it could).
    """
    due_at = oldest_due(session)
    if due_at is not None and due_at <= now:
        return True
    orphaned = select(col(DeliveryRow.id)).where(
        col(DeliveryRow.state) == DeliveryState.SENDING.value,
        not_alive(session, col(DeliveryRow.holder), me=None, alone=False, now=now),
    )
    if session.execute(orphaned.limit(1)).first() is not None:
        return True
    return any(not _has_open_rows(session, issue_id) for issue_id in running_issues(session))


def _has_open_rows(session: Session, issue_id: int) -> bool:
    states = (*RETRIABLE, DeliveryState.SENDING.value)
    query = select(col(DeliveryRow.id)).where(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.state).in_(states))
    return session.execute(query.limit(1)).first() is not None
