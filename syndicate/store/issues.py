"""Issues as the ledger shows them: reading them with their sums, and moving them from state to state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, or_, select, update
from sqlmodel import Session, col

from syndicate.core.reasons import Reason, grouped
from syndicate.errors import LedgerError, TransitionError, UnknownNameError
from syndicate.model import Counts, DeliveryState, Issue, IssueState, WebhookEvent
from syndicate.store.batches import drop_batches
from syndicate.store.outbox import emit
from syndicate.store.parting import free_stranded
from syndicate.store.tables import (
    DeliveryRow,
    EditionRow,
    IssueRow,
)

OPEN_STATES = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED)
_UNBALANCED = "the ledger does not balance"
#: What counts the deliveries of issues by state: ``issue_counts``, or who remembers what it said.
Counting = Callable[[Session, Sequence[int]], Mapping[int, Counts]]
LIVE_STATES = (IssueState.DRAFT, IssueState.SCHEDULED, IssueState.RUNNING, IssueState.PAUSED)


def find_period(session: Session, digest: str, period: str) -> Issue | None:
    """The issue of a period, if it was composed or skipped."""
    row = session.execute(_issue_query().where(IssueRow.digest == digest, IssueRow.period == period)).one_or_none()
    return _with_counts(session, [row])[0] if row else None


def period_exists(session: Session, digest: str, period: str) -> bool:
    """Whether a period was composed or skipped; costs no look at its deliveries."""
    query = select(col(IssueRow.id)).where(col(IssueRow.digest) == digest, col(IssueRow.period) == period)
    return session.execute(query).first() is not None


def last_subject(session: Session, digest: str) -> str | None:
    """The subject of the digest's newest issue that was composed; None before the first."""
    query = (
        select(col(IssueRow.subject))
        .where(col(IssueRow.digest) == digest, col(IssueRow.state).not_in([IssueState.SKIPPED, IssueState.CANCELLED]))
        .order_by(col(IssueRow.id).desc())
        .limit(1)
    )
    return session.execute(query).scalar_one_or_none()


def skip(session: Session, *, digest: str, period: str, reason: str, now: datetime) -> int:
    """Store a run that made no issue, with its reason; an existing row of that period stays. Returns its id."""
    existing = session.execute(
        select(IssueRow.id).where(IssueRow.digest == digest, IssueRow.period == period)  # type: ignore[call-overload]
    ).scalar_one_or_none()
    if existing is not None:
        return int(existing)
    issue = IssueRow(
        digest=digest, period=period, state=IssueState.SKIPPED, reason=reason, composed_at=now, finished_at=now
    )
    session.add(issue)
    session.flush()
    return _id(issue)


def list_issues(
    session: Session,
    *,
    digest: str | None = None,
    states: Iterable[IssueState] | None = None,
    limit: int = 100,
    before: int | None = None,
    counting: Counting | None = None,
) -> list[Issue]:
    """Issues, newest first; ``before`` is the id that the page before ended with."""
    query = _issue_query().order_by(col(IssueRow.id).desc()).limit(limit)
    if digest is not None:
        query = query.where(col(IssueRow.digest) == digest)
    if before is not None:
        query = query.where(col(IssueRow.id) < before)
    if states is not None:
        query = query.where(col(IssueRow.state).in_([state.value for state in states]))
    return _with_counts(session, session.execute(query).all(), counting)


def get_issue(session: Session, issue_id: int, counting: Counting | None = None) -> Issue:
    """One issue with its sums. Raises UnknownNameError."""
    row = session.execute(_issue_query().where(col(IssueRow.id) == issue_id)).one_or_none()
    if row is None:
        raise UnknownNameError(f"there is no issue {issue_id}; `syndicate issues list` names those there are")
    return _with_counts(session, [row], counting)[0]


def issue_counts(session: Session, issue_ids: Sequence[int]) -> dict[int, Counts]:
    """The deliveries of issues by state, from the rows themselves."""
    query = (
        select(DeliveryRow.issue_id, DeliveryRow.state, func.count())  # type: ignore[call-overload]
        .where(col(DeliveryRow.issue_id).in_(issue_ids))
        .group_by(DeliveryRow.issue_id, DeliveryRow.state)
    )
    found: dict[int, dict[str, int]] = {}
    for issue_id, state, count in session.execute(query):
        found.setdefault(issue_id, {})[state] = count
    return {issue_id: Counts(**counts) for issue_id, counts in found.items()}


def issue_reasons(session: Session, issue_id: int) -> list[Reason]:
    """Why deliveries of an issue were not accepted, or not yet: like reasons together (``core/reasons.py``)."""
    why = (col(DeliveryRow.state), col(DeliveryRow.reason), col(DeliveryRow.reply_code), col(DeliveryRow.reply))
    rows = session.execute(
        select(*why, func.count())
        .where(
            col(DeliveryRow.issue_id) == issue_id,
            col(DeliveryRow.state).not_in((DeliveryState.ACCEPTED.value, DeliveryState.SENDING.value)),
            or_(*(column.is_not(None) for column in why[1:])),
        )
        .group_by(*why)
    )
    return grouped(
        Reason(state=state, reason=reason, code=code, reply=reply, count=count)
        for state, reason, code, reply, count in rows
    )


def _issue_query() -> Any:
    editions = (
        select(func.count()).where(col(EditionRow.issue_id) == col(IssueRow.id)).correlate(IssueRow).scalar_subquery()
    )
    return select(IssueRow, editions)


