"""What processes share: facts, counters, schedules, and who is sending."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from syndicate.store.tables.fields import time_field


class MetaRow(SQLModel, table=True):
    """Single facts about this database."""

    __tablename__ = "meta"
    key: str = Field(primary_key=True)
    value: str


class CounterRow(SQLModel, table=True):
    """Numbers that only grow. The row's lock, held until commit, makes numbers visible in order."""

    __tablename__ = "counters"
    name: str = Field(primary_key=True)
    value: int


class ScheduleRow(SQLModel, table=True):
    """What is due when. Any process may act: ``due_at`` is claimed by a conditional UPDATE."""

    __tablename__ = "schedules"
    name: str = Field(primary_key=True)  # "digest/NAME/daily", "upkeep"
    rule_hash: str
    due_at: datetime = time_field(index=True)
    ran_at: datetime | None = time_field(optional=True)


class HolderRow(SQLModel, table=True):
    """A process that sends, and when it last showed life; what a dead one held is taken over.

    ``boot_id`` names the start of its machine, ``database_started_at`` that of the database server: when they are not
    what they were, it was no process alone that died.
    """

    __tablename__ = "holders"
    holder: str = Field(primary_key=True)
    host: str
    pid: int
    started_at: datetime = time_field()
    seen_at: datetime = time_field()
    boot_id: str | None = None
    database_started_at: datetime | None = time_field(optional=True)
