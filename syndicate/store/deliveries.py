"""The ledger's rows: taking deliveries up, recording their outcomes, and what a dead process left behind.

Every transition is a conditional UPDATE. A row is ``sending`` durably before its data leaves; an outcome is written
only by the process that holds the row, so one that was given up for dead and wakes up changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, bindparam, func, or_, select, update
from sqlmodel import Session, col

from syndicate.core.outcomes import BounceClass
from syndicate.errors import UnknownNameError
from syndicate.model import DeliveryState, IssueState, Outcome, SubscriptionState
from syndicate.store.suppressions import suppressed_domains
from syndicate.store.tables import (
    DeliveryRow,
    EditionRow,
    IssueRow,
    SubscriberRow,
    SubscriptionRow,
    SuppressionRow,
)

_TABLE: Any = DeliveryRow.__table__  # type: ignore[attr-defined]
_RETRIABLE = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One delivery taken up: all that its message and envelope need. ``queued_at`` is when the issue was composed."""

    id: int
    issue_id: int
    edition_id: int
    digest: str
    subscriber_id: int
    subscription_id: int
    email: str
    name: str
    attempts: int
    queued_at: datetime


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
    session: Session, *, holder: str, now: datetime, limit: int, issues: Sequence[int] | None = None
) -> list[Task]:
    """Mark up to ``limit`` due rows of running issues ``sending`` for this holder and return them.

    Suppression, unsubscription and erasure are read again here, in the transaction that marks the row: such rows end as
    ``suppressed`` or ``cancelled`` with the reason. Rows taken must be committed before their data leaves.
    """
    tasks: list[Task] = []
    for issue_id in _runnable(session, issues):
        while len(tasks) < limit:
            rows = session.execute(_due(issue_id, now, limit - len(tasks))).all()
            if not rows:
                break
            tasks += _mark(session, rows, holder=holder, now=now)
        if len(tasks) >= limit:
            break
    return tasks


def _runnable(session: Session, issues: Sequence[int] | None) -> list[int]:
    query = select(col(IssueRow.id)).where(col(IssueRow.state) == IssueState.RUNNING.value).order_by(col(IssueRow.id))
    if issues is not None:
        query = query.where(col(IssueRow.id).in_(issues))
    return [issue_id for issue_id in session.execute(query).scalars() if issue_id is not None]


def _due(issue_id: int, now: datetime, limit: int) -> Select[Any]:
    # Two index ranges (issue, state, due_at) rather than one sort over both; SKIP LOCKED lets several processes of
    # PostgreSQL take different rows without waiting for each other (SQLite has one writer and ignores it).
    columns: list[Any] = [
        col(DeliveryRow.id),
        col(DeliveryRow.issue_id),
        col(DeliveryRow.edition_id),
        col(IssueRow.digest),
        col(IssueRow.composed_at),
        col(DeliveryRow.subscriber_id),
        col(DeliveryRow.attempts),
        col(SubscriberRow.email),
        col(SubscriberRow.name),
        col(SubscriberRow.domain),
        col(SubscriptionRow.id).label("subscription_id"),
        col(SubscriptionRow.state).label("subscription_state"),
        col(SuppressionRow.reason).label("suppression"),
    ]
    return (
        select(*columns)
        .join(IssueRow, col(IssueRow.id) == col(DeliveryRow.issue_id))
        .outerjoin(SubscriberRow, col(SubscriberRow.id) == col(DeliveryRow.subscriber_id))
        .outerjoin(
            SubscriptionRow,
            (col(SubscriptionRow.subscriber_id) == col(DeliveryRow.subscriber_id))
            & (col(SubscriptionRow.digest) == col(IssueRow.digest)),
        )
        .outerjoin(
            SuppressionRow,
            (col(SuppressionRow.scope) == "address") & (col(SuppressionRow.value) == col(SubscriberRow.email_hash)),
        )
        .where(
            col(DeliveryRow.issue_id) == issue_id,
            col(DeliveryRow.state).in_(_RETRIABLE),
            col(DeliveryRow.due_at) <= now,
        )
        .limit(limit)
        .with_for_update(skip_locked=True, of=DeliveryRow)
    )


