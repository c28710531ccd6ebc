"""Which articles each feed holds, and which feeds a change touches: found by index, not by trying all feeds.

A row without a page is in the feed's window, or waits for the archive; page 0 is watched only (a change of it matters,
but it is no entry); page 1 and up are the archive's, for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, func, literal, or_, select, union_all, update
from sqlmodel import Session, SQLModel

from syndicate.config.sections import Selection
from syndicate.core.article.text import fold
from syndicate.store.articles import Term, articles, chunks, matching, newest_first, published, terms
from syndicate.store.statements import among, upsert
from syndicate.store.tables import FeedEntryRow, FeedRow

_entries = SQLModel.metadata.tables[str(FeedEntryRow.__tablename__)]
_feeds = SQLModel.metadata.tables[str(FeedRow.__tablename__)]

WATCHED = 0
_WINDOW = select(_entries.c.article_id, _entries.c.page).where(
    _entries.c.feed == bindparam("feed"), or_(_entries.c.page.is_(None), _entries.c.page == WATCHED)
)
# An article with more terms of a kind makes no feeds by itself: 10,000 categories are a mistake or an attack.
MOST_TERMS = 50


class Changed(NamedTuple):
    """A changed article as far as it decides which feeds are touched.

    ``labels``: its terms of every kind, as it writes them; an empty one makes no feed. ``makes_feeds``: not too many.
    """

    id: int
    published_at: datetime
    labels: dict[Term, str]
    makes_feeds: bool


class Held(NamedTuple):
    """An article that a feed holds."""

    feed: str
    article_id: int
    page: int | None


def changed_ids(session: Session, revision: int, since: datetime, now: datetime, limit: int) -> list[int] | None:
    """The articles that readers see differently: changed after a revision, or expired after ``since``. By two indexes.

    None when there are more than ``limit``: then building everything costs less than finding out.

    100,000 articles of which a tenth expires, SQLite: 0.2 ms by the indexes, 33 ms without.
    """
    query = changed_statement(revision, since, now).limit(limit + 1)
    found = list(dict.fromkeys(session.connection().execute(query).scalars()))
    return found if len(found) <= limit else None


def changed_statement(revision: int, since: datetime, now: datetime) -> Any:
    """Build the statement behind ``changed_ids``; public so that tests can EXPLAIN it."""
    return union_all(
        select(articles.c.id).where(articles.c.revision > revision),
        select(articles.c.id).where(articles.c.expires_at > since, articles.c.expires_at <= now),
    )


def held_by(session: Session, ids: Iterable[int], base: str) -> list[Held]:
    """Where these articles are held, among the feeds of a configured one."""
    found: list[Held] = []
    for chunk in chunks(ids):
        query = (
            select(_entries.c.feed, _entries.c.article_id, _entries.c.page)
            .join(_feeds, _feeds.c.name == _entries.c.feed)
            .where(_entries.c.article_id.in_(chunk), _feeds.c.base == base)
        )
        found += [Held(*row) for row in session.connection().execute(query)]
    return found


def changed_articles(
    session: Session, ids: Iterable[int], selection: Selection, *, labelled: bool = True
) -> list[Changed]:
    """Those of these articles that match a selection and were published once, whatever their state is now.

    Their labels cost a query more, and nobody asks for them where no feeds are made of terms.
    """
    found: list[Changed] = []
    names = ("id", "published_at", "source", "language", "category", "tags", "authors")
    columns = [articles.c[name] for name in names]
    for chunk in chunks(ids):
        query = select(*columns).where(articles.c.id.in_(chunk), articles.c.seq.is_not(None), *matching(selection))
        rows = session.connection().execute(query).all()
        if not labelled:
            found += [Changed(row.id, row.published_at, {}, makes_feeds=False) for row in rows]
            continue
        known = session.connection().execute(
            select(terms.c.article_id, terms.c.kind, terms.c.term).where(
                terms.c.article_id.in_([row.id for row in rows])
            )
        )
        by_article: dict[int, list[Term]] = {}
        for article_id, kind, term in known:
            by_article.setdefault(article_id, []).append(Term(kind, term))
        for row in rows:
            own = by_article.get(row.id, [])
            counted: dict[str, int] = {}
            for kind, _ in own:
                counted[kind] = counted.get(kind, 0) + 1
            found.append(
                Changed(row.id, row.published_at, _labels(row, own), max(counted.values(), default=0) <= MOST_TERMS)
            )
    return found


def window_ids(
    session: Session, selection: Selection, of: Term | None, *, limit: int, now: datetime
) -> list[tuple[int, datetime]]:
    """The newest published articles of a selection and term, newest first: id and time."""
    query = newest_first(selection, published(now), of=of).limit(limit)
    return [(row.id, row.published_at) for row in session.connection().execute(query)]


def withdrawn_ids(
    session: Session, selection: Selection, of: Term | None, *, since: datetime | None, limit: int
) -> list[int]:
    """Articles that were published and withdrawn, among those as new as the window's entries, newest first."""
    state: list[ColumnElement[bool]] = [articles.c.seq.is_not(None), articles.c.withdrawn_at.is_not(None)]
    if since is not None:
        state.append(articles.c.published_at >= since)
    return [row.id for row in session.connection().execute(newest_first(selection, state, of=of).limit(limit))]


