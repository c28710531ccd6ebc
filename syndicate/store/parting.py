"""Deliveries that one mail joins, as they are taken up: who is with whom, and parting those that go alone after all.

Joining them: ``joining.py``; what may still join: ``core.joining``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, literal, literal_column, or_, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from syndicate.core.joining import Member, alone_because
from syndicate.model import DeliveryState, IssueState, SubscriptionState
from syndicate.store.columns import UtcDateTime
from syndicate.store.due import FOLLOWS, RETRIABLE
from syndicate.store.tables import DeliveryRow, IssueRow, JointEditionRow, SubscriptionRow
from syndicate.store.tables.ledger import JOINED

_QUEUED = DeliveryState.QUEUED.value


class Part(NamedTuple):
    """One delivery of a joint mail."""

    id: int
    issue_id: int
    edition_id: int
    digest: str
    subscription_id: int


class Group(NamedTuple):
    """What waits of a joint mail: its edition and deliveries, the leading one first; or why each must go alone."""

    edition_id: int
    parts: tuple[Part, ...]
    alone_because: str | None


def follows() -> ColumnElement[bool]:
    """Whether a delivery goes in one mail with another that leads."""
    return and_(col(DeliveryRow.joined_to).is_not(None), col(DeliveryRow.joined_to) != col(DeliveryRow.id))


def groups(session: Session, leaders: Sequence[int]) -> dict[int, Group]:
    """What waits of the mails that these deliveries lead, locked, as it stands now."""
    query: Any = (
        select(
            col(DeliveryRow.id),
            col(DeliveryRow.joined_to),
            col(DeliveryRow.issue_id),
            col(DeliveryRow.edition_id),
            col(DeliveryRow.state),
            col(IssueRow.digest),
            col(IssueRow.state).label("issue_state"),
            col(SubscriptionRow.id).label("subscription_id"),
            col(SubscriptionRow.state).label("subscription_state"),
            col(JointEditionRow.id).label("joint_id"),
            # What is not kept any more can be sent by nobody: then each goes alone.
            case((col(JointEditionRow.message).is_not(None), col(JointEditionRow.parts)), else_="").label("parts"),
        )
        .select_from(DeliveryRow)
        .join(IssueRow, col(IssueRow.id) == col(DeliveryRow.issue_id))
        .outerjoin(JointEditionRow, col(JointEditionRow.id) == col(DeliveryRow.joint_edition_id))
        .outerjoin(
            SubscriptionRow,
            and_(
                col(SubscriptionRow.subscriber_id) == col(DeliveryRow.subscriber_id),
                col(SubscriptionRow.digest) == col(IssueRow.digest),
            ),
        )
        .where(*_waiting_for(leaders))
        .with_for_update(of=DeliveryRow)
    )
    found: dict[int, list[Any]] = {}
    for row in session.execute(query):
        found.setdefault(row.joined_to, []).append(row)
    return {leader: _group(rows) for leader, rows in found.items()}


def _waiting_for(leaders: Sequence[int]) -> tuple[Any, Any]:
    # The condition of the partial index in its own words: what is sent already is not in it.
    return col(DeliveryRow.joined_to).in_(leaders), literal_column(JOINED_OF_DELIVERIES)


#: ``JOINED`` where other tables stand beside.
JOINED_OF_DELIVERIES = JOINED.replace("joined_to", "deliveries.joined_to").replace("state", "deliveries.state")


def _group(rows: Sequence[Any]) -> Group:
    made_of = [int(part) for part in rows[0].parts.split("+") if part]
    members = [
        Member(
            edition_id=row.edition_id or 0,
            state=DeliveryState(row.state),
            issue=IssueState(row.issue_state),
            subscription=None if row.subscription_state is None else SubscriptionState(row.subscription_state),
        )
        for row in rows
    ]
    because = alone_because(made_of, members)
    parts = [Part(row.id, row.issue_id, row.edition_id, row.digest, row.subscription_id) for row in rows]
    if because is None:
        parts.sort(key=lambda part: made_of.index(part.edition_id))
    return Group(rows[0].joint_id or 0, tuple(parts), because)


def part(session: Session, leaders: Mapping[int, str], now: datetime) -> None:
    """Let each delivery of these mails go alone, for the reason given; they are due at once."""
    for leader, because in leaders.items():
        session.execute(
            update(DeliveryRow)
            .where(*_waiting_for([leader]))
            .values(**_alone(f"sent alone: {because}", now))
            .execution_options(synchronize_session=False)
        )


def put_behind(session: Session, delivery_ids: Sequence[int]) -> None:
    """Have followers wait for the one that leads them again."""
    session.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.id).in_(delivery_ids), col(DeliveryRow.state).in_(RETRIABLE), follows())
        .values(due_at=FOLLOWS)
        .execution_options(synchronize_session=False)
    )


def free_stranded(session: Session, now: datetime) -> int:
    """Let deliveries go alone whose leading one will not go: ended, or its issue does not run. Returns how many.

    After whatever may have ended it: an issue paused or cancelled, all its articles withdrawn. Without joint mails it
    is one look into an index that is empty.
    """
    some = select(col(DeliveryRow.id)).where(literal_column(JOINED_OF_DELIVERIES)).limit(1)
    if session.execute(some).first() is None:
        return 0
    leader = aliased(DeliveryRow)
    issue = aliased(IssueRow)
    own = aliased(IssueRow)
    on_its_way = (
        select(col(leader.id))
        .join(issue, col(issue.id) == col(leader.issue_id))
        .where(
            col(leader.id) == col(DeliveryRow.joined_to),
            or_(
                col(leader.state) == DeliveryState.SENDING.value,
                and_(col(leader.state).in_(RETRIABLE), col(issue.state) == IssueState.RUNNING.value),
            ),
        )
        .correlate(DeliveryRow)
        .exists()
    )
    running = (
        select(col(own.id))
        .where(col(own.id) == col(DeliveryRow.issue_id), col(own.state) == IssueState.RUNNING.value)
        .correlate(DeliveryRow)
        .exists()
    )
    result: Any = session.execute(
        update(DeliveryRow)
        .where(literal_column(JOINED_OF_DELIVERIES), follows(), ~on_its_way, running)
        .values(**_alone("sent alone: the issue that led the mail it would have gone with does not run", now))
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)


def _alone(reason: str, now: datetime) -> dict[str, Any]:
    return {
        "joined_to": None,
        "joint_edition_id": None,
        "reason": reason,
        "due_at": case((follows(), literal(now, UtcDateTime)), else_=col(DeliveryRow.due_at)),
    }


def partners(session: Session, conditions: Sequence[ColumnElement[bool]]) -> dict[int, list[int]]:
    """The deliveries of other issues that went in one mail with such as fulfil the conditions, by issue.

    Only those in the same state: one mail has one outcome.
    """
    other = aliased(DeliveryRow)
    query = (
        select(col(other.issue_id), col(other.id))
        .select_from(DeliveryRow)
        .join(
            other,
            and_(
                # By the reader: the index of what is joined holds only what waits.
                col(other.subscriber_id) == col(DeliveryRow.subscriber_id),
                col(other.joined_to) == col(DeliveryRow.joined_to),
                col(other.issue_id) != col(DeliveryRow.issue_id),
                col(other.state) == col(DeliveryRow.state),
                col(other.resolved) == col(DeliveryRow.resolved),
            ),
        )
        .where(*conditions, col(DeliveryRow.joined_to).is_not(None))
        .order_by(col(other.issue_id), col(other.id))
    )
    found: dict[int, list[int]] = {}
    for issue_id, delivery_id in session.execute(query):
        found.setdefault(int(issue_id), []).append(int(delivery_id))
    return found
