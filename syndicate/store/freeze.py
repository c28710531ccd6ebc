"""Freezing an issue: its row, editions and one delivery per candidate, cursors moved, all in the caller's transaction.

Decision 2 of the design. After this nobody selects recipients again. Reading issues and their states: ``issues.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, func, insert, literal, select, text, update
from sqlmodel import Session, col

from syndicate.core.waves import LocalTime
from syndicate.errors import LedgerError
from syndicate.model import Counts, DeliveryState, IssueState
from syndicate.store.batches import slice_issue
from syndicate.store.cohorts import Cohort, confirmed
from syndicate.store.issues import issue_counts
from syndicate.store.jobs import call_workers
from syndicate.store.tables import (
    CohortRow,
    DeliveryRow,
    EditionRow,
    IssueRow,
    SubscriberRow,
    SubscriptionRow,
    SuppressionRow,
)
from syndicate.store.waves import due_by_zone, zones_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenEdition:
    """A finished edition and the cohorts that get it, each with what it leaves over."""

    key: str
    language: str
    subject: str
    articles: Sequence[Mapping[str, Any]]
    message: bytes
    cohorts: Sequence[tuple[Cohort, tuple[int, ...]]]
    plan: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The issue waits for its approval; ``action`` (``send`` or ``lapse``) is done at its deadline, if it has one."""

    deadline_at: datetime | None = None
    action: str | None = None


def freeze(
    session: Session,
    *,
    digest: str,
    period: str,
    frequencies: Iterable[str] | None,
    subject: str,
    max_seq: int,
    editions: Sequence[FrozenEdition],
    now: datetime,
    hold: Hold | None = None,
    made_with: Mapping[str, Any] | None = None,
    local: LocalTime | None = None,
) -> int:
    """Write an issue, its editions and one delivery per candidate, and move the cursors; returns the issue's id.

    One INSERT for all deliveries, joined over the cohorts, so that a million rows take seconds; the batches come with
    them, and on PostgreSQL the jobs that call workers. The editions must be planned in this transaction: their cohorts
    say how many candidates there are. Raises LedgerError, and nothing is kept, unless candidates = queued + suppressed
    = cursors moved (Ghost calls this a frozen preparation). With ``hold`` it is a draft: nothing of it leaves before
    ``drafts.approve`` lets it run. With ``local`` its deliveries are due in waves, in whose order they stand.
    """
    session.execute(
        # A skipped issue of the same period blocks nothing: it gives way to the real one.
        IssueRow.__table__.delete().where(  # type: ignore[attr-defined]
            IssueRow.digest == digest,
            IssueRow.period == period,
            IssueRow.state == IssueState.SKIPPED.value,
            col(IssueRow.recipients) == 0,  # a draft that lapsed keeps its rows
        )
    )
    issue = IssueRow(
        digest=digest,
        period=period,
        state=IssueState.RUNNING if hold is None else IssueState.DRAFT,
        subject=subject,
        max_seq=max_seq,
        composed_at=now,
        deadline_at=None if hold is None else hold.deadline_at,
        deadline_action=None if hold is None else hold.action,
        made_with=None if made_with is None else dict(made_with),
        local_day=None if local is None else local.day.isoformat(),
    )
    session.add(issue)
    session.flush()
    issue_id = _id(issue)
    frequencies = None if frequencies is None else tuple(frequencies)
    for edition in editions:
        _add_edition(session, issue_id, edition, now)
    planned = sum(cohort.subscriptions for edition in editions for cohort, _ in edition.cohorts)
    issue.recipients = planned
    session.flush()
    _insert_deliveries(session, issue_id, digest, frequencies, now, local)
    moved = _move_cursors(session, issue_id, max_seq, confirmed(digest, frequencies))
    counts = issue_counts(session, [issue_id]).get(issue_id, Counts())
    if not planned == counts.queued + counts.suppressed == counts.total == moved:
        raise LedgerError(
            f"issue {digest} {period}: {planned} candidates but {counts.queued} queued + {counts.suppressed} "
            f"suppressed and {moved} cursors moved; nothing was composed. Please report this."
        )
    _count_recipients(session, issue_id)
    if hold is None:
        slice_issue(session, issue_id)
        call_workers(session, issue_id, in_waves=local is not None)
    return issue_id


def hold_readers(session: Session) -> None:
    """Keep subscribers and subscriptions as they are until the end of this transaction, of which this is the beginning.

    For PostgreSQL, where a freeze fails when a row that it moves or refers to changed meanwhile: with 20,000
    subscriptions and 10 changes a second no attempt succeeded. SQLite's write lock has done it already.
    """
    if session.get_bind().dialect.name == "postgresql":
        # LOCK is the one statement that takes no snapshot, so what this transaction sees is what it has locked.
        session.execute(text("LOCK TABLE subscribers, subscriptions IN SHARE ROW EXCLUSIVE MODE"))


def _add_edition(session: Session, issue_id: int, edition: FrozenEdition, now: datetime) -> None:
    row = EditionRow(
        issue_id=issue_id,
        key=edition.key,
        language=edition.language,
        subject=edition.subject,
        articles=list(edition.articles),
        message=edition.message,
        composed_at=now,
        plan=None if edition.plan is None else dict(edition.plan),
    )
    session.add(row)
    session.flush()
    session.execute(
        insert(CohortRow),
        [
            {
                "issue_id": issue_id,
                "edition_id": row.id,
                "cursor": cohort.standing.cursor,
                "first": cohort.standing.first,
                "joined_seq": cohort.standing.joined_seq,
                "topics": dict(cohort.standing.topics),
                "carry": list(cohort.standing.carry),
                "language": cohort.language,
                "left_over": list(left_over),
                "recipients": 0,
            }
            for cohort, left_over in edition.cohorts
        ],
    )


