"""People, their subscriptions and consent, and who is never written to."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from syndicate.model import DeliveryState, Frequency, SubscriptionState
from syndicate.store.columns import one_of
from syndicate.store.tables.fields import BYTEWISE, NEVER_REUSED, json_field, reference, time_field

#: The subscriptions that pause: what the index of them holds.
PAUSED = "paused_until IS NOT NULL"


class SubscriberRow(SQLModel, table=True):
    """A person. ``email_key`` is the compared form, ``email_hash`` its keyed hash (suppressions are kept under it).

    ``name_key`` is the name in lower case, which searches compare byte by byte.
    """

    __tablename__ = "subscribers"
    __table_args__ = (
        UniqueConstraint("email_key", name="uq_subscribers_email_key"),
        Index("ix_subscribers_email_hash", "email_hash"),
        Index("ix_subscribers_domain", "domain"),
        Index("ix_subscribers_name_key", "name_key"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    email: str
    email_key: str
    email_hash: str
    domain: str
    name: str = ""
    language: str | None = None
    timezone: str | None = None
    created_at: datetime = time_field()
    name_key: str = Field(default="", sa_column=Column(BYTEWISE, nullable=False, server_default=text("''")))


class SubscriptionRow(SQLModel, table=True):
    """One subscriber's subscription to one digest; see ``model.Subscription`` for what decides about its articles."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "digest", name="uq_subscriptions_subscriber_digest"),
        one_of("state", SubscriptionState, "ck_subscriptions_state"),
        one_of("frequency", Frequency, "ck_subscriptions_frequency"),
        CheckConstraint("cursor >= 0", name="ck_subscriptions_cursor"),
        # Two ways to say "looks back no longer" would make two cohorts of one.
        CheckConstraint("joined_seq = 0 OR first", name="ck_subscriptions_joined_seq"),
        Index("ix_subscriptions_readers", "digest", "state", "subscriber_id"),
        # Without the cursor: each freeze moves it in most rows.
        Index("ix_subscriptions_due", "digest", "state", "frequency"),
        Index("ix_subscriptions_paused", "digest", sqlite_where=text(PAUSED), postgresql_where=text(PAUSED)),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = reference("subscribers.id")
    digest: str
    state: str
    frequency: str
    topics: Any = json_field('{"*":0}')
    cursor: int = 0
    first: bool = True
    joined_seq: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    carry: Any = json_field("[]")
    created_at: datetime = time_field()
    confirmed_at: datetime | None = time_field(optional=True)
    unsubscribed_at: datetime | None = time_field(optional=True)
    paused_until: datetime | None = time_field(optional=True)  # set: left out of issues until then


class ConsentEventRow(SQLModel, table=True):
    """Proof of consent and its end: what happened to a subscription, when, by which way, under which words."""

    __tablename__ = "consent_events"
    id: int | None = Field(default=None, primary_key=True)
    subscription_id: int = reference("subscriptions.id", index=True)
    event: str
    at: datetime = time_field()
    via: str  # page, one_click, cli, import, mail, api
    detail: Any = json_field()


class AddressChangeRow(SQLModel, table=True):
    """A new address that a reader typed; it counts once the button behind the mail that goes there was pressed."""

    __tablename__ = "address_changes"
    __table_args__ = (NEVER_REUSED,)
    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = reference("subscribers.id", index=True)
    email: str
    email_key: str
    email_hash: str
    domain: str
    created_at: datetime = time_field()
    done_at: datetime | None = time_field(optional=True)
    reverts: int | None = None  # set: it takes that change back, and the mail to the address it leads to tells of it


class ConfirmationRow(SQLModel, table=True):
    """A confirmation mail (double opt-in, or of a new address) to be sent, and what became of it."""

    __tablename__ = "confirmations"
    __table_args__ = (
        one_of("state", DeliveryState, "ck_confirmations_state"),
        Index("ix_confirmations_due", "state", "due_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    subscription_id: int = reference("subscriptions.id", index=True)
    state: str
    attempts: int = 0
    due_at: datetime = time_field()
    holder: str | None = None
    marked_at: datetime | None = time_field(optional=True)
    finished_at: datetime | None = time_field(optional=True)
    reply: str | None = None
    created_at: datetime = time_field()
    address_change_id: int | None = None  # set: it asks for the confirmation of a new address, and goes there


class FormLimitRow(SQLModel, table=True):
    """How often a form was used for an address, from a network, for a domain: keyed hashes and a time (GCRA)."""

    __tablename__ = "form_limits"
    key: str = Field(primary_key=True)
    arrival_at: datetime = time_field(index=True)


class SuppressionRow(SQLModel, table=True):
    """An address (by keyed hash) or a whole domain never to be written to, and why."""

    __tablename__ = "suppressions"
    __table_args__ = (
        UniqueConstraint("scope", "value", name="uq_suppressions_scope_value"),
        one_of("scope", ("address", "domain"), "ck_suppressions_scope"),
    )
    id: int | None = Field(default=None, primary_key=True)
    scope: str
    value: str
    reason: str
    note: str = ""
    created_at: datetime = time_field()
