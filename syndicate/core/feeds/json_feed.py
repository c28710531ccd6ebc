"""JSON Feed 1.1 (jsonfeed.org/version/1.1), written by hand: it has no library and needs none."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from syndicate.core.feeds.document import FeedDocument
from syndicate.core.feeds.entries import FeedEntry
from syndicate.model import ArticleKind, Attachment, FeedFormat

# json.dumps with arguments builds an encoder at each call; with an indent it encodes in Python, ten times as slowly.
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode

VERSION = "https://jsonfeed.org/version/1.1"


def write_json(document: FeedDocument) -> bytes:
    """A JSON Feed: UTF-8, an item a line, keys in a fixed order, so the same bytes for the same document."""
    next_page = document.prev_archive
    feed: dict[str, Any] = {
        "version": VERSION,
        "title": document.title,
        "home_page_url": document.alternate,
        "feed_url": document.address(FeedFormat.JSON),
        "description": document.description,
        # The page with older entries, which is what an archive is (RFC 5005 has no other way to say it here).
        "next_url": f"{next_page}/{FeedFormat.JSON.file_name}" if next_page else None,
        "icon": document.icon or document.logo,
        "favicon": document.favicon,
        "language": document.language,
        "authors": [{"name": document.publisher, "url": document.alternate}],
        "hubs": [{"type": "WebSub", "url": hub} for hub in document.hubs],
    }
    head = ",\n ".join(f"{_ENCODE(key)}: {_ENCODE(value)}" for key, value in feed.items() if value)
    make = _item.__wrapped__ if document.archive else _item
    items = ",\n  ".join(map(make, document.entries))
    return f'{{\n {head},\n "items": [\n  {items}\n ]\n}}\n'.encode()


@lru_cache(maxsize=1024)  # of the 50 entries of a window one is new
def _item(entry: FeedEntry) -> str:
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
        "attachments": [_attachment(attachment) for attachment in entry.attachments],
        "_syndicate": _extension(entry),
    }
    return _ENCODE({key: value for key, value in item.items() if value})


def _attachment(attachment: Attachment) -> dict[str, Any]:
    said: dict[str, Any] = {"url": attachment.url, "mime_type": attachment.type}
    return said if attachment.length is None else said | {"size_in_bytes": attachment.length}


def _extension(entry: FeedEntry) -> dict[str, Any]:
    """What JSON Feed has no names for, under one of ours ("Extensions" there)."""
    said: dict[str, Any] = {
        "kind": entry.kind.value if entry.kind is not ArticleKind.ARTICLE else None,
        "comments_url": entry.comments_url,
        "comments": entry.comments_count,
        "related": [{"url": related.url, "title": related.title} for related in entry.related],
    }
    return {key: value for key, value in said.items() if value}
