"""Which feeds a change touches: from the changed articles and their terms, by index, not by trying all feeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from sqlmodel import Session

from syndicate.config.sections import Feed
from syndicate.pipeline.publish.wanted import PublicFeed
from syndicate.store.articles import Term
from syndicate.store.feed_entries import (
    Changed,
    changed_articles,
    changed_ids,
    has_at_least,
    held_by,
    newest_labels,
    terms_in_use,
)
from syndicate.store.feeds import FeedRecord, count_feeds_below, feeds_below, feeds_due, feeds_of_terms

# With more changed articles than this, building every feed costs less than finding out which are touched.
MOST_CHANGED = 2000


@dataclass(slots=True, kw_only=True)
class Work:
    """What there is to do for one configured feed and those below it.

    ``everything``: the settings or too many articles changed; else ``changed`` are the ids of the changed articles.
    ``names`` are the feeds to build, ``fresh`` those to make first, ``gone`` those that ``per`` asks for no more;
    ``refused`` counts the terms that got no feed because there are too many.
    """

    revision: int
    everything: bool = False
    changed: list[int] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    fresh: list[FeedRecord] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def empty(self) -> bool:
        return not (self.everything or self.changed or self.names or self.fresh or self.gone)


def find_all_work(
    session: Session,
    wanted: Mapping[str, PublicFeed],
    records: Mapping[str, FeedRecord],
    *,
    revision: int,
    now: datetime,
) -> dict[str, Work]:
    """What there is to do for each of these feeds. ``records`` are their own rows, as far as there are any."""
    # Feeds that were built in one run share revision and time, so this asks once.
    changed = cache(lambda revision, since: changed_ids(session, revision, since, now, MOST_CHANGED))
    work = {
        name: _find_work(session, feed, records.get(name), changed, revision=revision, now=now)
        for name, feed in wanted.items()
    }
    for name, base in feeds_due(session, list(wanted), now).items():
        work[base].names.add(name)
    return work


def _find_work(
    session: Session,
    wanted: PublicFeed,
    record: FeedRecord | None,
    changed_since: Callable[[int, datetime], list[int] | None],
    *,
    revision: int,
    now: datetime,
) -> Work:
    """What the articles and the settings ask for. ``record`` is the configured feed's own row."""
    work = Work(revision=revision)
    changed: list[int] | None = None
    if (
        record is not None
        and record.gone_at is None
        and record.settings_hash == wanted.settings_hash
        and 0 <= record.revision <= revision
    ):
        changed = [] if wanted.digest else changed_since(record.revision, record.built_at)
    if changed is None:
        _everything(session, wanted, work, now)
        return work
    work.changed = changed
    if changed:
        _by_articles(session, wanted, record, work, now)
    return work


def _everything(session: Session, wanted: PublicFeed, work: Work, now: datetime) -> None:
    feed = wanted.feed
    known = feeds_below(session, wanted.name)
    work.everything = True
    work.names = {wanted.name} | {name for name, row in known.items() if row.kind in feed.per}
    work.gone = [name for name, row in known.items() if row.gone_at is None and row.kind not in feed.per]
    had = {row.of for row in known.values()}
    found = [
        of
        for kind in feed.per
        for of in terms_in_use(session, feed, kind, at_least=feed.per_min, limit=feed.per_max + len(had), now=now)
        if of not in had and of.term
    ]
    room = max(0, feed.per_max - len(work.names) + 1)
    work.refused = len(found[room:])
    work.fresh = [_fresh(wanted, of, newest_labels(session, feed, of, now), now) for of in found[:room]]


def _by_articles(session: Session, wanted: PublicFeed, record: FeedRecord | None, work: Work, now: datetime) -> None:
    feed = wanted.feed
    held = held_by(session, work.changed, wanted.name)
    work.names |= {row.feed for row in held}
    where = {(row.feed, row.article_id) for row in held}
    found = changed_articles(session, work.changed, feed, labelled=bool(feed.per))
    if record is not None and any(_enters(record, feed, article, where) for article in found):
        work.names.add(wanted.name)
    if not feed.per:
        return
    by_term: dict[Term, list[Changed]] = {}
    for article in found:
        for of in article.labels:
            if of.kind in feed.per and of.term:
                by_term.setdefault(of, []).append(article)
    known = feeds_of_terms(session, wanted.name, by_term)
    for of, row in known.items():
        if any(_enters(row, feed, article, where) for article in by_term[of]):
            work.names.add(row.name)
    _make(session, wanted, {of: rows for of, rows in by_term.items() if of not in known}, work, now)


def _enters(row: FeedRecord, feed: Feed, article: Changed, where: Iterable[tuple[str, int]]) -> bool:
    """Whether an article that a feed takes makes a difference to it: not one that is older than its last entry."""
    if (row.name, article.id) in where or feed.archive or row.oldest_at is None:
        return True
    return article.published_at >= row.oldest_at


def _make(
    session: Session, wanted: PublicFeed, by_term: Mapping[Term, list[Changed]], work: Work, now: datetime
) -> None:
    """New terms get feeds, as many as there may be."""
    room = max(0, wanted.feed.per_max - count_feeds_below(session, wanted.name)) if by_term else 0
    for of in sorted(by_term):
        label = next((article.labels[of] for article in by_term[of] if article.makes_feeds), "")
        if not label or not has_at_least(session, wanted.feed, of, wanted.feed.per_min, now):
            continue
        if len(work.fresh) < room:
            work.fresh.append(_fresh(wanted, of, label, now))
        else:
            work.refused += 1


def _fresh(wanted: PublicFeed, of: Term, label: str, now: datetime) -> FeedRecord:
    return FeedRecord(
        name="",
        base=wanted.name,
        kind=of.kind,
        term=of.term,
        label=label,
        title=wanted.title_of(of.kind, label),
        built_at=now,
    )
