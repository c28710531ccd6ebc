"""What the web part asks about published feeds: whether anything changed, which are gone, which stand below another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlmodel import Session, SQLModel

from syndicate.store.tables import CounterRow, FeedRow

GENERATION = "feed_generation"

_feeds = SQLModel.metadata.tables[str(FeedRow.__tablename__)]
_counters = SQLModel.metadata.tables[str(CounterRow.__tablename__)]


@dataclass(frozen=True, slots=True)
class Standing:
    """The generation of what is published, and the feeds that are no more.

    ``gone`` has their names (folders under ``feeds/``), each with the present name of a feed that was renamed, None for
    one that was taken down.
    """

    generation: int = 0
    gone: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedBelow:
    """A feed that ``per`` made of another one: ``name`` is its folder, ``label`` the term as people see it."""

    name: str
    kind: str
    label: str
    title: str


def standing(session: Session) -> Standing:
    """Read how things stand; two small queries. The generation grows with every publication that changed a file."""
    connection = session.connection()
    generation = connection.execute(
        select(_counters.c.value).where(_counters.c.name == GENERATION)
    ).scalar_one_or_none()
    rows = connection.execute(select(_feeds.c.name, _feeds.c.moved_to).where(_feeds.c.gone_at.is_not(None)))
    return Standing(generation or 0, {row.name: row.moved_to or None for row in rows})


def feeds_below(session: Session, base: str, *, limit: int = 1000) -> list[FeedBelow]:
    """Read the feeds made of one feed, by kind and label, without those that are gone."""
    rows = session.connection().execute(
        select(_feeds.c.name, _feeds.c.kind, _feeds.c.label, _feeds.c.title)
        .where(_feeds.c.base == base, _feeds.c.kind != "", _feeds.c.gone_at.is_(None))
        .order_by(_feeds.c.kind, _feeds.c.term)
        .limit(limit)
    )
    return [FeedBelow(row.name, row.kind, row.label, row.title) for row in rows]
