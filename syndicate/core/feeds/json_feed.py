"""JSON Feed 1.1 (jsonfeed.org/version/1.1), written by hand: it has no library and needs none."""

from __future__ import annotations

import json
from typing import Any

from syndicate.core.feeds.document import FeedDocument
from syndicate.core.feeds.entries import FeedEntry
from syndicate.model import ArticleKind, FeedFormat

VERSION = "https://jsonfeed.org/version/1.1"


def write_json(document: FeedDocument) -> bytes:
    """A JSON Feed: UTF-8, one fact a line, keys in a fixed order, so the same bytes for the same document."""
    feed: dict[str, Any] = {
        "version": VERSION,
        "title": document.title,
        "home_page_url": document.alternate,
        "feed_url": document.address(FeedFormat.JSON),
        "description": document.description,
        "language": document.language,
        "authors": [{"name": document.publisher, "url": document.alternate}],
        "items": [_item(entry) for entry in document.entries],
    }
    return (json.dumps(feed, ensure_ascii=False, indent=1) + "\n").encode()


def _item(entry: FeedEntry) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "summary": entry.summary,
        "content_html": entry.html,
        # An item must have a content of some kind: in a feed of summaries it is the summary.
        "content_text": "" if entry.html else entry.summary or entry.title,
        "image": entry.image.url if entry.image else None,
        "date_published": entry.published.isoformat(),
        "date_modified": entry.updated.isoformat() if entry.edited else None,
        "authors": [{"name": name} for name in entry.authors],
        "tags": list(entry.categories),
        "language": entry.language,
    }
    if entry.kind is not ArticleKind.ARTICLE:
        item["_syndicate"] = {"kind": entry.kind.value}
    return {key: value for key, value in item.items() if value}
