"""Sources and the articles mirrored from them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from syndicate.model import ArticleKind
from syndicate.store.columns import one_of
from syndicate.store.tables.fields import NEVER_REUSED, json_field, time_field


class SourceRow(SQLModel, table=True):
    """What is known of one source between polls. ``state`` belongs to the source's reader."""

    __tablename__ = "sources"
    name: str = Field(primary_key=True)
    state: Any = json_field()
    date_shift: int = Field(default=0)  # seconds added to every date: the demo lays its samples before the first run
    next_poll_at: datetime | None = time_field(optional=True)
    polled_at: datetime | None = time_field(optional=True)
    ok_at: datetime | None = time_field(optional=True)
    broken_since: datetime | None = time_field(optional=True)
    error: str | None = None


class SourceItemRow(SQLModel, table=True):
    """One file or row of a source as last seen; ``key`` is the article it became, ``error`` why it became none."""

    __tablename__ = "source_items"
    __table_args__ = (
        Index("ix_source_items_key", "source", "key"),
        Index(
            "ix_source_items_error",
            "source",
            sqlite_where=text("error IS NOT NULL"),
            postgresql_where=text("error IS NOT NULL"),
        ),
    )
    source: str = Field(primary_key=True)
    item: str = Field(primary_key=True)
    stamp: str
    key: str | None = None
    error: str | None = None


class ArticleRow(SQLModel, table=True):
    """An article mirrored from a source. ``seq`` is given when it becomes publishable, ``revision`` at every change."""

    __tablename__ = "articles"
    __table_args__ = (
        UniqueConstraint("source", "key", name="uq_articles_source_key"),
        UniqueConstraint("uid", name="uq_articles_uid"),
        UniqueConstraint("seq", name="uq_articles_seq"),
        one_of("kind", ArticleKind, "ck_articles_kind"),
        Index("ix_articles_published", "published_at", "id"),
        Index("ix_articles_source", "source", "published_at", "id"),
        Index("ix_articles_revision", "revision"),
        Index(
            "ix_articles_waiting",
            "published_at",
            sqlite_where=text("seq IS NULL"),
            postgresql_where=text("seq IS NULL"),
        ),
        Index(
            "ix_articles_expires",
            "expires_at",
            sqlite_where=text("expires_at IS NOT NULL"),
            postgresql_where=text("expires_at IS NOT NULL"),
        ),
        Index(
            "ix_articles_corrected",
            "id",
            sqlite_where=text("material_version > 1"),
            postgresql_where=text("material_version > 1"),
        ),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str
    source: str
    key: str
    seq: int | None = None
    revision: int
    version: int = Field(default=1)
    # The last version that says something else than the one before: what corrections in digests go by.
    material_version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    content_hash: str
    title: str
    url: str | None = None
    html: str = Field(sa_column=Column(Text, nullable=False))
    markdown: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    summary: str
    authors: Any = json_field("[]")
    publisher: str | None = None
    category: str | None = None
    tags: Any = json_field("[]")
    language: str | None = None
    published_at: datetime = time_field()
    updated_at: datetime | None = time_field(optional=True)
    expires_at: datetime | None = time_field(optional=True)
    withdrawn_at: datetime | None = time_field(optional=True)
    pinned: bool = False
    kind: str
    image: str | None = None
    image_alt: str = ""
    comments: int | None = None
    comments_url: str | None = None
    popularity: float | None = None
    comments_feed: str | None = None
    attachments: Any = json_field("[]")
    first_seen_at: datetime = time_field()
    changed_at: datetime = time_field()


class ArticleTermRow(SQLModel, table=True):
    """The category, tags and authors of an article, case-folded, so that selections are found by index."""

    __tablename__ = "article_terms"
    __table_args__ = (
        one_of("kind", ("category", "tag", "author"), "ck_article_terms_kind"),
        Index("ix_article_terms_term", "kind", "term", "published_at", "article_id"),
    )
    article_id: int = Field(sa_column=Column(Integer, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True))
    kind: str = Field(primary_key=True)
    term: str = Field(primary_key=True)
    published_at: datetime = time_field()  # the article's, so that the newest of a term are one walk along the index


class ArticleVersionRow(SQLModel, table=True):
    """An article as it was before an edit."""

    __tablename__ = "article_versions"
    article_id: int = Field(sa_column=Column(Integer, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True))
    version: int = Field(primary_key=True)
    content_hash: str
    content: Any = json_field()
    replaced_at: datetime = time_field(index=True)
