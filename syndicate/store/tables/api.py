"""Who may use the API, what it answered to requests that may come twice, and what webhooks are owed."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from syndicate.store.columns import one_of
from syndicate.store.tables.fields import BIG_ID, NEVER_REUSED, json_field, time_field

WEBHOOK_STATES = ("owed", "delivered", "given_up")
_OWED = text("due_at IS NOT NULL")


class ApiTokenRow(SQLModel, table=True):
    """A bearer token, as a hash: it was shown once. ``last_used_at`` is coarse: to the hour."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        UniqueConstraint("name", name="uq_api_tokens_name"),
        UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    name: str
    token_hash: str
    scopes: Any = json_field("[]")
    created_at: datetime = time_field()
    expires_at: datetime | None = time_field(optional=True)
    last_used_at: datetime | None = time_field(optional=True)


class ApiRequestRow(SQLModel, table=True):
    """A request with an Idempotency-Key. ``answer`` holds nobody's data; None while it is worked on."""

    __tablename__ = "api_requests"
    token_id: int = Field(sa_column=Column(Integer, ForeignKey("api_tokens.id", ondelete="CASCADE"), primary_key=True))
    key: str = Field(primary_key=True)
    fingerprint: str
    began_at: datetime = time_field(index=True)
    held_until: datetime = time_field()
    status: int | None = None
    answer: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class WebhookMessageRow(SQLModel, table=True):
    """One event for one webhook, written with what it tells of. ``due_at`` None: nothing is owed any more."""

    __tablename__ = "webhook_messages"
    __table_args__ = (
        one_of("state", WEBHOOK_STATES, "ck_webhook_messages_state"),
        CheckConstraint("attempts >= 0", name="ck_webhook_messages_attempts"),
        Index("ix_webhook_messages_due", "due_at", sqlite_where=_OWED, postgresql_where=_OWED),
        Index("ix_webhook_messages_created_at", "created_at"),
        Index("ix_webhook_messages_state", "webhook", "state", "id"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    webhook: str
    event: str
    payload: Any = json_field()
    subscriber_id: int | None = None  # no foreign key: what is owed goes out after an erasure, too, without the address
    state: str
    created_at: datetime = time_field()
    due_at: datetime | None = time_field(optional=True)
    attempts: int = 0
    holder: str | None = None
    finished_at: datetime | None = time_field(optional=True)
    status: int | None = None
    error: str | None = None


class WebhookAttemptRow(SQLModel, table=True):
    """One try to hand a message over."""

    __tablename__ = "webhook_attempts"
    id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    message_id: int = Field(
        sa_column=Column(BIG_ID, ForeignKey("webhook_messages.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    at: datetime = time_field()
    milliseconds: int
    status: int | None = None
    error: str | None = None
