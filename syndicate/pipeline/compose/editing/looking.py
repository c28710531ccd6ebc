"""Looking at an issue before it goes: as one reader would get it, and as a test copy. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from syndicate.core.addresses import parse_address
from syndicate.core.editing import Edits
from syndicate.core.personal import Personal
from syndicate.core.preflight import Finding
from syndicate.core.preflight.links import web_links
from syndicate.errors import TransitionError, UnknownNameError
from syndicate.model import Envelope, Keyring, Subscriber
from syndicate.pipeline.compose.editing.laying_out import lay_out, render
from syndicate.pipeline.compose.editions import EditionRenderer, FinishedEdition
from syndicate.pipeline.compose.planning import PlannedEdition
from syndicate.pipeline.compose.previewing import Preview, envelope_for, preview_of, reader_values
from syndicate.store.articles import by_ids
from syndicate.store.drafts import Made, read_made, require_draft
from syndicate.store.engine import Database
from syndicate.store.evidence import deliveries_to
from syndicate.store.issue_events import IssueEvent, events_of
from syndicate.store.subscribers import find_subscriber, subscription_to


def preview_issue(
    database: Database,
    renderer: EditionRenderer,
    personal: Personal,
    keyring: Keyring,
    issue_id: int,
    *,
    email: str | None,
    now: datetime,
    try_links: Callable[[Sequence[str]], Sequence[Finding]] = lambda _links: (),
) -> Preview:
    """A draft as a subscriber of it (or, without one, most of them) would get it if it were approved now.

    ``try_links`` gets the addresses that the page links to, and says which of them lead nowhere.
    Raises UnknownNameError for an unknown issue or for somebody who is not among its readers, TransitionError unless
    it is a draft: what went out is shown by ``replay``.
    """
    with database.read() as session:
        made = read_made(session, issue_id)
        require_draft(made)
        reader = _reader(session, email)
        subscription = subscription_to(session, reader.id, made.digest) if reader else None
        planned = _edition(session, made, reader)
    finished = render(renderer, made, planned, made.edits, now)
    values = reader_values(personal, keyring, reader, subscription, issue_id, now=now)
    dead = try_links(web_links(finished.rendered.html, finished.rendered.nonce))
    return preview_of(finished, planned, values, findings=dead)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An article that was chosen for an issue: for how many readers, and what its editor did with it."""

    uid: str
    title: str
    url: str | None
    recipients: int
    pinned: bool
    dropped: bool
    withdrawn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an issue is made of, as its editor sees it: articles, the changes that hold, and all that was done to it."""

    articles: list[Chosen]
    edits: Edits
    events: list[IssueEvent]


def contents(session: Session, issue_id: int) -> Contents:
    """An issue's articles, those for most readers first. Raises UnknownNameError."""
    made = read_made(session, issue_id)
    recipients: dict[int, int] = {}
    for edition in made.editions:
        for each in (*edition.plan["articles"], *edition.plan["headlines"]):
            recipients[each] = recipients.get(each, 0) + edition.recipients
    whole = by_ids(session, sorted(recipients))
    order = list(recipients)
    return Contents(
        articles=[
            Chosen(
                uid=whole[each].uid,
                title=whole[each].title,
                url=whole[each].url,
                recipients=recipients[each],
                pinned=each in made.edits.pinned,
                dropped=each in made.edits.dropped,
                withdrawn=whole[each].withdrawn_at is not None,
            )
            for each in sorted(order, key=lambda each: (-recipients[each], order.index(each)))
            if each in whole
        ],
        edits=made.edits,
        events=events_of(session, issue_id),
    )


def test_envelope(
    database: Database,
    renderer: EditionRenderer,
    personal: Personal,
    keyring: Keyring,
    issue_id: int,
    *,
    to: str,
    now: datetime,
) -> tuple[Envelope, str]:
    """One ``[test]`` copy of a draft for an editor, of the edition that most would get, and its subject.

    Its Message-ID is its own, its links end nobody's subscription, and nothing of it stands on the ledger.
    """
    with database.read() as session:
        made = read_made(session, issue_id)
        require_draft(made)
        planned = _edition(session, made, None)
    finished: FinishedEdition = render(renderer, made, planned, made.edits, now, test=True)
    return envelope_for(finished, personal, keyring, to=to, now=now)


def _reader(session: Session, email: str | None) -> Subscriber | None:
    if email is None:
        return None
    found = find_subscriber(session, parse_address(email).key)
    if found is None:
        raise UnknownNameError(f"there is no subscriber {email}")
    return found


def _edition(session: Session, made: Made, reader: Subscriber | None) -> PlannedEdition:
    kept = list(made.editions)
    if reader is not None:
        row = deliveries_to(session, reader.id, [made.id]).get(made.id)
        kept = [edition for edition in kept if row is not None and edition.id == row.edition_id]
        if not kept:
            raise UnknownNameError(f"issue {made.id} has nothing for {reader.email}; `syndicate why` says why")
    whole = by_ids(session, sorted({each for edition in kept for each in edition.chosen}))
    for edition in kept:
        planned = lay_out(edition, whole, made.edits)
        if planned is not None:
            return planned
    raise TransitionError(f"nothing is left of issue {made.id}: all its articles were dropped or withdrawn")
