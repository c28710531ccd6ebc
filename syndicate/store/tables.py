"""The tables, as SQLModel classes. They describe and constrain; they do not validate: values are checked at the edges.

No ``Relationship`` and no ``from __future__ import annotations`` (sqlmodel #196): joins are written out.
"""

from datetime import datetime
from typing import Any, Optional

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from syndicate.model import ArticleKind, DeliveryState, Frequency, IssueState, SubscriptionState
from syndicate.store.columns import CanonicalJson, UtcDateTime, one_of


# Ids stand in signed links and Message-IDs: a number must never come back for somebody else, as SQLite's rowids do.
_NEVER_REUSED = {"sqlite_autoincrement": True}
_BIG = BigInteger().with_variant(Integer, "sqlite")


def _time(*, optional: bool = False, index: bool = False) -> Any:
    return Field(sa_column=Column(UtcDateTime, nullable=optional, index=index), default=None if optional else ...)


def _json(default: str = "{}") -> Any:
    return Field(sa_column=Column(CanonicalJson, nullable=False, server_default=default))


def _to(target: str, *, ondelete: str = "CASCADE", optional: bool = False, index: bool = False) -> Any:
    column: Column[int] = Column(Integer, ForeignKey(target, ondelete=ondelete), nullable=optional, index=index)
    return Field(sa_column=column, default=None if optional else ...)


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


class SourceRow(SQLModel, table=True):
    """What is known of one source between polls. ``state`` belongs to the source's reader."""

    __tablename__ = "sources"
    name: str = Field(primary_key=True)
    state: Any = _json()
    date_shift: int = Field(default=0)  # seconds added to every date: the demo lays its samples before the first run
    next_poll_at: Optional[datetime] = _time(optional=True)
    polled_at: Optional[datetime] = _time(optional=True)
    ok_at: Optional[datetime] = _time(optional=True)
    broken_since: Optional[datetime] = _time(optional=True)
    error: Optional[str] = None


class SourceItemRow(SQLModel, table=True):
    """One file or row of a source as last seen; ``key`` is the article it became, ``error`` why it became none."""

    __tablename__ = "source_items"
    __table_args__ = (Index("ix_source_items_key", "source", "key"),)
    source: str = Field(primary_key=True)
    item: str = Field(primary_key=True)
    stamp: str
    key: Optional[str] = None
    error: Optional[str] = None


class ArticleRow(SQLModel, table=True):
    """An article mirrored from a source. ``seq`` is given when it becomes publishable, ``revision`` at every change."""

    __tablename__ = "articles"
    __table_args__ = (
        UniqueConstraint("source", "key", name="uq_articles_source_key"),
        UniqueConstraint("uid", name="uq_articles_uid"),
        UniqueConstraint("seq", name="uq_articles_seq"),
        one_of("kind", ArticleKind, "ck_articles_kind"),
        Index("ix_articles_published", "published_at", "id"),
        Index("ix_articles_category", "category", "published_at"),
        Index("ix_articles_revision", "revision"),
        Index("ix_articles_waiting", "published_at", sqlite_where=text("seq IS NULL"), postgresql_where=text("seq IS NULL")),
        _NEVER_REUSED,
    )
    id: Optional[int] = Field(default=None, primary_key=True)
    uid: str
    source: str
    key: str
    seq: Optional[int] = None
    revision: int
    version: int = Field(default=1)
    content_hash: str
    title: str
    url: Optional[str] = None
    html: str = Field(sa_column=Column(Text, nullable=False))
    markdown: Optional[str] = Field(default=None, sa_column=Column(Text, nullable=True))
    summary: str
    authors: Any = _json("[]")
    publisher: Optional[str] = None
    category: Optional[str] = None
    tags: Any = _json("[]")
    language: Optional[str] = None
    published_at: datetime = _time()
    updated_at: Optional[datetime] = _time(optional=True)
    expires_at: Optional[datetime] = _time(optional=True)
    withdrawn_at: Optional[datetime] = _time(optional=True)
    pinned: bool = False
    kind: str
    image: Optional[str] = None
    image_alt: str = ""
    comments: Optional[int] = None
    comments_url: Optional[str] = None
    popularity: Optional[float] = None
    first_seen_at: datetime = _time()
    changed_at: datetime = _time()