def visible_ids(session: Session, ids: Sequence[int], selection: Selection, of: Term | None, now: datetime) -> set[int]:
    """Those of these articles that the selection and term take, and readers may see."""
    found: set[int] = set()
    for chunk in chunks(ids):
        query = select(articles.c.id).where(articles.c.id.in_(chunk), *published(now), *matching(selection, of=of))
        found |= set(session.connection().execute(query).scalars())
    return found


def terms_in_use(
    session: Session, selection: Selection, kind: str, *, at_least: int, limit: int, now: datetime
) -> list[Term]:
    """The terms of a kind that published articles of a selection have, the most frequent first."""
    if kind in {"source", "language"}:
        value = articles.c.source if kind == "source" else func.lower(articles.c.language)
        query = select(value, func.count()).where(value.is_not(None), *published(now), *matching(selection))
    else:
        value = terms.c.term
        crowded = (
            select(terms.c.article_id).group_by(terms.c.article_id, terms.c.kind).having(func.count() > MOST_TERMS)
        )
        offenders = list(session.connection().execute(crowded).scalars())
        query = (
            select(value, func.count())
            .select_from(terms.join(articles, articles.c.id == terms.c.article_id))
            .where(terms.c.kind == kind, *published(now), *matching(selection))
        )
        if offenders:
            query = query.where(~among(session, terms.c.article_id, offenders))
    query = query.group_by(value).having(func.count() >= at_least).order_by(func.count().desc(), value).limit(limit)
    return [Term(kind, row[0]) for row in session.connection().execute(query)]


def newest_labels(session: Session, selection: Selection, of: Term, now: datetime) -> str:
    """How the newest article of a term writes it."""
    found = window_ids(session, selection, of, limit=1, now=now)
    changed = changed_articles(session, [id_ for id_, _ in found], selection)
    return changed[0].labels.get(of, of.term) if changed else of.term


def has_at_least(session: Session, selection: Selection, of: Term, count: int, now: datetime) -> bool:
    """Whether so many published articles have a term."""
    return len(window_ids(session, selection, of, limit=count, now=now)) >= count


def replace_window(
    session: Session, feed: str, before: Mapping[int, int | None], held: Sequence[int], watched: Sequence[int]
) -> None:
    """A feed without an archive holds and watches exactly these; what is on pages of an earlier archive stays.

    ``before`` is what ``window_entries`` found.
    """
    connection = session.connection()
    after: dict[int, int | None] = dict.fromkeys(watched, WATCHED) | dict.fromkeys(held)
    gone = [id_ for id_, page in before.items() if id_ not in after or after[id_] != page]
    for chunk in chunks(sorted(gone)):
        connection.execute(delete(_entries).where(_entries.c.feed == feed, _entries.c.article_id.in_(chunk)))
    stay = before.keys() - set(gone)
    fresh = [{"feed": feed, "article_id": id_, "page": page} for id_, page in after.items() if id_ not in stay]
    if fresh:
        connection.execute(upsert(session, _entries).on_conflict_do_nothing(), fresh)