def candidates(issue_id: int, digest: str, frequencies: Iterable[str] | None, *columns: Any) -> Select[Any]:
    """Build the join of confirmed subscriptions with their cohorts of an issue. Public so that tests can EXPLAIN it."""
    cohort = and_(
        col(CohortRow.issue_id) == issue_id,
        # All columns of ix_cohorts_match: most subscriptions have some of these in common.
        col(CohortRow.cursor) == col(SubscriptionRow.cursor),
        col(CohortRow.first) == col(SubscriptionRow.first),
        col(CohortRow.joined_seq) == col(SubscriptionRow.joined_seq),
        col(CohortRow.topics) == col(SubscriptionRow.topics),
        col(CohortRow.carry) == col(SubscriptionRow.carry),
        col(CohortRow.language) == func.coalesce(col(SubscriberRow.language), ""),
    )
    return (
        select(*columns)
        .select_from(SubscriptionRow)
        .join(SubscriberRow, col(SubscriberRow.id) == col(SubscriptionRow.subscriber_id))
        .join(CohortRow, cohort)
        .where(*confirmed(digest, frequencies))
    )


def _insert_deliveries(
    session: Session,
    issue_id: int,
    digest: str,
    frequencies: Iterable[str] | None,
    now: datetime,
    local: LocalTime | None,
) -> None:
    by_address = SuppressionRow.__table__.alias("by_address")  # type: ignore[attr-defined]
    by_domain = SuppressionRow.__table__.alias("by_domain")  # type: ignore[attr-defined]
    reason = func.coalesce(by_address.c.reason, by_domain.c.reason)
    at = literal(now, DeliveryRow.__table__.c.due_at.type)  # type: ignore[attr-defined]
    due = at
    if local is not None:
        zones = zones_of(session, digest, frequencies)
        due = due_by_zone(local.due_times(zones, not_before=now), counts=zones, otherwise=now)
    values = {
        "issue_id": col(CohortRow.issue_id),
        "edition_id": col(CohortRow.edition_id),
        "cohort_id": col(CohortRow.id),
        "subscriber_id": col(SubscriptionRow.subscriber_id),
        "state": case((reason.is_not(None), DeliveryState.SUPPRESSED.value), else_=DeliveryState.QUEUED.value),
        "reason": reason,
        "attempts": literal(0),
        "due_at": due,
        "finished_at": case((reason.is_not(None), at), else_=None),
        "resolved": literal(False),
    }
    source = (
        candidates(issue_id, digest, frequencies, *values.values())
        .outerjoin(
            by_address, and_(by_address.c.scope == "address", by_address.c.value == col(SubscriberRow.email_hash))
        )
        .outerjoin(by_domain, and_(by_domain.c.scope == "domain", by_domain.c.value == col(SubscriberRow.domain)))
    )
    if local is not None:  # so that the batches are of one wave each, as far as may be
        source = source.order_by(due, col(SubscriptionRow.id))
    session.execute(insert(DeliveryRow).from_select(list(values), source, include_defaults=False))


def _move_cursors(session: Session, issue_id: int, max_seq: int, confirmed: list[Any]) -> int:
    """Move the cursor of everyone who is a candidate, suppressed or not, in the transaction of the freeze."""
    result: Any = session.execute(
        update(SubscriptionRow)
        .where(
            col(DeliveryRow.issue_id) == issue_id,
            col(DeliveryRow.subscriber_id) == col(SubscriptionRow.subscriber_id),
            col(CohortRow.id) == col(DeliveryRow.cohort_id),
            *confirmed,
        )
        .values(cursor=max_seq, first=False, joined_seq=0, carry=col(CohortRow.left_over))
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)


def _count_recipients(session: Session, issue_id: int) -> None:
    # One pass over the rows, and one statement for all cohorts: there may be thousands of them.
    rows = (
        select(col(DeliveryRow.cohort_id).label("id"), func.count().label("recipients"))
        .where(col(DeliveryRow.issue_id) == issue_id)
        .group_by(col(DeliveryRow.cohort_id))
        .subquery()
    )
    session.execute(
        update(CohortRow)
        .where(col(CohortRow.id) == rows.c.id)
        .values(recipients=rows.c.recipients)
        .execution_options(synchronize_session=False)
    )
    sums = (
        select(col(CohortRow.edition_id).label("id"), func.sum(col(CohortRow.recipients)).label("recipients"))
        .where(col(CohortRow.issue_id) == issue_id)
        .group_by(col(CohortRow.edition_id))
        .subquery()
    )
    session.execute(
        update(EditionRow)
        .where(col(EditionRow.id) == sums.c.id)
        .values(recipients=sums.c.recipients)
        .execution_options(synchronize_session=False)
    )


def _id(issue: IssueRow) -> int:
    if issue.id is None:
        raise LedgerError(f"issue {issue.digest} {issue.period} was written without an id")
    return issue.id
