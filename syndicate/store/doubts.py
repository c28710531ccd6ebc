"""Deliveries in doubt: their data may have left and the answer was never recorded. Who settles them, and how."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlmodel import Session, col

from syndicate.model import AttemptEvent, DeliveryState
from syndicate.store import attempts
from syndicate.store.articles import chunks
from syndicate.store.holders import causes_of_death, give_up_dead, not_alive
from syndicate.store.joint_reopening import change_others, lock_with_partners, queue_with_partners
from syndicate.store.parting import partners
from syndicate.store.reopening import change_rows, queued_again, require_open
from syndicate.store.tables import DeliveryRow

_RESENT = "resent: in doubt"


def take_over(
    session: Session, *, me: str, alone: bool, policy: Literal["ask", "resend", "skip"], now: datetime
) -> int:
    """Settle what processes that live no more had marked: their data may have left, so the rows are in doubt.

    ``alone``: no process but ``me`` can be sending. ``resend`` queues the rows again (same Message-ID), ``skip`` leaves
    them in doubt and resolved, ``ask`` leaves them for the operator. Returns the number of rows.
    """
    sending = col(DeliveryRow.state) == DeliveryState.SENDING.value
    orphaned = session.execute(
        select(col(DeliveryRow.holder), col(DeliveryRow.id))
        .where(sending, not_alive(session, col(DeliveryRow.holder), me=me, alone=alone, now=now))
        # Never wait for the locks of a process that was frozen in the middle of a transaction: the next look gets them.
        .with_for_update(skip_locked=True)
    ).all()
    held: dict[str | None, list[int]] = {}
    for holder, number in orphaned:
        held.setdefault(holder, []).append(number)
    count = 0
    for holder, cause in causes_of_death(session, list(held), me=me).items() if held else ():
        values = queued_again(_RESENT, now)
        if policy != "resend":
            values = _in_doubt(cause, resolved=policy == "skip", now=now)
        for chunk in chunks(held[holder]):
            taken = change_rows(session, (sending, col(DeliveryRow.id).in_(chunk)), values)
            attempts.note_crash(session, taken, cause, now, next_at=now if policy == "resend" else None)
            count += len(taken)
    if not alone:
        give_up_dead(session, now)
    return count


def _in_doubt(reason: str, *, resolved: bool, now: datetime) -> dict[str, Any]:
    state = DeliveryState.IN_DOUBT.value
    return {"state": state, "reason": reason, "resolved": resolved, "finished_at": now}


def resolve(session: Session, issue_id: int, *, how: Literal["resend", "skip"], now: datetime) -> int:
    """Decide an issue's unresolved rows in doubt; with ``resend`` a finished issue runs again. Returns the number.

    What went in one mail with others is decided for all of them.

    Raises UnknownNameError, and TransitionError for ``resend`` when the issue was cancelled or its bodies are not kept.
    """
    doubtful = (
        col(DeliveryRow.issue_id) == issue_id,
        col(DeliveryRow.state) == DeliveryState.IN_DOUBT.value,
        col(DeliveryRow.resolved).is_(False),
    )
    issues = lock_with_partners(session, issue_id, doubtful)
    if how == "skip":
        beside = partners(session, doubtful)
        changed = change_rows(session, doubtful, {"resolved": True})
        others = change_others(session, beside, {"resolved": True})
        attempts.note_decision(session, [*changed, *others], AttemptEvent.SKIPPED, now)
        return len(changed)
    require_open(session, issues[issue_id], doubtful, hint="; use --as skip")
    return queue_with_partners(session, issues, issue_id, doubtful, _RESENT, AttemptEvent.RESENT, now)
