"""Freezing an issue: its row, editions and one delivery per candidate, cursors moved, all in the caller's transaction.

Decision 2 of the design. After this nobody selects recipients again. Reading issues and their states: ``issues.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, insert, literal, select, update
from sqlmodel import Session, col

from syndicate.core.selection import Standing
from syndicate.errors import LedgerError
from syndicate.model import Counts, DeliveryState, IssueState, SubscriptionState
from syndicate.store.issues import issue_counts
from syndicate.store.tables import (
    CohortRow,
    DeliveryRow,
    EditionRow,
    IssueRow,
    SubscriberRow,
    SubscriptionRow,
    SuppressionRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Subscriptions of one digest that stand alike and read the same language ("" = none chosen)."""

    standing: Standing
    language: str
    subscriptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenEdition:
    """A finished edition and the cohorts that get it, each with what it leaves over."""

    key: str
    language: str
    subject: str
    articles: Sequence[Mapping[str, Any]]
    message: bytes
    cohorts: Sequence[tuple[Cohort, tuple[int, ...]]]


def cohorts(session: Session, digest: str, frequencies: Iterable[str] | None) -> list[Cohort]:
    """The confirmed subscriptions of a digest (of these frequencies, None = all), grouped by where they stand."""
    keys = (
        col(SubscriptionRow.cursor),
        col(SubscriptionRow.first),
        col(SubscriptionRow.topics),
        col(SubscriptionRow.carry),
        func.coalesce(col(SubscriberRow.language), "").label("language"),
    )
    query = (
        select(*keys, func.count())
        .join(SubscriberRow, col(SubscriberRow.id) == col(SubscriptionRow.subscriber_id))
        .where(*_confirmed(digest, frequencies))
        .group_by(*keys)
    )
    return [
        Cohort(
            standing=Standing(cursor=cursor, first=first, topics=topics, carry=tuple(carry)),
            language=language,
            subscriptions=count,
        )
        for cursor, first, topics, carry, language, count in session.execute(query)
    ]


def _confirmed(digest: str, frequencies: Iterable[str] | None) -> list[Any]:
    conditions: list[Any] = [
        col(SubscriptionRow.digest) == digest,
        col(SubscriptionRow.state) == SubscriptionState.CONFIRMED.value,
    ]
    if frequencies is not None:
        conditions.append(col(SubscriptionRow.frequency).in_([str(frequency) for frequency in frequencies]))
    return conditions


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
) -> int:
    """Write an issue, its editions and one delivery per candidate, and move the cursors; returns the issue's id.

    One INSERT for all deliveries, joined over the cohorts, so that a million rows take seconds. Raises LedgerError, and
    nothing is kept, when candidates = queued + suppressed does not hold (Ghost calls this a frozen preparation).
    """
    session.execute(
        # A skipped issue of the same period blocks nothing: it gives way to the real one.
        IssueRow.__table__.delete().where(  # type: ignore[attr-defined]
            IssueRow.digest == digest, IssueRow.period == period, IssueRow.state == IssueState.SKIPPED.value
        )
    )
    issue = IssueRow(
        digest=digest, period=period, state=IssueState.RUNNING, subject=subject, max_seq=max_seq, composed_at=now
    )
    session.add(issue)
    session.flush()
    issue_id = _id(issue)
    frequencies = None if frequencies is None else tuple(frequencies)
    for edition in editions:
        _add_edition(session, issue_id, edition, now)
    joined = _cohort_join(issue_id)
    candidates = session.execute(
        select(func.count())
        .select_from(SubscriptionRow)
        .join(SubscriberRow, joined[0])
        .join(CohortRow, joined[1])
        .where(*_confirmed(digest, frequencies))
    ).scalar_one()
    _insert_deliveries(session, joined, _confirmed(digest, frequencies), now)
    _move_cursors(session, issue_id, max_seq, _confirmed(digest, frequencies))
    issue.recipients = candidates
    session.flush()
    counts = issue_counts(session, [issue_id]).get(issue_id, Counts())
    if not candidates == counts.queued + counts.suppressed == counts.total:
        raise LedgerError(
            f"issue {digest} {period}: {candidates} candidates but {counts.queued} queued + {counts.suppressed} "
            "suppressed; nothing was composed. Please report this."
        )
    _count_recipients(session, issue_id)
    return issue_id


