"""A frozen edition laid out anew: what was chosen for its readers, less what was dropped or withdrawn, as edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlmodel import Session

from syndicate.core.editing import Edits, arrange
from syndicate.model import Article
from syndicate.pipeline.compose.editions import EditionRenderer, FinishedEdition
from syndicate.pipeline.compose.planning import PlannedEdition, make_edition
from syndicate.store.articles import by_ids
from syndicate.store.drafts import KeptEdition, Made, Rewritten, read_made, rewrite, versions_of
from syndicate.store.engine import Database

T = TypeVar("T")

# An article that changes between rendering and writing makes it anew; after so many looks it is done inside.
LOOKS = 3


class _ChangedMeanwhileError(Exception):
    """Leaves the transaction: what was rendered is not how things stand any more."""


def lay_out(edition: KeptEdition, whole: Mapping[int, Article], edits: Edits) -> PlannedEdition | None:
    """The edition as it shall be, with the articles as they stand; None when none is left.

    It keeps the key of what was chosen: two that an editor made alike stay two.
    """

    def there(ids: Iterable[int]) -> list[Article]:
        return [whole[each] for each in ids if each in whole and whole[each].withdrawn_at is None]

    plan = edition.plan
    articles, headlines = arrange(edits, there(plan["articles"]), there(plan["headlines"]), lambda each: each.id)
    if not articles:
        articles, headlines = headlines, []
    if not articles:
        return None
    corrections = [each for each in there(plan["corrections"]) if each.id not in edits.dropped]
    return replace(make_edition(edition.language, articles, headlines, plan["more"], corrections), key=edition.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """An issue's editions made anew: each with its message, or None where nothing is left of it.

    ``versions``: the articles that they were made of, as ``store.drafts.versions_of`` has them.
    """

    edits: Edits
    finished: Mapping[int, tuple[PlannedEdition, FinishedEdition] | None]
    versions: Mapping[int, tuple[int, bool]]

    @property
    def rewritten(self) -> list[Rewritten]:
        """As the store takes them."""
        made = []
        for edition_id, found in self.finished.items():
            if found is None:
                made.append(Rewritten(id=edition_id, subject="", articles=(), message=None))
            else:
                planned, finished = found
                made.append(
                    Rewritten(
                        id=edition_id,
                        subject=finished.subject,
                        articles=finished.shown(planned),
                        message=finished.message,
                    )
                )
        return made

    def still_holds(self, session: Session) -> bool:
        """Whether the articles are as they were when it was made."""
        return versions_of(session, self.versions) == self.versions


def remake(session: Session, renderer: EditionRenderer, made: Made, edits: Edits, now: datetime) -> Remade:
    """Render all current editions of an issue anew. Raises TemplateError, HeaderError."""
    ids = sorted({each for edition in made.editions for each in edition.chosen})
    whole = by_ids(session, ids)
    finished: dict[int, tuple[PlannedEdition, FinishedEdition] | None] = {}
    for edition in made.editions:
        planned = lay_out(edition, whole, edits)
        finished[edition.id] = None if planned is None else (planned, render(renderer, made, planned, edits, now))
    versions = {each: (whole[each].version, whole[each].withdrawn_at is not None) for each in ids if each in whole}
    return Remade(edits=edits, finished=finished, versions=versions)


def render(
    renderer: EditionRenderer, made: Made, planned: PlannedEdition, edits: Edits, now: datetime, *, test: bool = False
) -> FinishedEdition:
    """Render one edition of an issue with its editor's changes."""
    return renderer.render_edited(
        made.digest, planned, period=made.period, now=now, edits=edits, test=test, local_day=made.local_day
    )


def rewrite_issue(
    database: Database,
    renderer: EditionRenderer,
    issue_id: int,
    now: datetime,
    *,
    edits_of: Callable[[Session, Made], Edits],
    judge: Callable[[Made, Remade], None] = lambda _made, _remade: None,
    then: Callable[[Session, Made, Remade], T],
) -> T:
    """Render a draft's editions anew and write them, all in one transaction, in which ``then`` is called, too.

    They are rendered before the write lock is taken; when the draft or an article changed meanwhile, again.
    ``edits_of`` says which changes hold, and raises when the issue may not be rewritten; ``judge`` raises to keep what
    was rendered from being written.
    """
    for look in range(LOOKS + 1):
        with database.read() as session:
            made = read_made(session, issue_id)
            remade = remake(session, renderer, made, edits_of(session, made), now)
        judge(made, remade)
        with suppress(_ChangedMeanwhileError), database.write() as session:
            found = read_made(session, issue_id, lock=True)
            edits = edits_of(session, found)
            if not _holds(session, remade, made, found, edits):
                remade = _inside(session, renderer, found, edits, now, look)
                judge(found, remade)
            rewrite(session, found, edits, remade.rewritten)
            return then(session, found, remade)
    raise AssertionError("the last look writes")


def _inside(session: Session, renderer: EditionRenderer, made: Made, edits: Edits, now: datetime, look: int) -> Remade:
    if look < LOOKS:
        raise _ChangedMeanwhileError
    return remake(session, renderer, made, edits, now)


def _holds(session: Session, remade: Remade, made: Made, found: Made, edits: Edits) -> bool:
    """Whether what was rendered is what would be rendered now."""
    same = [each.id for each in made.editions] == [each.id for each in found.editions]
    return edits == remade.edits and same and remade.still_holds(session)
