"""Rejected deliveries queued again by the operator's wish: never those accepted, suppressed or of a dead address."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col

from syndicate.core.outcomes import BounceClass
from syndicate.model import AttemptEvent, DeliveryState
from syndicate.store import attempts
from syndicate.store.reopening import change_rows, lock_issue, queued_again, reopen, require_open
from syndicate.store.tables import DeliveryRow


def retry(session: Session, issue_id: int, *, only: BounceClass | None, now: datetime) -> int:
    """Queue an issue's rejected rows again, those of one class or all that are not hard; a finished issue runs again.

    Returns how many. Raises UnknownNameError, and TransitionError when the issue was cancelled or its bodies are not
    kept.
    """
    issue = lock_issue(session, issue_id)
    rejected = (
        col(DeliveryRow.issue_id) == issue_id,
        col(DeliveryRow.state) == DeliveryState.REJECTED.value,
        col(DeliveryRow.subscriber_id).is_not(None),
        col(DeliveryRow.reason).is_distinct_from(BounceClass.HARD.value)
        if only is None
        else col(DeliveryRow.reason) == only.value,
    )
    require_open(session, issue, rejected)
    changed = change_rows(session, rejected, queued_again("tried again: it was rejected", now))
    attempts.note_decision(session, changed, AttemptEvent.RETRIED, now)
    if changed:
        reopen(session, issue_id)
    return len(changed)
