"""What became of the attempts of a delivery that were not accepted at once."""

from datetime import datetime

from sqlalchemy import Column, ForeignKey
from sqlmodel import Field, SQLModel

from syndicate.model import AttemptEvent
from syndicate.store.columns import one_of
from syndicate.store.tables.fields import BIG_ID, time_field


class AttemptRow(SQLModel, table=True):
    """One thing that happened to a delivery. Acceptance stands on the delivery alone: most have no row here."""

    __tablename__ = "attempts"
    __table_args__ = (one_of("event", AttemptEvent, "ck_attempts_event"),)
    id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    delivery_id: int = Field(
        sa_column=Column(BIG_ID, ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    number: int  # of the attempt, as the delivery counts them
    event: str
    at: datetime = time_field()
    begun_at: datetime | None = time_field(optional=True)  # when the row was marked for this attempt
    reason: str | None = None
    relay: str | None = None
    reply_code: int | None = None
    reply: str | None = None
    next_at: datetime | None = time_field(optional=True)  # when it was to be tried again
