"""The verb ``approve``, and what becomes of a draft at its deadline. Cancelling one: ``pipeline/control.py``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlmodel import Session

from syndicate.config.durations import format_duration
from syndicate.core.editing import Edits
from syndicate.core.preflight import refuse
from syndicate.errors import StoreError, SyndicateError, TransitionError
from syndicate.model import Issue, IssueState
from syndicate.pipeline.compose.editing.laying_out import Remade, rewrite_issue
from syndicate.pipeline.compose.editions import EditionRenderer
from syndicate.store.drafts import Made, let_go, miss_deadline, overdue, require_draft, take_back
from syndicate.store.engine import Database
from syndicate.store.issue_events import note_event
from syndicate.store.issues import get_issue

log = logging.getLogger(__name__)


def approve(
    database: Database,
    renderer: EditionRenderer,
    issue_id: int,
    *,
    now: datetime,
    by: str | None = None,
    event: str = "approved",
) -> Issue:
    """Let a draft go: rendered once more, with the articles as they stand and today's date, judged, and then running.

    Raises TransitionError unless it is a draft or when nothing is left of it; PreflightError, and it stays a draft,
    when its messages have errors.
    """

    def edits_of(_session: Session, made: Made) -> Edits:
        require_draft(made)
        return made.edits

    def judge(made: Made, remade: Remade) -> None:
        if not any(remade.finished.values()):
            raise TransitionError(
                f"issue {made.id}: all its articles were dropped or withdrawn, so nothing would be sent; `syndicate "
                f"issues edit {made.id} --undo` takes a change back, `syndicate issues cancel {made.id}` ends it"
            )
        refuse([each for found in remade.finished.values() if found for each in found[1].findings], made.digest)

    def then(session: Session, _made: Made, _remade: Remade) -> Issue:
        let_go(session, issue_id, now)
        note_event(session, issue_id, event, now, by=by)
        return get_issue(session, issue_id)

    return rewrite_issue(database, renderer, issue_id, now, edits_of=edits_of, judge=judge, then=then)


def settle_overdue(database: Database, renderer: Callable[[], EditionRenderer], now: datetime) -> list[Issue]:
    """Do with each draft whose deadline has come what was said when it was composed: send it, or let it lapse.

    One that cannot be sent stays a draft with its reason, and waits for somebody; ``status`` tells.
    """
    with database.read() as session:
        found = overdue(session, now)
    settled = []
    for issue_id, action in found:
        try:
            if action == "send":
                issue = approve(database, renderer(), issue_id, now=now, event="approved at its deadline")
            else:
                issue = _lapse(database, issue_id, now)
        except StoreError as error:
            log.error("issue %d was not settled at its deadline and is tried again: %s", issue_id, error)
        except SyndicateError as error:
            with database.write() as session:
                left = miss_deadline(session, issue_id, f"not sent at its deadline: {error}")
            if left:  # else another process settled it at this moment
                log.error("issue %d was not sent at its deadline: %s", issue_id, error)
        else:
            log.info("issue %d: its deadline came, it is %s", issue_id, issue.state)
            settled.append(issue)
    return settled


def _lapse(database: Database, issue_id: int, now: datetime) -> Issue:
    with database.write() as session:
        issue = get_issue(session, issue_id)
        waited = format_duration((issue.deadline_at or now) - issue.composed_at)
        reason = f"lapsed: nobody approved it within {waited}; its articles go with the next issue"
        take_back(session, issue_id, to=IssueState.SKIPPED, reason=reason, now=now)
        return get_issue(session, issue_id)
