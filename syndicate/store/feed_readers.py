"""Readers of feeds by day: sketches of several processes merged, figures of hosted readers, and the day's salt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlmodel import Session, SQLModel

from syndicate.core.feed_readers import Announced, estimate, merged
from syndicate.store.statements import insert_new, upsert
from syndicate.store.tables import AnnouncedReadersRow, FeedReadersRow, ReaderSaltRow

salts = SQLModel.metadata.tables[str(ReaderSaltRow.__tablename__)]
readers = SQLModel.metadata.tables[str(FeedReadersRow.__tablename__)]
announced_readers = SQLModel.metadata.tables[str(AnnouncedReadersRow.__tablename__)]
#: Hosted readers of one feed and day that are kept: a header is typed by anybody.
MOST_NAMES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReaders:
    """One feed on one day: readers that were counted, and subscribers that hosted readers announced."""

    feed: str
    day: str
    readers: int
    announced: int


def day_salt(session: Session, day: str, fresh: str) -> str:
    """The salt of a day, the same for all processes; those of other days are removed: their hashes are over."""
    insert_new(session, ReaderSaltRow, {"day": day, "salt": fresh}, ("day",))
    drop_salts(session, day)
    return str(session.connection().scalar(select(salts.c.salt).where(salts.c.day == day)))


def drop_salts(session: Session, today: str) -> None:
    """Remove the salts of past days, also when nobody asked for a feed since."""
    session.connection().execute(delete(salts).where(salts.c.day < today))


def add_counts(
    session: Session,
    day: str,
    sketches: Mapping[str, bytes],
    said: Mapping[str, Mapping[str, Announced]],
    now: datetime,
) -> None:
    """Add what one process counted, by feed. ``said``: by feed and the reader's name."""
    connection = session.connection()
    for feed in sorted(sketches):
        query = select(readers.c.sketch).where(readers.c.feed == feed, readers.c.day == day)
        if session.get_bind().dialect.name == "postgresql":
            query = query.with_for_update()
        sketch = merged(bytes(connection.scalar(query) or b""), sketches[feed])
        values = {"sketch": sketch, "readers": estimate(sketch), "updated_at": now}
        _put(session, readers, {"feed": feed, "day": day}, values)
    for feed, found in sorted(said.items()):
        place = (announced_readers.c.feed == feed, announced_readers.c.day == day)
        room = MOST_NAMES - int(connection.scalar(select(func.count()).where(*place)) or 0)
        for name in sorted(found)[: max(room, 0)]:
            key = {"feed": feed, "day": day, "reader": name}
            _put(session, announced_readers, key, {"subscribers": found[name].subscribers})


def feed_readers(session: Session, since: str) -> list[FeedReaders]:
    """All feeds and days from a day on, newest first."""
    found: dict[tuple[str, str], list[int]] = {}
    connection = session.connection()
    for row in connection.execute(
        select(readers.c.feed, readers.c.day, readers.c.readers).where(readers.c.day >= since)
    ):
        found[row.day, row.feed] = [row.readers, 0]
    query = (
        select(
            announced_readers.c.feed, announced_readers.c.day, func.sum(announced_readers.c.subscribers).label("total")
        )
        .where(announced_readers.c.day >= since)
        .group_by(announced_readers.c.feed, announced_readers.c.day)
    )
    for row in connection.execute(query):
        found.setdefault((row.day, row.feed), [0, 0])[1] = int(row.total)
    return [
        FeedReaders(feed=feed, day=day, readers=counted, announced=announced)
        for (day, feed), (counted, announced) in sorted(found.items(), reverse=True)
    ]


def drop_counts(session: Session, before: str) -> None:
    """Delete the counts of days before a day."""
    for table in (readers, announced_readers):
        session.connection().execute(delete(table).where(table.c.day < before))


def _put(session: Session, table: Any, key: Mapping[str, str], values: Mapping[str, Any]) -> None:
    statement = upsert(session, table).values({**key, **values})
    statement = statement.on_conflict_do_update(index_elements=list(key), set_=dict(values))
    session.connection().execute(statement)
