"""How many read the feeds, by day, without cookies and without an address of anybody."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from syndicate.store.tables.fields import time_field


class ReaderSaltRow(SQLModel, table=True):
    """The salt of one day's hashes. It is removed when the day is over: after that no hash can be made again."""

    __tablename__ = "reader_salts"
    day: str = Field(primary_key=True)  # 2026-11-22, UTC
    salt: str


class FeedReadersRow(SQLModel, table=True):
    """Distinct readers of one feed on one day: a sketch (HyperLogLog), from which nobody can be read."""

    __tablename__ = "feed_readers"
    feed: str = Field(primary_key=True)
    day: str = Field(primary_key=True)
    sketch: bytes
    readers: int
    updated_at: datetime = time_field()


class AnnouncedReadersRow(SQLModel, table=True):
    """Subscribers that a hosted reader said it fetched a feed for, the last figure of a day."""

    __tablename__ = "announced_readers"
    feed: str = Field(primary_key=True)
    day: str = Field(primary_key=True)
    reader: str = Field(primary_key=True)
    subscribers: int
