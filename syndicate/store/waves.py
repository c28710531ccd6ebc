"""Deliveries that are due at their readers' local times: the zones there are, and the waves that an issue still has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, literal, select
from sqlmodel import Session, col

from syndicate.core.waves import by_time
from syndicate.model import DeliveryState, SubscriptionState
from syndicate.store.due import FOLLOWS
from syndicate.store.tables import DeliveryRow, IssueRow, SubscriberRow, SubscriptionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Deliveries of one issue that are due together."""

    due_at: datetime
    recipients: int


def zones_of(session: Session, digest: str, frequencies: Iterable[str] | None) -> dict[str, int]:
    """How many confirmed subscriptions of a digest (of these frequencies, None = all) there are in each zone.

    "" stands for those whose readers have none. Reads all of them: 0.4 s for 300,000.
    """
    zone = func.coalesce(col(SubscriberRow.timezone), "")
    query = (
        select(zone, func.count())
        .select_from(SubscriptionRow)
        .join(SubscriberRow, col(SubscriberRow.id) == col(SubscriptionRow.subscriber_id))
        .where(col(SubscriptionRow.digest) == digest, col(SubscriptionRow.state) == SubscriptionState.CONFIRMED.value)
        .group_by(zone)
    )
    if frequencies is not None:
        query = query.where(col(SubscriptionRow.frequency).in_([str(each) for each in frequencies]))
    return {row[0]: row[1] for row in session.execute(query)}


def due_by_zone(times: Mapping[str, datetime], *, counts: Mapping[str, int], otherwise: datetime) -> Any:
    """What ``due_at`` is for a joined subscriber, as an expression; what most readers have is asked first."""
    column: Any = DeliveryRow.__table__.c.due_at.type  # type: ignore[attr-defined]
    groups = sorted(by_time(times).items(), key=lambda each: -sum(counts.get(name, 0) for name in each[1]))
    zone = func.coalesce(col(SubscriberRow.timezone), "")
    whens = [(zone.in_(names), literal(at, column)) for at, names in groups]
    return case(*whens, else_=literal(otherwise, column)) if whens else literal(otherwise, column)


def later_waves(session: Session, issue_id: int, now: datetime) -> int:
    """How many deliveries of an issue wait for their wave; 0 at once for an issue without waves."""
    if session.execute(select(col(IssueRow.local_day)).where(col(IssueRow.id) == issue_id)).scalar_one() is None:
        return 0
    return sum(wave.recipients for wave in waves_to_come(session, issue_id, now))


def waves_to_come(session: Session, issue_id: int, now: datetime) -> list[Wave]:
    """The waves of an issue that are not due yet, in their order, by deliveries that were not tried."""
    query = (
        select(col(DeliveryRow.due_at), func.count())
        .where(
            col(DeliveryRow.issue_id) == issue_id,
            col(DeliveryRow.state) == DeliveryState.QUEUED.value,
            col(DeliveryRow.due_at) > now,
            col(DeliveryRow.due_at) < FOLLOWS,  # those of a joint mail that follow another have no time of their own
        )
        .group_by(col(DeliveryRow.due_at))
        .order_by(col(DeliveryRow.due_at))
    )
    return [Wave(due_at=due_at, recipients=count) for due_at, count in session.execute(query)]
