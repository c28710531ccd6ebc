"""What an operator does to an issue: pause, resume, cancel, resolve what is in doubt, retry what was rejected.

Delivering sees it at its next step.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from syndicate.core.outcomes import BounceClass
from syndicate.model import Issue, IssueState
from syndicate.store import deliveries, doubts, retries
from syndicate.store.batches import drop_batches
from syndicate.store.drafts import take_back
from syndicate.store.engine import Database
from syndicate.store.issues import change_state, get_issue
from syndicate.store.jobs import call_workers
from syndicate.store.parting import free_stranded
from syndicate.store.reopening import lock_issue


def pause(database: Database, issue_id: int, now: datetime) -> Issue:
    """Stop taking up an issue's deliveries. Raises TransitionError unless it runs."""
    with database.write() as session:
        change_state(session, issue_id, expected=[IssueState.RUNNING], to=IssueState.PAUSED, now=now)
        free_stranded(session, now)
        return get_issue(session, issue_id)


def resume(database: Database, issue_id: int, now: datetime) -> Issue:
    """Let a paused issue go on. Raises TransitionError unless it is paused."""
    with database.write() as session:
        change_state(session, issue_id, expected=[IssueState.PAUSED], to=IssueState.RUNNING, now=now)
        call_workers(session, issue_id)
        return get_issue(session, issue_id)


def cancel(database: Database, issue_id: int, now: datetime) -> Issue:
    """End an issue: queued and deferred deliveries are cancelled. Raises TransitionError when it has ended already.

    The articles of a draft, of which nothing left, are given back: they come with the readers' next issue.
    """
    with database.write() as session:
        if lock_issue(session, issue_id).state == IssueState.DRAFT:
            take_back(
                session,
                issue_id,
                to=IssueState.CANCELLED,
                reason="the issue was cancelled before it was approved",
                now=now,
            )
            return get_issue(session, issue_id)
        change_state(
            session, issue_id, expected=[IssueState.RUNNING, IssueState.PAUSED], to=IssueState.CANCELLED, now=now
        )
        deliveries.cancel_open(session, issue_id, now)
        free_stranded(session, now)
        drop_batches(session, [issue_id])
        return get_issue(session, issue_id)


def resolve(database: Database, issue_id: int, *, how: Literal["resend", "skip"], now: datetime) -> tuple[Issue, int]:
    """Decide about an issue's deliveries in doubt; returns it and how many there were."""
    with database.write() as session:
        count = doubts.resolve(session, issue_id, how=how, now=now)
        if how == "resend" and count:
            call_workers(session, issue_id)
        return get_issue(session, issue_id), count


def retry(database: Database, issue_id: int, *, only: BounceClass | None, now: datetime) -> tuple[Issue, int]:
    """Queue an issue's rejected deliveries again, of one class or all but the hard ones; returns it and how many."""
    with database.write() as session:
        count = retries.retry(session, issue_id, only=only, now=now)
        if count:
            call_workers(session, issue_id)
        return get_issue(session, issue_id), count
