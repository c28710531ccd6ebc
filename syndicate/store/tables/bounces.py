"""What came back for deliveries: the evidence on which addresses are suppressed, and who told us by webhook."""

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary, UniqueConstraint, true
from sqlmodel import Field, SQLModel

from syndicate.core.bounces.report import ReturnClass
from syndicate.store.columns import one_of
from syndicate.store.tables.fields import NEVER_REUSED, reference, time_field


class BounceRow(SQLModel, table=True):
    """One returned message about one delivery. ``counted`` False: an operator took the address off the list since.

    ``message`` is the beginning of it, None once its time is over; a person's rows go when she is erased.
    """

    __tablename__ = "bounces"
    __table_args__ = (
        UniqueConstraint("fingerprint", name="uq_bounces_fingerprint"),
        one_of("cls", ReturnClass, "ck_bounces_cls"),
        Index("ix_bounces_subscriber", "subscriber_id", "sent_at"),
        Index("ix_bounces_issue", "issue_id", "cls"),
        Index("ix_bounces_at", "at"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    fingerprint: str  # the same message may come twice: from two mailboxes, or again after a crash
    issue_id: int = reference("issues.id")
    subscriber_id: int = reference("subscribers.id")
    cls: str
    action: str | None = None
    status: str | None = None
    code: int | None = None
    text: str = ""
    final: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    counted: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    # A code says that the address is dead, not only words.
    certain: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    sent_at: datetime = time_field()  # when the delivery was accepted
    at: datetime = time_field()  # when it came back to us
    message: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class HookCallRow(SQLModel, table=True):
    """A call of a provider's webhook that was taken: the same one again is a replay."""

    __tablename__ = "hook_calls"
    __table_args__ = (Index("ix_hook_calls_at", "at"),)
    hook: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    at: datetime = time_field()
