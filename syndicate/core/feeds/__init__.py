"""Feed documents from articles: one model, and a writer for each format. Pure; files and HTTP live elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from syndicate.core.feeds.autodiscovery import AlternateLink, ListedFeed, alternate_links, listed_feeds
from syndicate.core.feeds.document import (
    FeedDocument,
    Tombstone,
    document_at,
    feed_document,
    feed_folder,
    feed_title,
    issues_title,
)
from syndicate.core.feeds.entries import FeedEntry, Image, Related
from syndicate.core.feeds.feedgen_documents import write_atom, write_rss
from syndicate.core.feeds.json_feed import write_json
from syndicate.core.feeds.opml import Outline, opml
from syndicate.model import FeedFormat

__all__ = [
    "WRITERS",
    "AlternateLink",
    "FeedDocument",
    "FeedEntry",
    "Image",
    "ListedFeed",
    "Outline",
    "Related",
    "Tombstone",
    "alternate_links",
    "document_at",
    "feed_document",
    "feed_folder",
    "feed_title",
    "issues_title",
    "listed_feeds",
    "opml",
]

WRITERS: Mapping[FeedFormat, Callable[[FeedDocument], bytes]] = {
    FeedFormat.RSS: write_rss,
    FeedFormat.ATOM: write_atom,
    FeedFormat.JSON: write_json,
}
