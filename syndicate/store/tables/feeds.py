"""The published feeds, the files they consist of, and which articles each holds."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, text
from sqlmodel import Field, SQLModel

from syndicate.store.tables.fields import time_field

_EMPTY: dict[str, Any] = {"server_default": text("''")}


class FeedRow(SQLModel, table=True):
    """What is known of one feed between builds. Rows stay for ever: an address that was given out keeps its answer.

    ``revision`` and ``built_at``: up to where its articles were considered; for a configured feed this says so of all
    feeds below it too. ``oldest_at``: the last entry of a window that leaves articles out. ``due_at``: when time alone
    changes it. ``gone_at``: its addresses answer 410, or 301 to ``moved_to`` (another feed's name). ``uid``: the
    permanent id of a configured feed, from which those below it have theirs; it goes with a feed that is renamed.
    """

    __tablename__ = "feeds"
    __table_args__ = (
        Index("ix_feeds_term", "base", "kind", "term"),
        Index(
            "ix_feeds_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )
    name: str = Field(primary_key=True)  # its folder under feeds/: "all", "all/category/port", "issues-morning"
    base: str = Field(default="", sa_column_kwargs=_EMPTY)  # [feed.NAME] or "issues-DIGEST"
    kind: str = Field(default="", sa_column_kwargs=_EMPTY)  # of a feed made by ``per``: "category" …
    term: str = Field(default="", sa_column_kwargs=_EMPTY)  # folded, as in article_terms
    label: str = Field(default="", sa_column_kwargs=_EMPTY)  # as readers see the term
    title: str = Field(default="", sa_column_kwargs=_EMPTY)
    revision: int
    settings_hash: str
    entries: int = 0
    pages: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  # archive documents, the oldest is 1
    built_at: datetime = time_field()
    oldest_at: datetime | None = time_field(optional=True)
    due_at: datetime | None = time_field(optional=True)
    error: str | None = None
    gone_at: datetime | None = time_field(optional=True)
    moved_to: str | None = None
    uid: str | None = None


class FeedDocumentRow(SQLModel, table=True):
    """One published file: its path under ``feeds/``, its hash, and when its bytes last changed (= its mtime).

    Beside it stand twins (``path.gz``, ``path.br``) of the sizes given here; None where there is none.
    """

    __tablename__ = "feed_documents"
    path: str = Field(primary_key=True)
    feed: str = Field(index=True)
    format: str
    content_hash: str
    size: int
    entries: int
    changed_at: datetime = time_field()
    gzip_size: int | None = None
    brotli_size: int | None = None
    brotli_quality: int = Field(default=0, index=True, sa_column_kwargs={"server_default": "0"})


class FeedEntryRow(SQLModel, table=True):
    """An article that a feed holds: in its window or waiting for the archive (no page), or for good on a page."""

    __tablename__ = "feed_entries"
    __table_args__ = (Index("ix_feed_entries_page", "feed", "page"),)
    feed: str = Field(primary_key=True)
    article_id: int = Field(
        sa_column=Column(Integer, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True, index=True)
    )
    page: int | None = None
