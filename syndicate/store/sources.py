"""What is kept of each source between polls: its reader's state, its items with their stamps, its health."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlmodel import Session, SQLModel

from syndicate.model import ItemProblem
from syndicate.store.articles import chunks
from syndicate.store.statements import upsert
from syndicate.store.tables import ArticleRow, SourceItemRow, SourceRow

sources = SQLModel.metadata.tables[str(SourceRow.__tablename__)]
items = SQLModel.metadata.tables[str(SourceItemRow.__tablename__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord:
    """What an item was found to be. With an error, the article it once became stays its own."""

    item: str
    stamp: str
    key: str | None = None
    error: str | None = None


def hold(session: Session, name: str) -> tuple[Any, timedelta]:
    """Make sure the source has its row and lock it until commit, so that two polls of one source take turns.

    Returns its reader's state and what is added to its articles' dates.
    """
    statement = upsert(session, sources).values(name=name, state={}, date_shift=0).on_conflict_do_nothing()
    session.connection().execute(statement)
    query = select(sources.c.state, sources.c.date_shift).where(sources.c.name == name).with_for_update()
    row = session.connection().execute(query).one()
    return row.state, timedelta(seconds=row.date_shift)


def shift_dates(session: Session, name: str, by: timedelta) -> None:
    """Set what is added to all dates of the source's articles from their next reading on (whole seconds)."""
    hold(session, name)
    seconds = int(by.total_seconds())
    session.connection().execute(update(sources).where(sources.c.name == name).values(date_shift=seconds))


def polled(session: Session, name: str, *, state: Any, now: datetime) -> None:
    """Record a poll that read the whole source."""
    hold(session, name)
    values = {"state": state, "polled_at": now, "ok_at": now, "broken_since": None, "error": None}
    session.connection().execute(update(sources).where(sources.c.name == name).values(values))


def broken(session: Session, name: str, *, error: str, now: datetime, state: Any = None) -> None:
    """Record a poll that could not read the source; its state stays unless a new one is given.

    When it began to be broken is kept.
    """
    hold(session, name)
    since = func.coalesce(sources.c.broken_since, now)
    values = {"polled_at": now, "error": error, "broken_since": since} | ({} if state is None else {"state": state})
    session.connection().execute(update(sources).where(sources.c.name == name).values(values))


def stamps(session: Session, name: str, of: Sequence[str] | None = None) -> dict[str, str]:
    """Read the stamps of all items of a source (100,000: 0.1 s), or of some."""
    query = select(items.c.item, items.c.stamp).where(items.c.source == name)
    if of is None:
        return dict(session.connection().execute(query).all())  # all at once: a third of the time of row by row
    found: dict[str, str] = {}
    for chunk in chunks(of):
        found.update(session.connection().execute(query.where(items.c.item.in_(chunk))).all())
    return found


def keys_of(session: Session, name: str, of: Iterable[str]) -> dict[str, str]:
    """Tell which article each item became; those that became none are left out."""
    found: dict[str, str] = {}
    for chunk in chunks(of):
        query = select(items.c.item, items.c.key).where(
            items.c.source == name, items.c.item.in_(chunk), items.c.key.is_not(None)
        )
        found.update(session.connection().execute(query).all())
    return found


def owners(session: Session, name: str, keys: Iterable[str]) -> dict[str, set[str]]:
    """Tell which items own the articles of these keys."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for chunk in chunks(keys):
        query = select(items.c.key, items.c.item).where(items.c.source == name, items.c.key.in_(chunk))
        for key, item in session.connection().execute(query):
            found[key].add(item)
    return found


def record(session: Session, name: str, records: Sequence[ItemRecord]) -> None:
    """Keep what items were found to be."""
    if not records:
        return
    statement = upsert(session, items)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[items.c.source, items.c.item],
        set_={"stamp": new.stamp, "key": func.coalesce(new.key, items.c.key), "error": new.error},
    )
    rows = [
        {"source": name, "item": entry.item, "stamp": entry.stamp, "key": entry.key, "error": entry.error}
        for entry in records
    ]
    session.connection().execute(statement, rows)


def forget(session: Session, name: str, of: Iterable[str]) -> None:
    """Drop items that are gone."""
    for chunk in chunks(of):
        session.connection().execute(delete(items).where(items.c.source == name, items.c.item.in_(chunk)))


def unconfigured(session: Session, configured: Iterable[str]) -> dict[str, int]:
    """Count the articles, withdrawn ones left out, of each source that the configuration no longer names."""
    articles = SQLModel.metadata.tables[str(ArticleRow.__tablename__)].c
    query = (
        select(articles.source, func.count())
        .where(articles.withdrawn_at.is_(None), articles.source.not_in(list(configured)))
        .group_by(articles.source)
        .order_by(articles.source)
    )
    return dict(session.connection().execute(query).all())


def start_over(session: Session, name: str) -> None:
    """Forget all items of a source and how far it was read."""
    hold(session, name)
    session.connection().execute(delete(items).where(items.c.source == name))
    # No recipe is like this one: should the source come back, all of it is read anew.
    values = {"state": {"recipe": None}, "error": None, "broken_since": None}
    session.connection().execute(update(sources).where(sources.c.name == name).values(values))


def retry_problems(session: Session, name: str) -> None:
    """Have the items with an error read again at the next poll: what stood in their way may be gone."""
    broken_ones = (items.c.source == name, items.c.error.is_not(None))
    session.connection().execute(update(items).where(*broken_ones).values(stamp=""))


def problems_of(session: Session, name: str) -> tuple[ItemProblem, ...]:
    """Read the items that could not be taken, and why."""
    query = select(items.c.item, items.c.error).where(items.c.source == name, items.c.error.is_not(None))
    rows = session.connection().execute(query.order_by(items.c.item))
    return tuple(ItemProblem(item=item, error=error or "") for item, error in rows)
