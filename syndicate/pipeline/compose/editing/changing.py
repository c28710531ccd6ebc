"""The verb ``edit``: an editor changes a draft; every edition of it is rendered anew, and each change can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from syndicate.core.article.nesting import NestingError
from syndicate.core.editing import MAX_INTRO, MAX_SUBJECT, Change, Edits, changed
from syndicate.core.render.context import intro_html
from syndicate.errors import UnknownNameError, UsageError
from syndicate.model import Issue
from syndicate.pipeline.compose.editing.laying_out import Remade, rewrite_issue
from syndicate.pipeline.compose.editions import EditionRenderer
from syndicate.store.drafts import Made, require_draft
from syndicate.store.engine import Database
from syndicate.store.evidence import addresses_of
from syndicate.store.issue_events import events_of, note_event
from syndicate.store.issues import get_issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an editor asks for, articles by web address or ``tag:`` URI. None leaves a thing as it is.

    ``restore``: neither pinned, dropped nor ordered any more. ``reset``: back to how the issue was composed, first.
    """

    subject: str | None = None
    intro: str | None = None
    pin: Sequence[str] = ()
    drop: Sequence[str] = ()
    restore: Sequence[str] = ()
    order: Sequence[str] | None = None
    reset: bool = False


def edit_issue(
    database: Database, renderer: EditionRenderer, issue_id: int, wish: Wish, *, now: datetime, by: str | None = None
) -> tuple[Issue, Edits]:
    """Change a draft; returns it and the changes that hold now.

    Raises TransitionError unless it is a draft, UnknownNameError for an article that is not in it, UsageError for an
    order that contradicts itself or an intro that cannot be shown; TemplateError when it cannot be rendered.
    """
    _check(wish, renderer)

    def edits_of(session: Session, made: Made) -> Edits:
        require_draft(made)
        return changed(made.edits, _change(session, made, wish))

    def then(session: Session, made: Made, remade: Remade) -> tuple[Issue, Edits]:
        if remade.edits != made.edits:
            detail = {"before": made.edits.document(), "after": remade.edits.document()}
            note_event(session, issue_id, "edited", now, by=by, detail=detail)
        return get_issue(session, issue_id), remade.edits

    return rewrite_issue(database, renderer, issue_id, now, edits_of=edits_of, then=then)


def undo_edit(
    database: Database, renderer: EditionRenderer, issue_id: int, *, now: datetime, by: str | None = None
) -> tuple[Issue, Edits]:
    """Take the last change of a draft back that was not taken back yet; again and again, back to how it was composed.

    Raises TransitionError unless it is a draft, UsageError when there is nothing to undo.
    """

    def edits_of(session: Session, made: Made) -> Edits:
        require_draft(made)
        before: list[Edits] = []
        for event in events_of(session, issue_id):
            if event.event == "edited":
                before.append(Edits.of(event.detail["before"]))
            elif event.event == "undone":
                before.pop()
        if not before:
            raise UsageError(f"issue {issue_id} stands as it was composed: there is nothing to undo")
        return before[-1]

    def then(session: Session, made: Made, remade: Remade) -> tuple[Issue, Edits]:
        detail = {"before": made.edits.document(), "after": remade.edits.document()}
        note_event(session, issue_id, "undone", now, by=by, detail=detail)
        return get_issue(session, issue_id), remade.edits

    return rewrite_issue(database, renderer, issue_id, now, edits_of=edits_of, then=then)


def _check(wish: Wish, renderer: EditionRenderer) -> None:
    if wish.subject is not None and len(wish.subject) > MAX_SUBJECT:
        raise UsageError(
            f"the subject has {len(wish.subject)} characters; at most {MAX_SUBJECT} can be told apart from a mistake"
        )
    if wish.intro is not None:
        if len(wish.intro) > MAX_INTRO:
            raise UsageError(f"the intro has {len(wish.intro)} characters; at most {MAX_INTRO} fit")
        try:
            intro_html(wish.intro, renderer.settings.site)
        except NestingError as error:
            raise UsageError(f"the intro cannot be shown: {error}") from error
    both = set(wish.pin) & set(wish.drop)
    if both:
        raise UsageError(f"{min(both)} cannot be both pinned and dropped")


def _change(session: Session, made: Made, wish: Wish) -> Change:
    chosen = {each for edition in made.editions for each in edition.chosen}
    known = addresses_of(session, chosen)

    def ids(addresses: Sequence[str]) -> tuple[int, ...]:
        for address in addresses:
            if address not in known:
                raise UnknownNameError(
                    f"issue {made.id} has no article {address}; `syndicate issues show {made.id}` lists those it has"
                )
        return tuple(known[address] for address in addresses)

    return Change(
        subject=wish.subject,
        intro=wish.intro,
        pin=ids(wish.pin),
        drop=ids(wish.drop),
        restore=ids(wish.restore),
        order=None if wish.order is None else ids(wish.order),
        reset=wish.reset,
    )