def _mark(session: Session, rows: Sequence[Any], *, holder: str, now: datetime) -> list[Task]:
    domains = suppressed_domains(session, {row.domain for row in rows if row.domain is not None})
    tasks, ended = [], []
    for row in rows:
        refusal = _refusal(row, domains)
        if refusal is None:
            tasks.append(_task(row))
        else:
            ended.append({"b_id": row.id, "b_state": refusal[0].value, "b_reason": refusal[1]})
    if ended:
        _end_rows(session, ended, now)
    if tasks:
        session.execute(
            update(DeliveryRow)
            .where(col(DeliveryRow.id).in_([task.id for task in tasks]), col(DeliveryRow.state).in_(_RETRIABLE))
            .values(
                state=DeliveryState.SENDING.value, holder=holder, marked_at=now, attempts=col(DeliveryRow.attempts) + 1
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


def _task(row: Any) -> Task:
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
        queued_at=row.composed_at,
    )


def _end_rows(session: Session, ended: list[dict[str, Any]], now: datetime) -> None:
    session.connection().execute(
        update(_TABLE)
        # Not IN: SQLAlchemy expands its list at run time, which executemany does not allow.
        .where(_TABLE.c.id == bindparam("b_id"), or_(*(_TABLE.c.state == state for state in _RETRIABLE)))
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
            reply=bindparam("b_reply"),
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
        .values(state=DeliveryState.QUEUED.value, holder=None, marked_at=None, attempts=col(DeliveryRow.attempts) - 1)
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def take_over(
    session: Session, *, dead: Iterable[str] | None, alive: str, policy: Literal["ask", "resend", "skip"], now: datetime
) -> int:
    """Settle what dead processes had marked: their data may have left, so the rows are in doubt.

    ``dead`` names their holders; None means all but ``alive``. ``resend`` queues the rows again (same Message-ID),
    ``skip`` leaves them in doubt and resolved, ``ask`` leaves them for the operator. Returns the number of rows.
    """
    if policy == "resend":
        values: dict[str, Any] = {"state": DeliveryState.QUEUED.value, "reason": "resent: in doubt", "due_at": now}
    else:
        values = {
            "state": DeliveryState.IN_DOUBT.value,
            "reason": "the sending process died",
            "resolved": policy == "skip",
            "finished_at": now,
        }
    statement = update(DeliveryRow).where(col(DeliveryRow.state) == DeliveryState.SENDING.value).values(**values)
    if dead is None:
        statement = statement.where(or_(col(DeliveryRow.holder) != alive, col(DeliveryRow.holder).is_(None)))
    else:
        statement = statement.where(col(DeliveryRow.holder).in_(list(dead)))
    result = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]


def resolve(session: Session, issue_id: int, *, how: Literal["resend", "skip"], now: datetime) -> int:
    """Decide an issue's unresolved rows in doubt; with ``resend`` a finished issue runs again. Returns the number."""
    values: dict[str, Any] = {"resolved": True}
    if how == "resend":
        values = {"state": DeliveryState.QUEUED.value, "reason": "resent: in doubt", "due_at": now, "finished_at": None}
    result = session.execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.issue_id) == issue_id,
            col(DeliveryRow.state) == DeliveryState.IN_DOUBT.value,
            col(DeliveryRow.resolved).is_(False),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    count = int(result.rowcount)  # type: ignore[attr-defined]
    if how == "resend" and count:
        reopen(session, issue_id)
    return count


def reopen(session: Session, issue_id: int) -> None:
    """Let a finished issue run again."""
    session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == issue_id, col(IssueRow.state) == IssueState.FINISHED.value)
        .values(state=IssueState.RUNNING.value, finished_at=None)
        .execution_options(synchronize_session=False)
    )


def cancel_open(session: Session, issue_id: int, now: datetime) -> int:
    """Cancel what an issue has queued or deferred; what is on the wire gets its outcome."""
    result = session.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.state).in_(_RETRIABLE))
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


def next_due(session: Session) -> datetime | None:
    """When the earliest queued or deferred row of a running issue is due."""
    due: datetime | None = session.execute(
        select(func.min(col(DeliveryRow.due_at)))
        .join(IssueRow, col(IssueRow.id) == col(DeliveryRow.issue_id))
        .where(col(IssueRow.state) == IssueState.RUNNING.value, col(DeliveryRow.state).in_(_RETRIABLE))
    ).scalar_one()
    return due