def _with_counts(session: Session, rows: Sequence[Row[IssueRow, int]], counting: Counting | None = None) -> list[Issue]:
    counts = (counting or issue_counts)(session, [_id(row) for row, _ in rows])
    return [_issue(row, editions, counts.get(_id(row))) for row, editions in rows]


def _issue(row: IssueRow, editions: int, counts: Counts | None) -> Issue:
    return Issue(
        id=_id(row),
        digest=row.digest,
        period=row.period,
        state=IssueState(row.state),
        reason=row.reason,
        subject=row.subject,
        composed_at=row.composed_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        editions=editions,
        recipients=row.recipients,
        # Once kept, the sums go before the rows: pruning takes those away chunk by chunk (upkeep.py).
        counts=Counts(**row.final_counts) if row.final_counts else (counts or Counts()),
        deadline_at=row.deadline_at,
        deadline_action=row.deadline_action,
    )


def change_state(
    session: Session, issue_id: int, *, expected: Sequence[IssueState], to: IssueState, now: datetime
) -> None:
    """Move an issue from one of the expected states. Raises TransitionError naming the state it is in."""
    ended = to in {IssueState.FINISHED, IssueState.CANCELLED}
    values: dict[str, Any] = {"state": to.value, "finished_at": now if ended else None}
    if to is IssueState.RUNNING:
        values["reason"] = None  # why it was paused does not hold any more
    result = session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == issue_id, col(IssueRow.state).in_([state.value for state in expected]))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        issue = get_issue(session, issue_id)
        allowed = " or ".join(state.value for state in expected)
        raise TransitionError(f"issue {issue_id} is {issue.state}; only one that is {allowed} can become {to}")


def _told(issue: Issue) -> dict[str, Any]:
    """What webhooks hear of an issue."""
    return {
        "issue": issue.id,
        "digest": issue.digest,
        "period": issue.period,
        "recipients": issue.recipients,
        "counts": issue.counts.as_dict(),
    }


def pause_running(session: Session) -> list[int]:
    """Pause every running issue; after a restore nobody knows what left since the backup. Returns their ids."""
    result = session.execute(
        update(IssueRow)
        .where(col(IssueRow.state) == IssueState.RUNNING.value)
        .values(state=IssueState.PAUSED.value)
        .returning(col(IssueRow.id))
        .execution_options(synchronize_session=False)
    )
    return sorted(int(issue_id) for issue_id in result.scalars() if issue_id is not None)


def finish_issues(session: Session, now: datetime) -> list[int]:
    """Finish running issues that have nothing queued, sending or deferred. Rows in doubt do not keep an issue open.

    What was on the wire when its issue was cancelled, and then deferred, is cancelled here. One that does not balance
    is paused instead, with that as its reason: see ``unbalanced``.
    """
    cancelled = select(col(IssueRow.id)).where(col(IssueRow.state) == IssueState.CANCELLED.value)
    session.execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.issue_id).in_(cancelled),
            col(DeliveryRow.state).in_((DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)),
        )
        .values(state=DeliveryState.CANCELLED.value, reason="the issue was cancelled", finished_at=now)
        .execution_options(synchronize_session=False)
    )
    free_stranded(session, now)
    # Locked first, looked at second: a resend that is being decided for one of them is seen, or waits (doubts.resolve).
    running = session.execute(
        select(col(IssueRow.id))
        .where(col(IssueRow.state) == IssueState.RUNNING.value)
        .order_by(col(IssueRow.id))
        .with_for_update()
    ).scalars()
    open_rows = (
        select(DeliveryRow.id)  # type: ignore[call-overload]
        .where(
            col(DeliveryRow.issue_id) == col(IssueRow.id),
            or_(*(col(DeliveryRow.state) == state.value for state in OPEN_STATES)),
        )
        .correlate(IssueRow)
        .exists()
    )
    over = session.execute(select(col(IssueRow.id)).where(col(IssueRow.id).in_(list(running)), ~open_rows)).scalars()
    finished = []
    for issue_id in [number for number in over if number is not None]:
        issue = get_issue(session, issue_id)
        reason = None if issue.balanced else _imbalance(issue)
        state = IssueState.FINISHED if reason is None else IssueState.PAUSED
        session.execute(
            update(IssueRow)
            .where(col(IssueRow.id) == issue_id, col(IssueRow.state) == IssueState.RUNNING.value)
            .values(state=state.value, reason=reason, finished_at=now if reason is None else None)
            .execution_options(synchronize_session=False)
        )
        if reason is None:
            finished.append(issue_id)
            emit(session, WebhookEvent.ISSUE_FINISHED, _told(issue), now)
    if finished:
        drop_batches(session, finished)
    return finished


def _imbalance(issue: Issue) -> str:
    return (
        f"{_UNBALANCED}: it was frozen with {issue.recipients} recipients and its rows add up to {issue.counts.total}. "
        "It is paused and its rows are kept as evidence: make a copy (`syndicate backup`) and report it; "
        f"`syndicate issues cancel {issue.id}` ends it"
    )


def unbalanced(session: Session) -> dict[int, str]:
    """The issues that could not be finished because their rows do not add up, with what is to be done."""
    query = select(col(IssueRow.id), col(IssueRow.reason)).where(
        col(IssueRow.state) == IssueState.PAUSED.value, col(IssueRow.reason).startswith(_UNBALANCED, autoescape=True)
    )
    return {issue_id: f"issue {issue_id}: {reason}" for issue_id, reason in session.execute(query)}


def _id(row: IssueRow) -> int:
    if row.id is None:
        raise LedgerError(f"issue {row.digest} {row.period} was written without an id")
    return row.id
