"""What joint mails hold and which issues they join, for those who look and those who prune."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from syndicate.errors import UnknownNameError
from syndicate.model import DeliveryState, IssueState
from syndicate.store.tables import DeliveryRow, IssueRow, JointEditionRow

_QUEUED = DeliveryState.QUEUED.value


def joint_message(session: Session, joint_edition_id: int) -> bytes:
    """The finished bytes of a joint mail, with slots. Raises UnknownNameError when they were pruned."""
    query = select(col(JointEditionRow.message)).where(col(JointEditionRow.id) == joint_edition_id)
    found: bytes | None = session.execute(query).scalar_one_or_none()
    if found is None:
        raise UnknownNameError(f"joint edition {joint_edition_id} is no longer kept (service.keep_editions)")
    return found


def joined_issues(session: Session, issue_id: int) -> list[tuple[int, str, int]]:
    """The issues that an issue shared mails with: their ids, digests, and how many mails."""
    other = aliased(DeliveryRow)
    query = (
        select(col(IssueRow.id), col(IssueRow.digest), func.count())
        .select_from(DeliveryRow)
        .join(
            other,
            and_(
                col(other.joined_to) == col(DeliveryRow.joined_to),
                col(other.subscriber_id) == col(DeliveryRow.subscriber_id),
                col(other.issue_id) != col(DeliveryRow.issue_id),
            ),
        )
        .join(IssueRow, col(IssueRow.id) == col(other.issue_id))
        .where(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.joined_to).is_not(None))
        .group_by(col(IssueRow.id), col(IssueRow.digest))
        .order_by(col(IssueRow.id))
    )
    return [(int(number), digest, int(count)) for number, digest, count in session.execute(query)]


def drop_joint_bodies(session: Session, before: datetime, limit: int, *, now: datetime) -> int:
    """Take the bodies from joint mails whose leading issue was over before a time. Returns how many."""
    over = (
        select(col(JointEditionRow.id))
        .join(IssueRow, col(IssueRow.id) == col(JointEditionRow.issue_id))
        .where(
            col(JointEditionRow.message).is_not(None),
            col(IssueRow.state).in_((IssueState.FINISHED.value, IssueState.CANCELLED.value)),
            func.coalesce(col(IssueRow.finished_at), col(IssueRow.composed_at)) < before,
        )
        .limit(limit)
    )
    result: Any = session.execute(
        update(JointEditionRow)
        .where(col(JointEditionRow.id).in_(over))
        .values(message=None, pruned_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)
