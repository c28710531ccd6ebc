"""Ended deliveries queued again together with those that went in one mail with them: one mail has one outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col

from syndicate.errors import UnknownNameError
from syndicate.model import AttemptEvent, IssueState
from syndicate.store import attempts
from syndicate.store.articles import chunks
from syndicate.store.jobs import call_workers
from syndicate.store.parting import partners
from syndicate.store.reopening import Conditions, change_rows, lock_issue, queued_again, reopen
from syndicate.store.tables import DeliveryRow, IssueRow

# A mail that was joined with one of a cancelled issue is parted when it is taken up again.
_SENT_AGAIN = (IssueState.RUNNING.value, IssueState.PAUSED.value, IssueState.FINISHED.value)


def lock_with_partners(session: Session, issue_id: int, conditions: Conditions) -> dict[int, IssueRow]:
    """The issue and those that its rows share mails with, locked in the order of their ids. Raises UnknownNameError."""
    found: dict[int, IssueRow] = {}
    for number in sorted({issue_id, *partners(session, conditions)}):
        try:
            found[number] = lock_issue(session, number)
        except UnknownNameError:
            if number == issue_id:
                raise
    return found


def queue_with_partners(
    session: Session,
    issues: Mapping[int, IssueRow],
    issue_id: int,
    conditions: Conditions,
    reason: str,
    event: AttemptEvent,
    now: datetime,
) -> int:
    """Queue rows of an issue again and what went with them; finished issues run again. Returns how many of the issue.

    ``issues`` are locked. The workers of other issues than this one are called here.
    """
    beside = {
        number: rows
        for number, rows in partners(session, conditions).items()
        if number in issues and issues[number].state in _SENT_AGAIN and issues[number].final_counts is None
    }
    changed = change_rows(session, conditions, queued_again(reason, now))
    others = change_others(session, beside, queued_again(reason, now))
    attempts.note_decision(session, [*changed, *others], event, now)
    if changed:
        reopen(session, issue_id)
    for number in beside:
        reopen(session, number)
        call_workers(session, number)
    return len(changed)


def change_others(session: Session, rows: Mapping[int, Sequence[int]], values: dict[str, Any]) -> list[int]:
    """Move rows of several issues; returns their ids."""
    changed: list[int] = []
    for chunk in chunks([number for of_issue in rows.values() for number in of_issue]):
        changed += change_rows(session, (col(DeliveryRow.id).in_(chunk),), values)
    return changed