def window_entries(session: Session, feed: str) -> dict[int, int | None]:
    """What a feed holds on no page (None) and what it watches (``WATCHED``), by article, as last recorded."""
    found = session.connection().execute(_WINDOW, {"feed": feed})
    return {row.article_id: row.page for row in found}


def watch(session: Session, feed: str, ids: Sequence[int]) -> None:
    """An archived feed watches these articles beside those it holds."""
    connection = session.connection()
    connection.execute(delete(_entries).where(_entries.c.feed == feed, _entries.c.page == WATCHED))
    rows = [{"feed": feed, "article_id": id_, "page": WATCHED} for id_ in ids]
    if rows:
        connection.execute(upsert(session, _entries).on_conflict_do_nothing(), rows)


def absorb(
    session: Session, feed: str, selection: Selection, of: Term | None, *, ids: Sequence[int] | None, now: datetime
) -> None:
    """Bring what an archived feed holds up to date with its articles (None: all): new ones wait without a page.

    What is on a page keeps it, withdrawn or not: if it comes back it is the same page's.
    """
    connection = session.connection()
    visible = [*published(now), *matching(selection, of=of)]
    for chunk in [None] if ids is None else chunks(ids):
        among_these = [] if chunk is None else [articles.c.id.in_(chunk)]
        held = [] if chunk is None else [_entries.c.article_id.in_(chunk)]
        taken = select(articles.c.id).where(*among_these, *visible)
        unpaged = or_(_entries.c.page.is_(None), _entries.c.page == WATCHED)
        connection.execute(
            delete(_entries).where(_entries.c.feed == feed, unpaged, *held, _entries.c.article_id.not_in(taken))
        )
        source = select(literal(feed), articles.c.id).where(*among_these, *visible)
        statement = upsert(session, _entries).from_select(["feed", "article_id"], source)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["feed", "article_id"], set_={"page": None}, where=_entries.c.page == WATCHED
            )
        )


def waiting_ids(session: Session, feed: str) -> list[int]:
    """What an archived feed holds on no page yet, oldest first."""
    query = (
        select(_entries.c.article_id)
        .join(articles, articles.c.id == _entries.c.article_id)
        .where(_entries.c.feed == feed, _entries.c.page.is_(None))
        .order_by(articles.c.published_at, articles.c.id)
    )
    return list(session.connection().execute(query).scalars())


def put_on_page(session: Session, feed: str, page: int, ids: Sequence[int]) -> None:
    """Fix the set of articles of a new page of the archive."""
    for chunk in chunks(ids):
        session.connection().execute(
            update(_entries).where(_entries.c.feed == feed, _entries.c.article_id.in_(chunk)).values(page=page)
        )


def page_ids(session: Session, feed: str, page: int) -> list[int]:
    """The articles of a page, whatever their state."""
    query = select(_entries.c.article_id).where(_entries.c.feed == feed, _entries.c.page == page)
    return list(session.connection().execute(query).scalars())


def highest_page(session: Session, feed: str) -> int:
    """The newest page of a feed's archive, 0 if there is none."""
    query = select(func.max(_entries.c.page)).where(_entries.c.feed == feed)
    return session.connection().execute(query).scalar_one() or 0


def _labels(row: Any, own: Iterable[Term]) -> dict[Term, str]:
    """The terms of an article, each as the article writes it."""
    written = {
        "category": {fold(row.category): row.category} if row.category else {},
        "tag": {fold(tag): tag for tag in reversed(row.tags)},
        "author": {fold(author): author for author in reversed(row.authors)},
    }
    labels = {of: written.get(of.kind, {}).get(of.term, of.term) for of in own}
    labels[Term("source", row.source)] = row.source
    if row.language:
        # A feed of "en" takes "en-GB" too (RFC 4647, section 3.3.1), but an article in "en-GB" makes no feed of "en".
        tag = row.language.lower()
        prefixes = [tag[:place] for place, character in enumerate(tag) if character == "-"]
        labels |= {Term("language", prefix): "" for prefix in prefixes} | {Term("language", tag): row.language}
    return labels
