"""Feeds of issue B: what articles say more, many feeds with archives, WebSub, sources of type feed."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    articles()
    feeds()
    websub()
    sources()


def articles() -> None:
    """What articles say more: the files that belong to them, and the feed of their comments."""
    op.add_column("articles", sa.Column("comments_feed", sa.String(), nullable=True))
    op.add_column("articles", sa.Column("attachments", sa.Text(), server_default="[]", nullable=False))


def feeds() -> None:
    """Feeds of categories, authors and so on; windows and archives; twins; feeds that are gone or moved."""
    for column in (
        sa.Column("base", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("kind", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("term", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("label", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("title", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("oldest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_to", sa.String(), nullable=True),
        sa.Column("uid", sa.String(), nullable=True),
    ):
        op.add_column("feeds", column)
    op.execute("UPDATE feeds SET base = name")
    op.create_index("ix_feeds_term", "feeds", ["base", "kind", "term"])
    op.create_index(
        "ix_feeds_due",
        "feeds",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    for column in (
        sa.Column("gzip_size", sa.Integer(), nullable=True),
        sa.Column("brotli_size", sa.Integer(), nullable=True),
        sa.Column("brotli_quality", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("feed_documents", column)
    op.create_index("ix_feed_documents_brotli_quality", "feed_documents", ["brotli_quality"])
    op.create_table(
        "feed_entries",
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("feed", "article_id"),
    )
    op.create_index("ix_feed_entries_article_id", "feed_entries", ["article_id"])
    op.create_index("ix_feed_entries_page", "feed_entries", ["feed", "page"])


def websub() -> None:
    """Pings that are owed, subscriptions of our own hub, and the feeds of others that we follow."""
    owed: dict[str, Any] = {
        "sqlite_where": sa.text("due_at IS NOT NULL"),
        "postgresql_where": sa.text("due_at IS NOT NULL"),
    }
    op.create_table(
        "topic_changes",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic"),
    )
    op.create_table(
        "hub_pings",
        sa.Column("hub", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("owed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.CheckConstraint("attempts >= 0", name="ck_hub_pings_attempts"),
        sa.CheckConstraint("changes >= 0", name="ck_hub_pings_changes"),
        sa.PrimaryKeyConstraint("hub", "topic"),
    )
    op.create_index("ix_hub_pings_due", "hub_pings", ["due_at"], **owed)
    op.create_table(
        "hub_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("callback", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=True),
        sa.Column("lease_seconds", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("mode IN ('subscribe', 'unsubscribe', 'denied')", name="ck_hub_requests_mode"),
        sa.CheckConstraint("attempts >= 0", name="ck_hub_requests_attempts"),
        sa.CheckConstraint("lease_seconds > 0", name="ck_hub_requests_lease"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("topic", "callback", name="uq_hub_requests_topic_callback"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hub_requests_due", "hub_requests", ["due_at"])
    op.create_index("ix_hub_requests_host", "hub_requests", ["host"])
    op.create_table(
        "hub_subscriptions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("callback", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("secret IS NULL OR length(secret) < 200", name="ck_hub_subscriptions_secret"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("topic", "callback", name="uq_hub_subscriptions_topic_callback"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hub_subscriptions_expires_at", "hub_subscriptions", ["expires_at"])
    op.create_index("ix_hub_subscriptions_host", "hub_subscriptions", ["host"])
    op.create_table(
        "hub_deliveries",
        sa.Column("subscription_id", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("owed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.CheckConstraint("attempts >= 0", name="ck_hub_deliveries_attempts"),
        sa.CheckConstraint("changes >= 0", name="ck_hub_deliveries_changes"),
        sa.ForeignKeyConstraint(["subscription_id"], ["hub_subscriptions.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("subscription_id"),
    )
    op.create_index("ix_hub_deliveries_due", "hub_deliveries", ["due_at"], **owed)
    op.create_table(
        "followed_feeds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("hub", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('wanted', 'active', 'refused', 'leaving', 'left')", name="ck_followed_feeds_state"
        ),
        sa.CheckConstraint("attempts >= 0", name="ck_followed_feeds_attempts"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "feed", "hub", "topic", name="uq_followed_feeds_subscription"),
        sa.UniqueConstraint("token", name="uq_followed_feeds_token"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_followed_feeds_due", "followed_feeds", ["due_at"])
    op.create_table(
        "feed_calls",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("calls >= 0", name="ck_feed_calls_calls"),
        sa.CheckConstraint("attempts >= 0", name="ck_feed_calls_attempts"),
        sa.PrimaryKeyConstraint("source", "feed"),
    )
    op.create_index("ix_feed_calls_due", "feed_calls", ["due_at"], **owed)


def sources() -> None:
    """Sources of type feed."""
