"""Writes what a poll brought into the mirror of articles: rows, terms, versions, numbers. Not how it is read.

In bulk: a page of some hundred articles is a handful of statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlmodel import Session, SQLModel

from syndicate.core.article.change import Change, ChangeKind
from syndicate.core.article.identity import tag_uri
from syndicate.errors import ArticleError
from syndicate.model import Article, ArticleContent
from syndicate.store.articles import REVISION, SEQ, articles, chunks, take_numbers, terms, to_article
from syndicate.store.tables import ArticleVersionRow

versions = SQLModel.metadata.tables[str(ArticleVersionRow.__tablename__)]


@dataclass(frozen=True, slots=True)
class Mirrored:
    """An article as it stands, with the hash of its content."""

    article: Article
    content_hash: str


def mirrored(session: Session, source: str, keys: Iterable[str]) -> dict[str, Mirrored]:
    """Read the articles of a source by their keys."""
    found: dict[str, Mirrored] = {}
    for chunk in chunks(keys):
        query = select(articles).where(articles.c.source == source, articles.c.key.in_(chunk))
        for row in session.connection().execute(query):
            found[row.key] = Mirrored(to_article(row), row.content_hash)
    return found


def apply(session: Session, source: str, changes: Sequence[Change], *, authority: str, now: datetime) -> None:
    """Write changes, with one new revision for all of them and sequence numbers in the order of their dates.

    Raises ArticleError when the database refuses a value; the transaction is void then.
    """
    if not changes:
        return
    revision = take_numbers(session, REVISION, 1)[0]
    due = sorted(
        (index for index, change in enumerate(changes) if change.publish),
        key=lambda index: (changes[index].published_at, changes[index].content.key),
    )
    numbers = dict(zip(due, take_numbers(session, SEQ, len(due)), strict=True)) if due else {}
    new: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    for index, change in enumerate(changes):
        row = _row(change, numbers.get(index), revision, now)
        if change.before is None:
            uid = tag_uri(authority, now.date(), source, change.content.key)
            new.append(
                row
                | {"material_version": 1, "uid": uid, "source": source, "key": change.content.key, "first_seen_at": now}
            )
        else:
            known.append(row | {"of": change.before.id})
    with _refusals():
        ids = {change.before.id: change for change in changes if change.before is not None}
        ids |= _insert(session, new, {change.content.key: change for change in changes if change.before is None})
        _update(session, known)
        _keep_versions(session, changes, now)
        _write_terms(session, ids)


def withdraw(session: Session, source: str, keys: Iterable[str], *, now: datetime) -> int:
    """Withdraw articles by their keys. Returns how many were not withdrawn yet."""
    count = 0
    for chunk in chunks(keys):
        open_ = [articles.c.source == source, articles.c.key.in_(chunk), articles.c.withdrawn_at.is_(None)]
        if session.connection().execute(select(articles.c.id).where(*open_).limit(1)).first() is None:
            continue
        revision = take_numbers(session, REVISION, 1)[0]
        statement = update(articles).where(*open_).values(withdrawn_at=now, revision=revision, changed_at=now)
        count += session.connection().execute(statement).rowcount
    return count


def withdraw_all(session: Session, source: str, *, now: datetime) -> int:
    """Withdraw all articles of a source. Returns how many were not withdrawn yet."""
    keys = select(articles.c.key).where(articles.c.source == source, articles.c.withdrawn_at.is_(None))
    return withdraw(session, source, list(session.connection().execute(keys).scalars()), now=now)


def _row(change: Change, seq: int | None, revision: int, now: datetime) -> dict[str, Any]:
    content = change.content
    return {
        "seq": seq if change.before is None or change.before.seq is None else change.before.seq,
        "revision": revision,
        "version": change.version,
        "material_version": change.version if change.material else None,
        "content_hash": change.content_hash,
        "title": content.title,
        "url": content.url,
        "html": content.html,
        "markdown": content.markdown,
        "summary": content.summary,
        "authors": content.authors,
        "publisher": content.publisher,
        "category": content.category,
        "tags": content.tags,
        "language": content.language,
        "published_at": change.published_at,
        "updated_at": change.updated_at,
        "expires_at": content.expires_at,
        "withdrawn_at": change.withdrawn_at,
        "pinned": content.pinned,
        "kind": content.kind.value,
        "image": content.image,
        "image_alt": content.image_alt,
        "comments": content.comments,
        "comments_url": content.comments_url,
        "popularity": content.popularity,
        "comments_feed": content.comments_feed,
        "attachments": [asdict(attachment) for attachment in content.attachments],
        "changed_at": now,
    }


def _insert(session: Session, rows: list[dict[str, Any]], by_key: dict[str, Change]) -> dict[int, Change]:
    if not rows:
        return {}
    statement = insert(articles).returning(articles.c.id, articles.c.key)
    return {row.id: by_key[row.key] for row in session.connection().execute(statement, rows)}


def _update(session: Session, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    columns: dict[str, Any] = {name: bindparam(f"to_{name}") for name in rows[0] if name != "of"}
    kept = articles.c.material_version
    columns["material_version"] = func.coalesce(bindparam("to_material_version", type_=kept.type), kept)
    statement = update(articles).where(articles.c.id == bindparam("of")).values(columns)
    values = [{name if name == "of" else f"to_{name}": value for name, value in row.items()} for row in rows]
    session.connection().execute(statement, values)


def _keep_versions(session: Session, changes: Sequence[Change], now: datetime) -> None:
    rows = [
        {
            "article_id": change.before.id,
            "version": change.before.version,
            "content_hash": change.hash_before,
            "content": _as_json(change.before.content),
            "replaced_at": now,
        }
        for change in changes
        if change.kind is ChangeKind.EDITED and change.before is not None
    ]
    if rows:
        session.connection().execute(insert(versions), rows)


def _as_json(content: ArticleContent) -> dict[str, Any]:
    said = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name in ArticleContent.__dataclass_fields__
        if (value := getattr(content, name)) not in (None, "", (), False)
    }
    if content.attachments:
        said["attachments"] = [asdict(attachment) for attachment in content.attachments]
    return said


def _write_terms(session: Session, changed: dict[int, Change]) -> None:
    known = [
        id_
        for id_, change in changed.items()
        if change.before is not None
        and (
            change.published_at != change.before.published_at or _terms(change.content) != _terms(change.before.content)
        )
    ]
    for chunk in chunks(known):
        session.connection().execute(delete(terms).where(terms.c.article_id.in_(chunk)))
    rewritten = set(known)
    rows = [
        {"article_id": id_, "kind": kind, "term": term, "published_at": change.published_at}
        for id_, change in changed.items()
        if change.before is None or id_ in rewritten
        for kind, term in _terms(change.content)
    ]
    if rows:
        session.connection().execute(insert(terms), rows)


def _terms(content: ArticleContent) -> set[tuple[str, str]]:
    # The names are clean already: case is all that ``fold`` would change.
    found = {("tag", tag.casefold()) for tag in content.tags}
    found.update(("author", author.casefold()) for author in content.authors)
    if content.category:
        found.add(("category", content.category.casefold()))
    return found


@contextmanager
def _refusals() -> Iterator[None]:
    """The database's refusal of a value is one article's problem; what it is depends on the driver."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        reason = " ".join(str(error.orig).split()) or type(error.orig).__name__
        raise ArticleError(f"the database does not take it: {reason}") from error
