"""WebSub: topics that changed, pings owed to hubs, our own hub, and the feeds of others that we follow at theirs.

In all of them ``due_at`` says when somebody may take the row up. Whoever takes it moves ``due_at`` a minute on and
writes its name into ``holder``: a row whose process died is due again by itself, and is never lost.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from syndicate.store.columns import one_of
from syndicate.store.tables.fields import NEVER_REUSED, time_field

HUB_MODES = ("subscribe", "unsubscribe", "denied")
FOLLOWING = ("wanted", "active", "refused", "leaving", "left")
_OWED = text("due_at IS NOT NULL")


class TopicChangeRow(SQLModel, table=True):
    """A document whose bytes changed, until it is known who must hear of it. Written with the document's own row."""

    __tablename__ = "topic_changes"
    topic: str = Field(primary_key=True)
    changed_at: datetime = time_field()


class HubPingRow(SQLModel, table=True):
    """What a hub elsewhere must be told of one topic. ``due_at`` is None while nothing is owed."""

    __tablename__ = "hub_pings"
    __table_args__ = (
        CheckConstraint("changes >= 0", name="ck_hub_pings_changes"),
        CheckConstraint("attempts >= 0", name="ck_hub_pings_attempts"),
        Index("ix_hub_pings_due", "due_at", sqlite_where=_OWED, postgresql_where=_OWED),
    )
    hub: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    changes: int  # grows with each change, so that one during an exchange is not taken as told
    due_at: datetime | None = time_field(optional=True)
    attempts: int = 0
    holder: str | None = None
    owed_at: datetime | None = time_field(optional=True)
    told_at: datetime | None = time_field(optional=True)
    status: int | None = None
    error: str | None = None


class HubRequestRow(SQLModel, table=True):
    """A wish of a subscriber that it must still confirm, or a denial it is still to be told. The newest one counts."""

    __tablename__ = "hub_requests"
    __table_args__ = (
        UniqueConstraint("topic", "callback", name="uq_hub_requests_topic_callback"),
        one_of("mode", HUB_MODES, "ck_hub_requests_mode"),
        CheckConstraint("attempts >= 0", name="ck_hub_requests_attempts"),
        CheckConstraint("lease_seconds > 0", name="ck_hub_requests_lease"),
        Index("ix_hub_requests_due", "due_at"),
        Index("ix_hub_requests_host", "host"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    topic: str
    callback: str
    host: str
    mode: str
    secret: str | None = None
    lease_seconds: int
    reason: str | None = None
    due_at: datetime = time_field()
    attempts: int = 0
    holder: str | None = None
    created_at: datetime = time_field()


class HubSubscriptionRow(SQLModel, table=True):
    """A subscription to one of our topics that its subscriber confirmed, until its lease ends."""

    __tablename__ = "hub_subscriptions"
    __table_args__ = (
        UniqueConstraint("topic", "callback", name="uq_hub_subscriptions_topic_callback"),
        CheckConstraint("secret IS NULL OR length(secret) < 200", name="ck_hub_subscriptions_secret"),
        Index("ix_hub_subscriptions_host", "host"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    topic: str
    callback: str
    host: str
    secret: str | None = None
    created_at: datetime = time_field()
    verified_at: datetime = time_field()
    expires_at: datetime = time_field(index=True)


class HubDeliveryRow(SQLModel, table=True):
    """What a subscription must be sent: always the document as it stands then. ``due_at`` None: nothing is owed."""

    __tablename__ = "hub_deliveries"
    __table_args__ = (
        CheckConstraint("changes >= 0", name="ck_hub_deliveries_changes"),
        CheckConstraint("attempts >= 0", name="ck_hub_deliveries_attempts"),
        Index("ix_hub_deliveries_due", "due_at", sqlite_where=_OWED, postgresql_where=_OWED),
    )
    subscription_id: int = Field(
        sa_column=Column(Integer, ForeignKey("hub_subscriptions.id", ondelete="CASCADE"), primary_key=True)
    )
    changes: int
    due_at: datetime | None = time_field(optional=True)
    attempts: int = 0
    holder: str | None = None
    owed_at: datetime | None = time_field(optional=True)
    delivered_at: datetime | None = time_field(optional=True)
    status: int | None = None
    error: str | None = None


class FollowedFeedRow(SQLModel, table=True):
    """Our subscription to a feed of others at its hub. ``token`` is the secret part of the address that it calls.

    ``due_at``: to ask the hub (wanted, leaving), to renew (active), to forget the row (refused, left).
    """

    __tablename__ = "followed_feeds"
    __table_args__ = (
        UniqueConstraint("source", "feed", "hub", "topic", name="uq_followed_feeds_subscription"),
        UniqueConstraint("token", name="uq_followed_feeds_token"),
        one_of("state", FOLLOWING, "ck_followed_feeds_state"),
        CheckConstraint("attempts >= 0", name="ck_followed_feeds_attempts"),
        Index("ix_followed_feeds_due", "due_at"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    source: str
    feed: str  # its address as configured
    hub: str
    topic: str
    token: str
    secret: str
    state: str
    due_at: datetime = time_field()
    attempts: int = 0
    holder: str | None = None
    asked_at: datetime | None = time_field(optional=True)
    verified_at: datetime | None = time_field(optional=True)
    expires_at: datetime | None = time_field(optional=True)
    error: str | None = None
    created_at: datetime = time_field()


class FeedCallRow(SQLModel, table=True):
    """A feed that its hub called to be changed, until it was read. ``due_at`` None: it was."""

    __tablename__ = "feed_calls"
    __table_args__ = (
        CheckConstraint("calls >= 0", name="ck_feed_calls_calls"),
        CheckConstraint("attempts >= 0", name="ck_feed_calls_attempts"),
        Index("ix_feed_calls_due", "due_at", sqlite_where=_OWED, postgresql_where=_OWED),
    )
    source: str = Field(primary_key=True)
    feed: str = Field(primary_key=True)
    calls: int  # grows with each, so that one during a reading is not taken as answered
    due_at: datetime | None = time_field(optional=True)
    attempts: int = 0
    holder: str | None = None
    called_at: datetime = time_field()
