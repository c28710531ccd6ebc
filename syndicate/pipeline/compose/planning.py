"""Reads who stands where and decides who would get which articles. Writes nothing; renders nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.selection import Choice, choose
from syndicate.model import Article
from syndicate.store.articles import above, by_ids, highest_seq
from syndicate.store.columns import canonical_json
from syndicate.store.freeze import Cohort, cohorts


@dataclass(slots=True, kw_only=True)
class PlannedEdition:
    """One edition to be: its articles and the cohorts that get it, each with the articles it leaves over."""

    key: str
    language: str
    choice: Choice
    cohorts: list[tuple[Cohort, tuple[int, ...]]] = field(default_factory=list)

    @property
    def recipients(self) -> int:
        return sum(cohort.subscriptions for cohort, _ in self.cohorts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An issue to be. ``subscriptions`` counts all confirmed ones considered; those without an edition wait."""

    editions: tuple[PlannedEdition, ...]
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
    stand alike share one choice, and those with the same articles in the same language share an edition.
    """
    digest = settings.named_digest(digest_name)
    groups = cohorts(session, digest_name, frequencies)
    candidates = _candidates(session, settings, digest_name, groups, now)
    editions: dict[str, PlannedEdition] = {}
    for cohort in groups:
        choice = choose(candidates, cohort.standing, digest, now=now)
        if not choice.wanted:
            continue
        language = language_of(cohort.language)
        key = edition_key(choice, language)
        edition = editions.setdefault(key, PlannedEdition(key=key, language=language, choice=choice))
        edition.cohorts.append((cohort, choice.left_over))
    ordered = sorted(editions.values(), key=lambda edition: (-edition.recipients, edition.key))
    return Plan(
        editions=tuple(ordered),
        subscriptions=sum(cohort.subscriptions for cohort in groups),
        max_seq=highest_seq(session),
    )


def _candidates(
    session: Session, settings: Settings, digest_name: str, groups: list[Cohort], now: datetime
) -> list[Article]:
    digest = settings.named_digest(digest_name)
    regular = [group.standing.cursor for group in groups if not group.standing.first]
    newcomers = [group.standing.cursor for group in groups if group.standing.first]
    found: dict[int, Article] = {}
    if regular:
        found = {article.id: article for article in above(session, min(regular), digest, now=now)}
    if newcomers:
        # A first issue looks back by date, so that the archive of years is not read for one new subscriber.
        recent = above(session, min(newcomers), digest, now=now, published_from=now - digest.lookback)
        found |= {article.id: article for article in recent}
    carried = {article_id for group in groups for article_id in group.standing.carry} - found.keys()
    return [*found.values(), *by_ids(session, sorted(carried)).values()]


def edition_key(choice: Choice, language: str) -> str:
    """What makes two editions the same: language, articles and headlines with their versions, in order."""
    content = [
        language,
        [[article.id, article.version] for article in choice.articles],
        [[article.id, article.version] for article in choice.headlines],
        choice.more,
    ]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:32]
