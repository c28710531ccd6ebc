"""What is known of each feed and its published files between builds: rows of ``feeds`` and ``feed_documents``.

Which articles a feed holds is kept in ``feed_entries.py``; the files themselves are no concern of the store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Select, Table, bindparam, delete, func, or_, select, update
from sqlmodel import Session, SQLModel

from syndicate.store.articles import Term, chunks, take_numbers
from syndicate.store.statements import dialect_of, upsert, upsert_in
from syndicate.store.tables import FeedDocumentRow, FeedEntryRow, FeedRow

feeds = SQLModel.metadata.tables[str(FeedRow.__tablename__)]
_documents = SQLModel.metadata.tables[str(FeedDocumentRow.__tablename__)]
_entries = SQLModel.metadata.tables[str(FeedEntryRow.__tablename__)]

# The revision of a feed that was never built: articles begin at 1, so any store is newer.
NEVER_BUILT = -1
# Counts the publications that changed a file: who holds files in memory reads them anew when it grew.
GENERATION = "feed_generation"
_SLUGS = "feed_slugs"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord:
    """One published file: path under ``feeds/``, SHA-256 (hexadecimal), size in bytes, when its bytes last changed.

    ``changed_at`` is in whole seconds, grows with every version, and is the file's mtime. The sizes of the twins are
    None where there is no twin.
    """

    path: str
    feed: str
    format: str
    content_hash: str
    size: int
    entries: int
    changed_at: datetime
    gzip_size: int | None = None
    brotli_size: int | None = None
    brotli_quality: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRecord:
    """One feed as last built; see ``FeedRow`` for its fields. ``error`` says why it could not be built since."""

    name: str
    base: str
    kind: str = ""
    term: str = ""
    label: str = ""
    title: str = ""
    revision: int = NEVER_BUILT
    settings_hash: str = ""
    entries: int = 0
    pages: int = 0
    built_at: datetime
    oldest_at: datetime | None = None
    due_at: datetime | None = None
    error: str | None = None
    gone_at: datetime | None = None
    moved_to: str | None = None
    uid: str | None = None

    @property
    def of(self) -> Term | None:
        """The term that the feed is of, None for a configured one."""
        return Term(self.kind, self.term) if self.kind else None


_FEED_FIELDS = [field.name for field in fields(FeedRecord)]
_DOCUMENT_FIELDS = [field.name for field in fields(DocumentRecord)]
# What a run asks each time is built once: building a statement costs as much as running it.
_FEED_COLUMNS = [feeds.c[name] for name in _FEED_FIELDS]
_DOCUMENT_COLUMNS = [_documents.c[name] for name in _DOCUMENT_FIELDS]
_BASES = select(*_FEED_COLUMNS).where(feeds.c.kind == "").order_by(feeds.c.name)
_DUE = select(feeds.c.name, feeds.c.base).where(
    feeds.c.gone_at.is_(None), or_(feeds.c.error.is_not(None), feeds.c.due_at <= bindparam("now"))
)
_NAMED = select(*_FEED_COLUMNS).where(feeds.c.name.in_(bindparam("names", expanding=True)))
_DOCUMENTS = (
    select(*_DOCUMENT_COLUMNS)
    .where(_documents.c.feed.in_(bindparam("names", expanding=True)))
    .order_by(_documents.c.path)
)
_CONSIDERED = (
    update(feeds)
    .where(feeds.c.name == bindparam("considered"))
    .values({name: bindparam(name) for name in ("revision", "settings_hash", "built_at")})
)
_COUNTS = select(feeds.c.base, func.count()).join(_documents, _documents.c.feed == feeds.c.name).group_by(feeds.c.base)


def recorded_bases(session: Session) -> dict[str, FeedRecord]:
    """The rows of all that is or was configured, by name; those that are gone too."""
    return _records(session, _BASES)


def recorded_feeds(session: Session, names: Iterable[str]) -> dict[str, FeedRecord]:
    """The rows of these feeds, by name."""
    found: dict[str, FeedRecord] = {}
    for chunk in chunks(names):
        found |= _records(session, _NAMED, names=chunk)
    return found


def feeds_below(session: Session, base: str) -> dict[str, FeedRecord]:
    """The feeds that ``per`` has made of a configured feed, those that are gone too."""
    return _records(session, select(feeds).where(feeds.c.base == base, feeds.c.kind != "").order_by(feeds.c.name))


def feeds_of_terms(session: Session, base: str, terms: Iterable[Term]) -> dict[Term, FeedRecord]:
    """The feeds of these terms below a configured feed, as far as there are any."""
    by_kind: dict[str, list[str]] = {}
    for kind, term in terms:
        by_kind.setdefault(kind, []).append(term)
    found: dict[Term, FeedRecord] = {}
    for kind, values in by_kind.items():
        for chunk in chunks(values):
            query = select(feeds).where(feeds.c.base == base, feeds.c.kind == kind, feeds.c.term.in_(chunk))
            found |= {Term(record.kind, record.term): record for record in _records(session, query).values()}
    return found


def living_feeds(session: Session) -> list[FeedRecord]:
    """All feeds that readers can follow: configured ones first, each before those below it, in the order of names."""
    query = select(feeds).where(feeds.c.gone_at.is_(None)).order_by(feeds.c.base, feeds.c.kind, feeds.c.name)
    return list(_records(session, query).values())


def feeds_due(session: Session, bases: Collection[str], now: datetime) -> dict[str, str]:
    """The feeds that failed, or that time alone changes until ``now``: each with the configured one it belongs to."""
    found = session.connection().execute(_DUE, {"now": now})
    return {name: base for name, base in found if base in bases}


def settle_uid(session: Session, feed: FeedRecord, uid: str) -> str:
    """Give a configured feed its permanent id, unless it has one. Returns the one that it has, which no other has."""
    connection = session.connection()
    taken = set(connection.execute(select(feeds.c.uid).where(feeds.c.uid.is_not(None))).scalars())
    number = 1
    free = uid
    while free in taken:  # of a feed that was renamed, whose old name serves again
        number += 1
        free = f"{uid}-{number}"
    statement = upsert(session, feeds).values(_values(feed) | {"uid": free})
    statement = statement.on_conflict_do_update(
        index_elements=[feeds.c.name], set_={"uid": func.coalesce(feeds.c.uid, statement.excluded.uid)}
    )
    settled: str = connection.execute(statement.returning(feeds.c.uid)).scalar_one()
    return settled


def create_feeds(session: Session, wanted: Sequence[FeedRecord], name: Any) -> list[FeedRecord]:
    """Give the feeds of new terms their names for ever: ``name(record, taken)`` makes one that is not taken.

    Terms that have a feed meanwhile keep theirs. Returns the rows of all of them.
    """
    if not wanted:
        return []
    take_numbers(session, _SLUGS, 1)  # one at a time: two machines must not give one name to two terms
    base = wanted[0].base
    known = feeds_of_terms(session, base, [record.of for record in wanted if record.of])
    taken = set(session.connection().execute(select(feeds.c.name).where(feeds.c.base == base)).scalars())
    made = []
    for record in wanted:
        if record.of in known:
            continue
        values = _values(record) | {"name": name(record, taken)}
        taken.add(values["name"])
        made.append(values)
    if made:
        session.connection().execute(feeds.insert(), made)
    found = feeds_of_terms(session, base, [record.of for record in wanted if record.of])
    return [found[record.of] for record in wanted if record.of in found]


def count_feeds_below(session: Session, base: str) -> int:
    """How many living feeds ``per`` has made of a configured feed."""
    query = select(feeds.c.name).where(feeds.c.base == base, feeds.c.kind != "", feeds.c.gone_at.is_(None))
    return len(session.connection().execute(query).all())


def documents_of(session: Session, names: Iterable[str]) -> dict[str, dict[str, DocumentRecord]]:
    """The files of these feeds, by feed and path."""
    found: dict[str, dict[str, DocumentRecord]] = {}
    for chunk in chunks(names):
        for row in session.connection().execute(_DOCUMENTS, {"names": chunk}):
            found.setdefault(row.feed, {})[row.path] = _document(row)
    return found


def count_documents(session: Session) -> dict[str, int]:
    """How many files each configured feed has, with those of all feeds below it."""
    return {base: count for base, count in session.connection().execute(_COUNTS)}  # noqa: C416 - rows, not pairs


def documents_below(session: Session, bases: Sequence[str]) -> dict[str, list[DocumentRecord]]:
    """All files of configured feeds and of the feeds below them, archives too, by configured feed."""
    found: dict[str, list[DocumentRecord]] = {}
    query = (
        select(_documents, feeds.c.base).join(feeds, feeds.c.name == _documents.c.feed).where(feeds.c.base.in_(bases))
    )
    for row in session.connection().execute(query):
        found.setdefault(row.base, []).append(_document(row))
    return found


def record_feed(
    session: Session, feed: FeedRecord, *, written: Iterable[DocumentRecord] = (), removed: Sequence[str] = ()
) -> None:
    """Keep what was built: the feed's row, the rows of the documents looked at, and without those removed."""
    _put_many(session, feeds, [_values(feed)])
    for chunk in chunks(removed):
        session.connection().execute(delete(_documents).where(_documents.c.path.in_(chunk)))
    record_documents(session, written)


