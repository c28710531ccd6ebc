"""Rejected deliveries queued again by the operator's wish: never those accepted, suppressed or of a dead address."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col

from syndicate.core.outcomes import BounceClass
from syndicate.model import AttemptEvent, DeliveryState
from syndicate.store.joint_reopening import lock_with_partners, queue_with_partners
from syndicate.store.reopening import require_open
from syndicate.store.tables import DeliveryRow


def retry(session: Session, issue_id: int, *, only: BounceClass | None, now: datetime) -> int:
    """Queue an issue's rejected rows again, those of one class or all that are not hard; a finished issue runs again.

    Returns how many. Raises UnknownNameError, and TransitionError when the issue was cancelled or its bodies are not
    kept.
    """
    rejected = (
        col(DeliveryRow.issue_id) == issue_id,
        col(DeliveryRow.state) == DeliveryState.REJECTED.value,
        col(DeliveryRow.subscriber_id).is_not(None),
        col(DeliveryRow.reason).is_distinct_from(BounceClass.HARD.value)
        if only is None
        else col(DeliveryRow.reason) == only.value,
    )
    issues = lock_with_partners(session, issue_id, rejected)
    require_open(session, issues[issue_id], rejected)
    return queue_with_partners(
        session, issues, issue_id, rejected, "tried again: it was rejected", AttemptEvent.RETRIED, now
    )
