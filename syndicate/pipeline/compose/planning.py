"""Reads who stands where and decides who would get which articles. Writes nothing; renders nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.config.sections import Digest
from syndicate.core.corrections import corrections
from syndicate.core.reads import reads
from syndicate.core.selection import Choice, Offer, Standing, choose
from syndicate.model import Article
from syndicate.store.articles import above, by_ids, highest_seq, outlines, published_since
from syndicate.store.cohorts import Cohort, cohorts
from syndicate.store.columns import canonical_json

# What an edition shows, before it is read: language, ids of articles and of headlines, how many more, corrections.
_Contents = tuple[str, tuple[int, ...], tuple[int, ...], int, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEdition:
    """One edition to be: its articles and the cohorts that get it, each with the articles it leaves over.

    ``corrections``: articles that these readers have and that say something else now.
    """

    key: str
    language: str
    articles: tuple[Article, ...]
    headlines: tuple[Article, ...] = ()
    more: int = 0
    corrections: tuple[Article, ...] = ()
    cohorts: Sequence[tuple[Cohort, tuple[int, ...]]] = ()

    @property
    def recipients(self) -> int:
        return sum(cohort.subscriptions for cohort, _ in self.cohorts)

    @property
    def shown(self) -> list[dict[str, Any]]:
        """What it shows, as the ledger keeps it."""
        parts = (("full", self.articles), ("headline", self.headlines), ("correction", self.corrections))
        return [{"id": each.id, "version": each.version, "role": role} for role, part in parts for each in part]

    @property
    def plan(self) -> dict[str, Any]:
        """What was chosen for its readers, as the ledger keeps it."""
        return {
            "articles": [article.id for article in self.articles],
            "headlines": [article.id for article in self.headlines],
            "corrections": [article.id for article in self.corrections],
            "more": self.more,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An issue to be. ``subscriptions`` counts all confirmed ones considered.

    Those without an edition wait for more, or stand in ``passed_over``, with what they are still owed: for them there
    was nothing up to ``max_seq``.
    """

    editions: tuple[PlannedEdition, ...]
    passed_over: tuple[tuple[Cohort, tuple[int, ...]], ...]
    subscriptions: int
    max_seq: int

    @property
    def recipients(self) -> int:
        return sum(edition.recipients for edition in self.editions)


def plan_issue(
    session: Session,
    settings: Settings,
    digest_name: str,
    *,
    frequencies: Iterable[str] | None,
    language_of: Callable[[str], str],
    now: datetime,
) -> Plan:
    """Plan an issue of a digest for the confirmed subscriptions of these frequencies (None = all).

    ``language_of`` maps a subscriber's language ("" = none) to one that mails are written in. Subscriptions that
    stand alike share one choice, and those with the same articles in the same language share an edition. Whole
    articles are read only once they are chosen.
    """
    digest = settings.named_digest(digest_name)
    groups = cohorts(session, digest_name, frequencies, now)
    offer = offer_for(session, digest, [group.standing for group in groups], now=now)
    chosen: dict[_Contents, list[tuple[Cohort, tuple[int, ...]]]] = {}
    passed_over = []
    for cohort in groups:
        given = give(offer, cohort.standing, digest, cohort.language, settings.site.language, now=now)
        if given.choice.wanted:
            contents = _contents(given.choice, language_of(cohort.language), given.corrections)
            chosen.setdefault(contents, []).append((cohort, given.left_over))
        elif not given.choice.waits:
            passed_over.append((cohort, given.left_over))
    editions = _editions(session, chosen)
    ordered = sorted(editions, key=lambda edition: (-edition.recipients, edition.key))
    return Plan(
        editions=tuple(ordered),
        passed_over=tuple(passed_over),
        subscriptions=sum(cohort.subscriptions for cohort in groups),
        max_seq=highest_seq(session),
    )


@dataclass(frozen=True, slots=True)
class Given:
    """What one reader gets: a choice of articles, corrections by article, and what is owed to them afterwards."""

    choice: Choice
    corrections: tuple[int, ...]
    left_over: tuple[int, ...]


def give(offer: Offer, standing: Standing, digest: Digest, own: str, site: str, *, now: datetime) -> Given:
    """Choose for readers of one standing and one language (``own``; "" = none chosen), as every issue does.

    ``site`` is the language of those who chose none.
    """
    choice = choose(offer, replace(standing, reads=reads(digest.language_choice, own, site)), digest, now=now)
    return Given(choice, *corrections(offer, standing, choice, now=now))


def offer_for(session: Session, digest: Digest, standings: Sequence[Standing], *, now: datetime) -> Offer:
    """Read, in outline, all articles that an issue for these standings may draw on."""
    if not standings:
        return Offer(())
    since = now - digest.lookback
    lowest = min(standing.owed_from for standing in standings)
    found = above(session, lowest, digest, now=now, away_since=since)
    if any(standing.first for standing in standings):
        # Looked up by date, so that the archive of years is not read for one new subscriber.
        found += published_since(session, since, digest, now=now, away_since=since)
    carried = {abs(article_id) for standing in standings for article_id in standing.carry}
    return Offer([*found, *outlines(session, sorted(carried))])


def read_edition(session: Session, choice: Choice, language: str, corrected: tuple[int, ...] = ()) -> PlannedEdition:
    """Read the articles of one choice, and those of which corrections are due with it."""
    return _editions(session, {_contents(choice, language, corrected): ()})[0]


def make_edition(
    language: str,
    articles: Sequence[Article],
    headlines: Sequence[Article] = (),
    more: int = 0,
    corrected: Sequence[Article] = (),
    readers: Sequence[tuple[Cohort, tuple[int, ...]]] = (),
) -> PlannedEdition:
    """Make an edition of whole articles. Its key says when two are the same, with the versions of their articles."""
    parts = (articles, headlines, corrected) if corrected else (articles, headlines)
    shown = [[[article.id, article.version] for article in part] for part in parts]
    key = hashlib.sha256(canonical_json([language, *shown, more]).encode()).hexdigest()[:32]
    return PlannedEdition(
        key=key,
        language=language,
        articles=tuple(articles),
        headlines=tuple(headlines),
        more=more,
        corrections=tuple(corrected),
        cohorts=readers,
    )


def _contents(choice: Choice, language: str, corrected: tuple[int, ...]) -> _Contents:
    return (
        language,
        tuple(outline.id for outline in choice.articles),
        tuple(outline.id for outline in choice.headlines),
        choice.more,
        corrected,
    )


def _editions(
    session: Session, chosen: Mapping[_Contents, Sequence[tuple[Cohort, tuple[int, ...]]]]
) -> list[PlannedEdition]:
    ids = {article_id for _, full, headlines, _, corrected in chosen for article_id in (*full, *headlines, *corrected)}
    whole = by_ids(session, sorted(ids))
    return [
        make_edition(
            language,
            [whole[each] for each in full],
            [whole[each] for each in headlines],
            more,
            [whole[each] for each in corrected],
            readers,
        )
        for (language, full, headlines, more, corrected), readers in chosen.items()
    ]