def _add_edition(session: Session, issue_id: int, edition: FrozenEdition, now: datetime) -> None:
    row = EditionRow(
        issue_id=issue_id,
        key=edition.key,
        language=edition.language,
        subject=edition.subject,
        articles=list(edition.articles),
        message=edition.message,
        composed_at=now,
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
                "topics": dict(cohort.standing.topics),
                "carry": list(cohort.standing.carry),
                "language": cohort.language,
                "left_over": list(left_over),
                "recipients": 0,
            }
            for cohort, left_over in edition.cohorts
        ],
    )


def _cohort_join(issue_id: int) -> tuple[Any, Any]:
    person = col(SubscriberRow.id) == col(SubscriptionRow.subscriber_id)
    cohort = and_(
        col(CohortRow.issue_id) == issue_id,
        col(CohortRow.cursor) == col(SubscriptionRow.cursor),
        col(CohortRow.first) == col(SubscriptionRow.first),
        col(CohortRow.topics) == col(SubscriptionRow.topics),
        col(CohortRow.carry) == col(SubscriptionRow.carry),
        col(CohortRow.language) == func.coalesce(col(SubscriberRow.language), ""),
    )
    return person, cohort


def _insert_deliveries(session: Session, joined: tuple[Any, Any], confirmed: list[Any], now: datetime) -> None:
    by_address = SuppressionRow.__table__.alias("by_address")  # type: ignore[attr-defined]
    by_domain = SuppressionRow.__table__.alias("by_domain")  # type: ignore[attr-defined]
    reason = func.coalesce(by_address.c.reason, by_domain.c.reason)
    state = case((reason.is_not(None), DeliveryState.SUPPRESSED.value), else_=DeliveryState.QUEUED.value)
    due = literal(now, DeliveryRow.__table__.c.due_at.type)  # type: ignore[attr-defined]
    finished = case((reason.is_not(None), due), else_=None)
    source = (
        select(
            col(CohortRow.issue_id),
            col(CohortRow.edition_id),
            col(CohortRow.id),
            col(SubscriptionRow.subscriber_id),
            state,
            reason,
            literal(0),
            due,
            finished,
            literal(False),
        )
        .select_from(SubscriptionRow)
        .join(SubscriberRow, joined[0])
        .join(CohortRow, joined[1])
        .outerjoin(
            by_address, and_(by_address.c.scope == "address", by_address.c.value == col(SubscriberRow.email_hash))
        )
        .outerjoin(by_domain, and_(by_domain.c.scope == "domain", by_domain.c.value == col(SubscriberRow.domain)))
        .where(*confirmed)
    )
    columns = [
        "issue_id", "edition_id", "cohort_id", "subscriber_id", "state", "reason", "attempts", "due_at", "finished_at",
        "resolved",
    ]  # fmt: skip
    session.execute(insert(DeliveryRow).from_select(columns, source, include_defaults=False))


def _move_cursors(session: Session, issue_id: int, max_seq: int, confirmed: list[Any]) -> None:
    """Move the cursor of everyone who is a candidate, suppressed or not, in the transaction of the freeze."""
    session.execute(
        update(SubscriptionRow)
        .where(
            col(DeliveryRow.issue_id) == issue_id,
            col(DeliveryRow.subscriber_id) == col(SubscriptionRow.subscriber_id),
            col(CohortRow.id) == col(DeliveryRow.cohort_id),
            *confirmed,
        )
        .values(cursor=max_seq, first=False, carry=col(CohortRow.left_over))
        .execution_options(synchronize_session=False)
    )


def _count_recipients(session: Session, issue_id: int) -> None:
    # One pass over the rows; a count for each edition would be a pass for each.
    counted = session.execute(
        select(col(DeliveryRow.edition_id), col(DeliveryRow.cohort_id), func.count())
        .where(col(DeliveryRow.issue_id) == issue_id)
        .group_by(col(DeliveryRow.edition_id), col(DeliveryRow.cohort_id))
    ).all()
    editions: Counter[int | None] = Counter()
    for edition_id, cohort_id, count in counted:
        editions[edition_id] += count
        session.execute(update(CohortRow).where(col(CohortRow.id) == cohort_id).values(recipients=count))
    for edition_id, count in editions.items():
        session.execute(update(EditionRow).where(col(EditionRow.id) == edition_id).values(recipients=count))


def _id(issue: IssueRow) -> int:
    if issue.id is None:
        raise LedgerError(f"issue {issue.digest} {issue.period} was written without an id")
    return issue.id
