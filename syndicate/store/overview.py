"""What ``status`` reads: sources, feeds, schedules, and what waits for a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from syndicate.config.sections import Digest
from syndicate.model import DeliveryState, SubscriptionState
from syndicate.store.tables import (
    ArticleRow,
    DeliveryRow,
    FeedRow,
    ScheduleRow,
    SourceItemRow,
    SourceRow,
    SubscriptionRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One source as its last poll left it. ``problems`` counts files or rows that cannot be taken."""

    source: str
    articles: int
    problems: int
    polled_at: datetime | None
    ok_at: datetime | None
    broken_since: datetime | None
    error: str | None
    next_poll_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """One feed as its last build left it."""

    feed: str
    entries: int
    built_at: datetime
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unserved:
    """Confirmed subscriptions that no issue is for at present. ``frequency`` is None when the digest itself is gone.

    They stay as they are: cursor, topics and what is owed wait until the digest or frequency is offered again.
    """

    digest: str
    frequency: str | None
    subscriptions: int

    def __str__(self) -> str:
        readers = f"{self.subscriptions} reader{'s' if self.subscriptions != 1 else ''} of digest {self.digest}"
        why = (
            "the digest is no longer configured" if self.frequency is None else f"no longer offered {self.frequency!r}"
        )
        return f"{readers} get nothing: {why}; they keep their place and get what is new since, once it is again"


def source_statuses(session: Session) -> list[SourceStatus]:
    """All sources that were ever polled."""
    articles = dict(
        session.execute(
            select(col(ArticleRow.source), func.count())
            .where(col(ArticleRow.withdrawn_at).is_(None))
            .group_by(col(ArticleRow.source))
        ).all()
    )
    problems = dict(
        session.execute(
            select(col(SourceItemRow.source), func.count())
            .where(col(SourceItemRow.error).is_not(None))
            .group_by(col(SourceItemRow.source))
        ).all()
    )
    return [
        SourceStatus(
            source=row.name,
            articles=articles.get(row.name, 0),
            problems=problems.get(row.name, 0),
            polled_at=row.polled_at,
            ok_at=row.ok_at,
            broken_since=row.broken_since,
            error=row.error,
            next_poll_at=row.next_poll_at,
        )
        for row in session.execute(select(SourceRow).order_by(col(SourceRow.name))).scalars()
    ]


def feed_statuses(session: Session) -> list[FeedStatus]:
    """All feeds that were ever built."""
    rows = session.execute(select(FeedRow).order_by(col(FeedRow.name))).scalars()
    return [FeedStatus(feed=row.name, entries=row.entries, built_at=row.built_at, error=row.error) for row in rows]


def due_times(session: Session) -> dict[str, datetime]:
    """When each schedule is due next, by its name."""
    rows = session.execute(select(col(ScheduleRow.name), col(ScheduleRow.due_at)).order_by(col(ScheduleRow.due_at)))
    return {name: due_at for name, due_at in rows}  # noqa: C416 - rows are not pairs to mypy


def subscription_counts(session: Session) -> dict[str, dict[str, int]]:
    """Subscriptions by digest and state."""
    found: dict[str, dict[str, int]] = {}
    rows = session.execute(
        select(col(SubscriptionRow.digest), col(SubscriptionRow.state), func.count()).group_by(
            col(SubscriptionRow.digest), col(SubscriptionRow.state)
        )
    )
    for digest, state, count in rows:
        found.setdefault(digest, {str(each): 0 for each in SubscriptionState})[state] = count
    return found


def unserved(session: Session, digests: Mapping[str, Digest]) -> list[Unserved]:
    """Confirmed subscriptions to digests, or with frequencies, that are not configured; by digest and frequency.

    A digest with a ``schedule`` goes to all its readers, whatever frequency they chose.
    """
    rows = session.execute(
        select(col(SubscriptionRow.digest), col(SubscriptionRow.frequency), func.count())
        .where(col(SubscriptionRow.state) == SubscriptionState.CONFIRMED.value)
        .group_by(col(SubscriptionRow.digest), col(SubscriptionRow.frequency))
    )
    found: dict[tuple[str, str | None], int] = {}
    for name, frequency, count in rows:
        digest = digests.get(name)
        if digest is not None and (digest.schedule is not None or frequency in digest.frequencies):
            continue
        key = (name, None if digest is None else frequency)
        found[key] = found.get(key, 0) + count
    return [
        Unserved(digest=name, frequency=frequency, subscriptions=count)
        for (name, frequency), count in sorted(found.items(), key=lambda each: (each[0][0], each[0][1] or ""))
    ]


def undecided(session: Session) -> dict[int, int]:
    """Unresolved deliveries in doubt, by issue."""
    rows = session.execute(
        select(col(DeliveryRow.issue_id), func.count())
        .where(col(DeliveryRow.state) == DeliveryState.IN_DOUBT.value, col(DeliveryRow.resolved).is_(False))
        .group_by(col(DeliveryRow.issue_id))
    )
    return {issue_id: count for issue_id, count in rows}  # noqa: C416 - rows are not pairs to mypy


def ended_since(session: Session, issue_id: int, since: datetime) -> dict[str, int]:
    """How many deliveries of an issue were accepted, refused or in doubt since a time, by state."""
    ends = (DeliveryState.ACCEPTED.value, DeliveryState.REJECTED.value, DeliveryState.IN_DOUBT.value)
    rows = session.execute(
        select(col(DeliveryRow.state), func.count())
        .where(
            col(DeliveryRow.issue_id) == issue_id,
            col(DeliveryRow.state).in_(ends),
            col(DeliveryRow.finished_at) >= since,
        )
        .group_by(col(DeliveryRow.state))
    )
    return {state: count for state, count in rows}  # noqa: C416 - rows are not pairs to mypy
