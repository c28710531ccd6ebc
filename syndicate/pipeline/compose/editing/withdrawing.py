"""Takes withdrawn articles out of every issue that is not over: drafts, and what is queued of issues under way.

Beside a running sender, in any process: each edition is one transaction, and what a sender holds keeps what it has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from syndicate.core.editing import Edits
from syndicate.errors import SyndicateError
from syndicate.model import IssueState
from syndicate.pipeline.compose.editing.laying_out import Remade, lay_out, render, rewrite_issue
from syndicate.pipeline.compose.editions import EditionRenderer, FinishedEdition
from syndicate.pipeline.compose.planning import PlannedEdition, make_edition
from syndicate.store.articles import by_ids, highest_revision
from syndicate.store.drafts import KeptEdition, Made, read_made, require_draft
from syndicate.store.engine import Database
from syndicate.store.issue_events import note_event
from syndicate.store.issues import finish_issues
from syndicate.store.owing import withdrawn_among
from syndicate.store.reopening import lock_issue
from syndicate.store.replacing import (
    Touched,
    end_edition,
    live_revision,
    move_rows,
    replace_edition,
    rows_to_move,
    under_way,
)

log = logging.getLogger(__name__)

REASON = "all its articles were withdrawn before it was sent"


@dataclass(slots=True)
class Watch:
    """What a clock remembers between its looks: how articles and issues stood when there was nothing to do."""

    quiet_at: tuple[int, tuple[int, int]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOut:
    """What one look did: deliveries that got another edition or were cancelled, drafts made anew, what failed."""

    moved: int = 0
    cancelled: int = 0
    drafts: int = 0
    failures: tuple[str, ...] = ()


def take_out_withdrawn(
    database: Database, renderer: Callable[[], EditionRenderer], now: datetime, watch: Watch | None = None
) -> TakenOut:
    """Look through all issues that are not over; ``watch`` makes a look at which nothing changed a small one.

    An issue whose templates are broken is told of in ``failures`` and stops no other; it is looked at again.
    """
    watch = watch or Watch()
    with database.read() as session:
        stands = highest_revision(session), live_revision(session)
        if watch.quiet_at == stands:
            return TakenOut()
        editions = under_way(session)
        withdrawn = withdrawn_among(session, {each for edition in editions for each in edition.shown})
        touched = [edition for edition in editions if edition.shown & withdrawn]
        behind = rows_to_move(session, [each.id for each in touched if not each.current])
    drafts = sorted({each.issue_id for each in touched if each.current and each.state is IssueState.DRAFT})
    others = [each for each in touched if each.state is not IssueState.DRAFT and (each.current or each.id in behind)]
    # Rows that a sender holds now may be put back unsent: looked at again until none of these issues is under way.
    watch.quiet_at = None if touched else stands
    moved = cancelled = done = 0
    failures = []
    for issue_id in drafts:
        try:
            _remake_draft(database, renderer(), issue_id, now)
            done += 1
        except SyndicateError as error:
            failures.append(f"issue {issue_id}: a withdrawn article is still in the draft: {error}")
    for edition in others:
        try:
            count, left = _replace(database, renderer, edition, now)
        except SyndicateError as error:
            failures.append(f"issue {edition.issue_id}: a withdrawn article is still in what is queued: {error}")
            continue
        moved += count if left else 0
        cancelled += 0 if left else count
    for failure in failures:
        log.error("%s", failure)
    if moved or cancelled or done:
        log.info(
            "withdrawn articles: %d queued deliveries got another edition, %d were cancelled, %d drafts made anew",
            moved,
            cancelled,
            done,
        )
    return TakenOut(moved=moved, cancelled=cancelled, drafts=done, failures=tuple(failures))


def _remake_draft(database: Database, renderer: EditionRenderer, issue_id: int, now: datetime) -> None:
    def edits_of(_session: Session, made: Made) -> Edits:
        require_draft(made)
        return made.edits

    def then(session: Session, _made: Made, _remade: Remade) -> None:
        note_event(session, issue_id, "withdrawn", now)

    rewrite_issue(database, renderer, issue_id, now, edits_of=edits_of, then=then)


def _replace(
    database: Database, renderer: Callable[[], EditionRenderer], edition: Touched, now: datetime
) -> tuple[int, bool]:
    """Move the rows of an edition; returns how many, and whether there was another one to move them to."""
    if not edition.current:
        with database.write() as session:
            count = move_rows(session, edition.id, edition.replaced_by, reason=REASON, now=now)
            if edition.replaced_by is None:
                finish_issues(session, now)
            return count, edition.replaced_by is not None
    found = _make(database, renderer(), edition, now)
    if found is None:
        return 0, True
    old, new = found
    with database.write() as session:
        lock_issue(session, edition.issue_id)
        if new is None:
            new_id = None
            fresh = end_edition(session, old.id)
        else:
            planned, finished = new
            new_id = replace_edition(
                session,
                old.id,
                key=planned.key,
                subject=finished.subject,
                articles=finished.shown(planned),
                plan=old.plan,
                message=finished.message,
                now=now,
            )
            fresh = new_id is not None
        if not fresh:
            return 0, True  # another process did it at this moment
        count = move_rows(session, old.id, new_id, reason=REASON, now=now)
        note_event(
            session,
            edition.issue_id,
            "withdrawn",
            now,
            detail={"edition": old.id, "replaced_by": new_id, "rows": count},
        )
        if new_id is None:
            finish_issues(session, now)
    return count, new_id is not None


def _make(
    database: Database, renderer: EditionRenderer, edition: Touched, now: datetime
) -> tuple[KeptEdition, tuple[PlannedEdition, FinishedEdition] | None] | None:
    with database.read() as session:
        made = read_made(session, edition.issue_id)
        old = next((each for each in made.editions if each.id == edition.id), None)
        if old is None:
            return None  # another process did it at this moment
        planned = lay_out(old, by_ids(session, sorted(old.chosen)), made.edits)
    if planned is None:
        return old, None
    # Its own key: what it shows is what it is, and two that are alike are one.
    own = make_edition(planned.language, planned.articles, planned.headlines, planned.more, planned.corrections)
    return old, (own, render(renderer, made, own, made.edits, now))