def record_documents(session: Session, documents: Iterable[DocumentRecord]) -> None:
    """Bring the rows of files up to date."""
    rows = [{name: getattr(document, name) for name in _DOCUMENT_FIELDS} for document in documents]
    _put_many(session, _documents, rows)


def record_failed(session: Session, feed: FeedRecord, error: str) -> None:
    """Keep why a feed could not be built. What is known of its last good build stays, so the next run tries again."""
    _put_many(session, feeds, [_values(feed) | {"error": error}], only=("error",))


def record_considered(session: Session, name: str, *, revision: int, settings_hash: str, now: datetime) -> None:
    """A configured feed and all below it are up to date with these settings and the articles of this revision."""
    values = {"considered": name, "revision": revision, "settings_hash": settings_hash, "built_at": now}
    session.connection().execute(_CONSIDERED, values)


def record_gone(session: Session, names: Sequence[str], now: datetime) -> None:
    """Feeds that are published no more. Their rows stay, so that their addresses can say so."""
    for chunk in chunks(names):
        connection = session.connection()
        connection.execute(delete(_documents).where(_documents.c.feed.in_(chunk)))
        connection.execute(delete(_entries).where(_entries.c.feed.in_(chunk)))
        connection.execute(
            update(feeds)
            .where(feeds.c.name.in_(chunk))
            .values(gone_at=now, revision=NEVER_BUILT, settings_hash="", entries=0, pages=0, error=None, due_at=None)
        )


