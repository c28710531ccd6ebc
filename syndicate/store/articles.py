"""Articles in the store: windows for feeds, what is new for digests, and the numbers of decision 1.

Writing what a poll brought lives in ``mirror.py``. Functions take a Session and never commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, exists, func, or_, select, update
from sqlmodel import Session, SQLModel

from syndicate.config.sections import Selection
from syndicate.core.article.text import fold
from syndicate.core.selection import Outline
from syndicate.core.topics import article_topics
from syndicate.model import Article, ArticleContent, ArticleKind, Attachment
from syndicate.store.statements import upsert
from syndicate.store.tables import ArticleRow, ArticleTermRow, CounterRow

SEQ = "article_seq"
REVISION = "article_revision"
_CHUNK = 500  # ids in one IN list

articles = SQLModel.metadata.tables[str(ArticleRow.__tablename__)]
terms = SQLModel.metadata.tables[str(ArticleTermRow.__tablename__)]
counters = SQLModel.metadata.tables[str(CounterRow.__tablename__)]

# Built once, and without the columns that ``to_article`` does not read: turning times and lists into Python's is most
# of what reading an article costs.
_UNREAD = {"revision", "material_version", "content_hash", "first_seen_at", "changed_at"}
_BY_IDS = select(*(column for column in articles.c if column.name not in _UNREAD)).where(
    articles.c.id.in_(bindparam("ids", expanding=True))
)
_COUNTER = select(counters.c.value).where(counters.c.name == bindparam("name"))


def newest(session: Session, selection: Selection, *, limit: int, now: datetime) -> list[Article]:
    """Read the window of a feed: the newest published articles of a selection, by publication time, newest first.

    Published = has a number, is not withdrawn, has not expired at ``now``. All lists of the selection that are not
    empty must match.
    """
    ids = [row.id for row in session.connection().execute(window(selection, limit=limit, now=now))]
    found = by_ids(session, ids)
    return [found[id_] for id_ in ids]


def above(
    session: Session, seq: int, selection: Selection, *, now: datetime, away_since: datetime | None = None
) -> list[Outline]:
    """Outline the published articles of a selection whose number is higher than ``seq``, in no particular order.

    With ``away_since`` those withdrawn after it, too.
    """
    return _outlines(session, numbered_above(seq, selection, now=now, away_since=away_since))


def published_since(
    session: Session, since: datetime, selection: Selection, *, now: datetime, away_since: datetime | None = None
) -> list[Outline]:
    """Outline the published articles of a selection that are not dated before a time, in no particular order.

    With ``away_since`` those withdrawn after it, too.
    """
    return _outlines(session, dated_from(since, selection, now=now, away_since=away_since))


def outlines(session: Session, ids: Iterable[int]) -> list[Outline]:
    """Outline numbered articles by id, withdrawn and expired ones too; unknown ids are left out."""
    return [
        outline
        for chunk in chunks(ids)
        for outline in _outlines(session, _outline().where(articles.c.id.in_(chunk), articles.c.seq.is_not(None)))
    ]


def by_ids(session: Session, ids: Iterable[int]) -> dict[int, Article]:
    """Read articles by id, in whatever state they are; unknown ids are left out."""
    found: dict[int, Article] = {}
    for chunk in chunks(ids):
        for row in session.connection().execute(_BY_IDS, {"ids": chunk}):
            found[row.id] = to_article(row)
    return found


def highest_seq(session: Session) -> int:
    """The last sequence number given, 0 if none."""
    return _counter(session, SEQ)


def highest_revision(session: Session) -> int:
    """The last revision given: it grows with every change that readers could see."""
    return _counter(session, REVISION)


def number_due(session: Session, now: datetime) -> int:
    """Give numbers to the waiting articles whose time has come, in the order of their dates. Returns how many."""
    waiting = (
        select(articles.c.id)
        .where(articles.c.seq.is_(None), articles.c.withdrawn_at.is_(None), articles.c.published_at <= now)
        .order_by(articles.c.published_at, articles.c.id)
    )
    if session.connection().execute(waiting.limit(1)).first() is None:
        return 0
    # The counters in the same order as in mirror.apply: crosswise, two processes on PostgreSQL end in a deadlock.
    revision = take_numbers(session, REVISION, 1)[0]
    # Asked again under that lock: a second process may have numbered them meanwhile.
    due = list(session.connection().execute(waiting).scalars())
    if not due:
        return 0
    seqs = take_numbers(session, SEQ, len(due))
    statement = (
        update(articles)
        .where(articles.c.id == bindparam("of"), articles.c.seq.is_(None))
        .values(seq=bindparam("to_seq"), revision=revision)
    )
    changes = [{"of": id_, "to_seq": seq} for id_, seq in zip(due, seqs, strict=True)]
    return session.connection().execute(statement, changes).rowcount


def next_due(session: Session) -> datetime | None:
    """When the next waiting article becomes publishable."""
    query = select(func.min(articles.c.published_at)).where(articles.c.seq.is_(None), articles.c.withdrawn_at.is_(None))
    found: datetime | None = session.connection().execute(query).scalar_one()
    return found


def take_numbers(session: Session, name: str, count: int) -> range:
    """Take the next ``count`` numbers of a counter, for this transaction.

    The UPDATE locks the counter's row until commit (SQLite: BEGIN IMMEDIATE has locked all already). So whoever takes
    higher numbers commits later, and a reader who sees number n sees every number below it: cursors never skip an
    article (decision 1).
    """
    statement = upsert(session, counters).values(name=name, value=count)
    statement = statement.on_conflict_do_update(
        index_elements=[counters.c.name], set_={"value": counters.c.value + statement.excluded.value}
    )
    last = session.connection().execute(statement.returning(counters.c.value)).scalar_one()
    return range(last - count + 1, last + 1)


def numbered_above(seq: int, selection: Selection, *, now: datetime, away_since: datetime | None = None) -> Select[Any]:
    """Build the statement behind ``above``: a walk along the numbers. Public so that tests can EXPLAIN it."""
    return _outline().where(articles.c.seq > seq, *_at_hand(now, away_since), *matching(selection))


def dated_from(
    since: datetime, selection: Selection, *, now: datetime, away_since: datetime | None = None
) -> Select[Any]:
    """Build the statement behind ``published_since``: a walk along the dates. Public so that tests can EXPLAIN it.

    With a condition on the number too, or an order by it, SQLite walks along the numbers through the whole archive:
    0.37 s for 30,000 articles of which 50 are of the last week.
    """
    return _outline().where(articles.c.published_at >= since, *_at_hand(now, away_since), *matching(selection))


class Term(NamedTuple):
    """What a feed made by ``per`` is of: a category, tag, author (folded), a source, or a language (lower case)."""

    kind: str
    term: str


def window(selection: Selection, *, limit: int, now: datetime, of: Term | None = None) -> Select[Any]:
    """Build the statement behind ``newest``: ids in order. Public so that tests can EXPLAIN it.

    100,000 articles, SQLite: a walk back along one index until ``limit`` are found, 0.3 ms for 50; the same statement
    with EXISTS as its only use of terms scanned all articles for a rare category (70 ms).
    """
    return newest_first(selection, published(now), of=of).limit(limit)


def newest_first(selection: Selection, state: Sequence[ColumnElement[bool]], *, of: Term | None = None) -> Select[Any]:
    """``id`` and ``published_at`` of the articles of a selection (and term) in some state, newest first."""
    # The list with the fewest terms leads: a single term's rows stand in the index in the order we want.
    lists = sorted(_term_lists(selection, of), key=lambda entry: len(entry[1]))
    if not lists:
        return (
            select(articles.c.id, articles.c.published_at)
            .where(*state, *_plain(selection, of))
            .order_by(articles.c.published_at.desc(), articles.c.id.desc())
        )
    (kind, leading), *rest = lists
    query = (
        select(terms.c.article_id.label("id"), terms.c.published_at)
        .select_from(terms.join(articles, articles.c.id == terms.c.article_id))
        .where(terms.c.kind == kind, *state, *_plain(selection, of), *_having(rest))
        .order_by(terms.c.published_at.desc(), terms.c.article_id.desc())
    )
    if len(leading) == 1:
        return query.where(terms.c.term == leading[0])
    return query.where(terms.c.term.in_(leading)).distinct()  # an article with two of the tags is one article


def matching(selection: Selection, *, of: Term | None = None) -> list[ColumnElement[bool]]:
    """The conditions of a selection (and term), for statements that find their articles by id or number."""
    return [*_plain(selection, of), *_having(_term_lists(selection, of))]


def to_article(row: Row[Any]) -> Article:
    """Turn a full row of ``articles`` into the model's value."""
    content = ArticleContent(
        key=row.key,
        title=row.title,
        url=row.url,
        html=row.html,
        markdown=row.markdown,
        summary=row.summary,
        authors=tuple(row.authors),
        publisher=row.publisher,
        category=row.category,
        tags=tuple(row.tags),
        language=row.language,
        published_at=row.published_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
        withdrawn=row.withdrawn_at is not None,
        pinned=row.pinned,
        kind=ArticleKind(row.kind),
        image=row.image,
        image_alt=row.image_alt,
        comments=row.comments,
        comments_url=row.comments_url,
        popularity=row.popularity,
        comments_feed=row.comments_feed,
        attachments=tuple(Attachment(**attachment) for attachment in row.attachments),
    )
    return Article(
        id=row.id,
        uid=row.uid,
        source=row.source,
        seq=row.seq,
        version=row.version,
        published_at=row.published_at,
        updated_at=row.updated_at,
        withdrawn_at=row.withdrawn_at,
        content=content,
    )


