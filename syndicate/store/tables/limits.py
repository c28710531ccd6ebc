"""Limits of relays and destinations as they stand, shared by all processes and kept over restarts."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, String
from sqlmodel import Field, SQLModel

from syndicate.store.tables.fields import time_field


class LimitRow(SQLModel, table=True):
    """What is remembered of one limit (``core/limits.Usage``). ``key`` is ``relay:NAME`` or ``domain:NAME``."""

    __tablename__ = "limits"
    __table_args__ = (
        CheckConstraint("factor > 0 AND factor <= 1", name="ck_limits_factor"),
        CheckConstraint("taken >= 0", name="ck_limits_taken"),
    )
    key: str = Field(primary_key=True)
    arrival_at: datetime | None = time_field(optional=True)
    turn_at: datetime | None = time_field(optional=True)
    granted_at: datetime | None = time_field(optional=True)
    spacing: float  # seconds
    factor: float
    pressed_at: datetime | None = time_field(optional=True)
    paused_until: datetime | None = time_field(optional=True)
    strikes: int
    failures: int
    reason: str | None = None
    first_at: datetime | None = time_field(optional=True)
    day: int
    taken: int
    updated_at: datetime = time_field()


class RelaySeatRow(SQLModel, table=True):
    """How many connections to a relay a process wants, and how many it may have so that all keep to ``max_conns``."""

    __tablename__ = "relay_seats"
    relay: str = Field(primary_key=True)
    holder: str = Field(
        sa_column=Column(String, ForeignKey("holders.holder", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    wanted: int
    seats: int