class ArticleTermRow(SQLModel, table=True):
    """The category, tags and authors of an article, case-folded, so that selections are found by index."""

    __tablename__ = "article_terms"
    __table_args__ = (
        one_of("kind", ("category", "tag", "author"), "ck_article_terms_kind"),
        Index("ix_article_terms_term", "kind", "term", "article_id"),
    )
    article_id: int = Field(sa_column=Column(Integer, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True))
    kind: str = Field(primary_key=True)
    term: str = Field(primary_key=True)


class ArticleVersionRow(SQLModel, table=True):
    """An article as it was before an edit."""

    __tablename__ = "article_versions"
    article_id: int = Field(sa_column=Column(Integer, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True))
    version: int = Field(primary_key=True)
    content_hash: str
    content: Any = _json()
    replaced_at: datetime = _time(index=True)


class FeedRow(SQLModel, table=True):
    """What is known of one feed between builds."""

    __tablename__ = "feeds"
    name: str = Field(primary_key=True)
    revision: int
    settings_hash: str
    entries: int = 0
    built_at: datetime = _time()
    error: Optional[str] = None


class FeedDocumentRow(SQLModel, table=True):
    """One published file: its path under ``feeds/``, its hash, and when its bytes last changed."""

    __tablename__ = "feed_documents"
    path: str = Field(primary_key=True)
    feed: str = Field(index=True)
    format: str
    content_hash: str
    size: int
    entries: int
    changed_at: datetime = _time()


class SubscriberRow(SQLModel, table=True):
    """A person. ``email_key`` is the compared form, ``email_hash`` its keyed hash (what suppressions are kept under)."""

    __tablename__ = "subscribers"
    __table_args__ = (
        UniqueConstraint("email_key", name="uq_subscribers_email_key"),
        Index("ix_subscribers_email_hash", "email_hash"),
        Index("ix_subscribers_domain", "domain"),
        _NEVER_REUSED,
    )
    id: Optional[int] = Field(default=None, primary_key=True)
    email: str
    email_key: str
    email_hash: str
    domain: str
    name: str = ""
    language: Optional[str] = None
    timezone: Optional[str] = None
    created_at: datetime = _time()


class SubscriptionRow(SQLModel, table=True):
    """One subscriber's subscription to one digest; see ``model.Subscription`` for cursor, first, topics and carry."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "digest", name="uq_subscriptions_subscriber_digest"),
        one_of("state", SubscriptionState, "ck_subscriptions_state"),
        one_of("frequency", Frequency, "ck_subscriptions_frequency"),
        CheckConstraint("cursor >= 0", name="ck_subscriptions_cursor"),
        Index("ix_subscriptions_due", "digest", "state", "frequency", "cursor"),
        _NEVER_REUSED,
    )
    id: Optional[int] = Field(default=None, primary_key=True)
    subscriber_id: int = _to("subscribers.id")
    digest: str
    state: str
    frequency: str
    topics: Any = _json('{"*":0}')
    cursor: int = 0
    first: bool = True
    carry: Any = _json("[]")
    created_at: datetime = _time()
    confirmed_at: Optional[datetime] = _time(optional=True)
    unsubscribed_at: Optional[datetime] = _time(optional=True)


class ConsentEventRow(SQLModel, table=True):
    """Proof of consent and its end: what happened to a subscription, when, by which way, under which words."""

    __tablename__ = "consent_events"
    id: Optional[int] = Field(default=None, primary_key=True)
    subscription_id: int = _to("subscriptions.id", index=True)
    event: str
    at: datetime = _time()
    via: str  # page, one_click, cli, import, mail, api
    detail: Any = _json()


class ConfirmationRow(SQLModel, table=True):
    """A confirmation mail (double opt-in) to be sent, and what became of it."""

    __tablename__ = "confirmations"
    __table_args__ = (one_of("state", DeliveryState, "ck_confirmations_state"), Index("ix_confirmations_due", "state", "due_at"))
    id: Optional[int] = Field(default=None, primary_key=True)
    subscription_id: int = _to("subscriptions.id", index=True)
    state: str
    attempts: int = 0
    due_at: datetime = _time()
    holder: Optional[str] = None
    marked_at: Optional[datetime] = _time(optional=True)
    finished_at: Optional[datetime] = _time(optional=True)
    reply: Optional[str] = None
    created_at: datetime = _time()


class SuppressionRow(SQLModel, table=True):
    """An address (by keyed hash) or a whole domain never to be written to, and why."""

    __tablename__ = "suppressions"
    __table_args__ = (
        UniqueConstraint("scope", "value", name="uq_suppressions_scope_value"),
        one_of("scope", ("address", "domain"), "ck_suppressions_scope"),
    )
    id: Optional[int] = Field(default=None, primary_key=True)
    scope: str
    value: str
    reason: str
    note: str = ""
    created_at: datetime = _time()


class IssueRow(SQLModel, table=True):
    """One dated run of a digest. ``final_counts`` keeps the ledger's sums after its rows were pruned."""

    __tablename__ = "issues"
    __table_args__ = (
        UniqueConstraint("digest", "period", name="uq_issues_digest_period"),
        one_of("state", IssueState, "ck_issues_state"),
        CheckConstraint("recipients >= 0", name="ck_issues_recipients"),
        Index("ix_issues_state", "state"),
        _NEVER_REUSED,
    )
    id: Optional[int] = Field(default=None, primary_key=True)
    digest: str
    period: str
    state: str
    reason: Optional[str] = None
    subject: str = ""
    max_seq: int = 0
    recipients: int = 0
    composed_at: datetime = _time(index=True)
    started_at: Optional[datetime] = _time(optional=True)
    finished_at: Optional[datetime] = _time(optional=True)
    final_counts: Any = Field(default=None, sa_column=Column(CanonicalJson, nullable=True))