def chunks(values: Iterable[Any], size: int = _CHUNK) -> Iterator[list[Any]]:
    """Cut values into lists that fit an IN list."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _outline() -> Select[Any]:
    table = articles.c
    return select(
        table.id,
        table.seq,
        table.version,
        table.published_at,
        table.category,
        table.tags,
        table.language,
        table.title,
        table.popularity,
        table.pinned,
        table.expires_at,
        table.withdrawn_at,
    )


def _outlines(session: Session, query: Select[Any]) -> list[Outline]:
    return [
        Outline(
            id=row.id,
            seq=row.seq,
            version=row.version,
            published_at=row.published_at,
            topics=article_topics(row.category, row.tags),
            category=(row.category or "").casefold(),
            language=row.language or "",
            title=row.title,
            popularity=row.popularity,
            pinned=row.pinned,
            expires_at=row.expires_at,
            withdrawn_at=row.withdrawn_at,
        )
        for row in session.connection().execute(query)
    ]


def _counter(session: Session, name: str) -> int:
    return session.connection().execute(_COUNTER, {"name": name}).scalar_one_or_none() or 0


def published(now: datetime) -> list[ColumnElement[bool]]:
    """The conditions of what readers may see at ``now``."""
    return _at_hand(now, None)


def _at_hand(now: datetime, away_since: datetime | None) -> list[ColumnElement[bool]]:
    there = articles.c.withdrawn_at.is_(None)
    return [
        articles.c.seq.is_not(None),
        there if away_since is None else or_(there, articles.c.withdrawn_at > away_since),
        or_(articles.c.expires_at.is_(None), articles.c.expires_at > now),
    ]


def _term_lists(selection: Selection, of: Term | None) -> list[tuple[str, Sequence[str]]]:
    given = (("category", selection.categories), ("tag", selection.tags), ("author", selection.authors))
    lists: list[tuple[str, Sequence[str]]] = [
        (kind, tuple(dict.fromkeys(map(fold, values)))) for kind, values in given if values
    ]
    if of is not None and of.kind in {"category", "tag", "author"}:
        lists.append((of.kind, (of.term,)))
    return lists


def _plain(selection: Selection, of: Term | None) -> list[ColumnElement[bool]]:
    """The conditions on columns of the article itself."""
    conditions: list[ColumnElement[bool]] = []
    if selection.sources:
        conditions.append(articles.c.source.in_(selection.sources))
    if selection.languages:
        conditions.append(_speaks(selection.languages))
    if of is not None and of.kind == "source":
        conditions.append(articles.c.source == of.term)
    if of is not None and of.kind == "language":
        conditions.append(_speaks([of.term]))
    return conditions


def _having(lists: Iterable[tuple[str, Sequence[str]]]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for kind, values in lists:
        other = terms.alias()
        conditions.append(
            exists().where(and_(other.c.article_id == articles.c.id, other.c.kind == kind, other.c.term.in_(values)))
        )
    return conditions


def _speaks(languages: Sequence[str]) -> ColumnElement[bool]:
    """Basic filtering of RFC 4647, section 3.3.1: "en" also takes "en-GB"."""
    tag = func.lower(articles.c.language)
    return or_(*(or_(tag == name.lower(), tag.like(f"{name.lower()}-%")) for name in languages))