def record_moved(session: Session, old: str, new: str, now: datetime) -> bool:
    """The addresses of a renamed feed lead to the new one's; so do those that led to the old. Says if it is news.

    Its permanent id becomes the new one's, unless that was published already and has its own (RFC 4287, 4.2.6.1).
    """
    connection = session.connection()
    known = connection.execute(select(feeds.c.moved_to, feeds.c.uid).where(feeds.c.name == old)).first()
    if known is not None and known.moved_to == new:
        return False
    record = FeedRecord(name=old, base=old, built_at=now, gone_at=now, moved_to=new)
    _put_many(session, feeds, [_values(record)], only=("gone_at", "moved_to", "uid"))
    connection.execute(update(feeds).where(feeds.c.moved_to == old).values(moved_to=new))
    if known is not None and known.uid is not None:
        settle_uid(session, FeedRecord(name=new, base=new, built_at=now), known.uid)
    return True


def below_quality(session: Session, quality: int, limit: int) -> list[DocumentRecord]:
    """Documents whose brotli twin is of a lower quality, the latest changed first: those are fetched most."""
    query = (
        select(_documents)
        .where(_documents.c.brotli_quality > 0, _documents.c.brotli_quality < quality)
        .order_by(_documents.c.changed_at.desc(), _documents.c.path)
        .limit(limit)
    )
    return [_document(row) for row in session.connection().execute(query)]


def raise_generation(session: Session) -> int:
    """Tell all who hold files in memory that some have changed."""
    return take_numbers(session, GENERATION, 1)[-1]


def _records(session: Session, query: Select[Any], **parameters: Any) -> dict[str, FeedRecord]:
    return {
        row.name: FeedRecord(**{name: getattr(row, name) for name in _FEED_FIELDS})
        for row in session.connection().execute(query, parameters)
    }


def _values(feed: FeedRecord) -> dict[str, Any]:
    return {name: getattr(feed, name) for name in _FEED_FIELDS}


def _document(row: Row[Any]) -> DocumentRecord:
    return DocumentRecord(**{name: getattr(row, name) for name in _DOCUMENT_FIELDS})


def _put_many(session: Session, table: Table, rows: Sequence[dict[str, Any]], only: tuple[str, ...] = ()) -> None:
    """Insert rows or bring those that stand up to date (or some of their columns): two machines may build at once."""
    if rows:
        session.connection().execute(_put_statement(dialect_of(session), table, only or tuple(rows[0])), rows)


@lru_cache
def _put_statement(dialect: str, table: Table, names: tuple[str, ...]) -> Any:
    keys = [column.name for column in table.primary_key]
    statement = upsert_in(dialect, table)
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)