class EditionRow(SQLModel, table=True):
    """One rendering of an issue. ``message`` holds finished MIME bytes with slots; None once pruned."""

    __tablename__ = "editions"
    __table_args__ = (UniqueConstraint("issue_id", "key", name="uq_editions_issue_key"),)
    id: Optional[int] = Field(default=None, primary_key=True)
    issue_id: int = _to("issues.id")
    key: str
    language: str
    subject: str
    articles: Any = _json("[]")  # [{"id", "version", "role"}], role "full" or "headline"
    message: Optional[bytes] = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    recipients: int = 0
    composed_at: datetime = _time()


class DeliveryRow(SQLModel, table=True):
    """One issue to one subscriber: the row in the ledger. Marked ``sending`` durably before its data leaves."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("issue_id", "subscriber_id", name="uq_deliveries_issue_subscriber"),
        one_of("state", DeliveryState, "ck_deliveries_state"),
        CheckConstraint("attempts >= 0", name="ck_deliveries_attempts"),
        Index("ix_deliveries_issue_state", "issue_id", "state", "due_at"),
        Index("ix_deliveries_subscriber", "subscriber_id"),
        Index(
            "ix_deliveries_sending",
            "holder",
            sqlite_where=text("state = 'sending'"),
            postgresql_where=text("state = 'sending'"),
        ),
        _NEVER_REUSED,
    )
    id: Optional[int] = Field(default=None, sa_column=Column(_BIG, primary_key=True))
    issue_id: int = _to("issues.id")
    edition_id: Optional[int] = _to("editions.id", ondelete="SET NULL", optional=True)
    subscriber_id: Optional[int] = _to("subscribers.id", ondelete="SET NULL", optional=True)
    state: str
    reason: Optional[str] = None
    attempts: int = 0
    due_at: datetime = _time()
    holder: Optional[str] = None
    marked_at: Optional[datetime] = _time(optional=True)
    finished_at: Optional[datetime] = _time(optional=True)
    relay: Optional[str] = None
    reply_code: Optional[int] = None
    reply: Optional[str] = None
    resolved: bool = False


class ScheduleRow(SQLModel, table=True):
    """What is due when. Any process may act: ``due_at`` is claimed by a conditional UPDATE."""

    __tablename__ = "schedules"
    name: str = Field(primary_key=True)  # "digest/NAME/daily", "upkeep"
    rule_hash: str
    due_at: datetime = _time(index=True)
    ran_at: Optional[datetime] = _time(optional=True)


class HolderRow(SQLModel, table=True):
    """A process that sends, and when it last showed life; what a dead one held is taken over."""

    __tablename__ = "holders"
    holder: str = Field(primary_key=True)
    host: str
    pid: int
    started_at: datetime = _time()
    seen_at: datetime = _time()
