"""JSON Feed 1 and 1.1 (jsonfeed.org), taken as it comes: a field of the wrong type is a field that is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from syndicate.core.feed_reading import values
from syndicate.core.feed_reading.entry import ReadEntry, ReadFeed
from syndicate.core.feed_reading.media import MAX_ATTACHMENTS, attachment
from syndicate.errors import SourceError
from syndicate.model import Attachment

_VERSION = "jsonfeed.org/version/"


def read_json(text: str, address: str, now: datetime) -> ReadFeed:
    """Read a document. Raises SourceError: cut off, no JSON, or JSON of another kind."""
    try:
        feed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{address}: the document is cut off or no JSON ({str(error)[:200]})") from error
    if not isinstance(feed, dict) or _VERSION not in _text(feed, "version"):
        raise SourceError(
            f"{address}: it is JSON, but no JSON Feed (its version must be https://jsonfeed.org/version/1.1)"
        )
    items = feed.get("items")
    if not isinstance(items, list):
        raise SourceError(f"{address}: a JSON Feed without items")
    authors = _authors(feed)
    return ReadFeed(
        form="json",
        address=address,
        title=values.title(values.line(_text(feed, "title"))),
        language=values.language(_text(feed, "language")),
        home=values.address(_text(feed, "home_page_url"), address),
        self_address=values.address(_text(feed, "feed_url"), address),
        hubs=tuple(
            url
            for hub in _tables(feed, "hubs")
            if _text(hub, "type").lower() == "websub" and (url := values.address(_text(hub, "url"), address))
        ),
        ended=feed.get("expired") is True,
        entries=tuple(_entry(item, authors, address, now) for item in items if isinstance(item, dict)),
    )


def _entry(item: Mapping[str, Any], feed_authors: tuple[str, ...], address: str, now: datetime) -> ReadEntry:
    url = values.address(_text(item, "url"), address) or values.address(_text(item, "external_url"), address)
    html, text = _text(item, "content_html"), _text(item, "content_text")
    attachments = tuple(_attachments(item, url or address))
    image = (
        values.address(_text(item, "image"), url or address)
        or values.address(_text(item, "banner_image"), url or address)
        or next((entry.url for entry in attachments if entry.type.startswith("image/")), None)
    )
    return ReadEntry(
        id=_text(item, "id").strip(),
        title=values.title(values.line(_text(item, "title"))),
        link=url,
        body=values.block(html or text or _text(item, "summary")),
        form="html" if html else "text",
        base=url or address,
        summary=values.line(_text(item, "summary")),
        authors=_authors(item) or feed_authors,
        categories=values.names(values.line(tag) for tag in _list(item, "tags") if isinstance(tag, str)),
        language=values.language(_text(item, "language")),
        published=values.date(_text(item, "date_published"), now),
        updated=values.date(_text(item, "date_modified"), now),
        image=image,
        attachments=tuple(entry for entry in attachments if entry.url != image),
        kind=_kind(item),
    )


def _text(table: Mapping[str, Any], name: str) -> str:
    """A text; an id may be a number (JSON Feed 1.1, "Items")."""
    value = table.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and name == "id":
        return str(value)
    # A lone surrogate can be written in JSON and stand in no document of ours.
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""


def _list(table: Mapping[str, Any], name: str) -> list[Any]:
    value = table.get(name)
    return value if isinstance(value, list) else []


def _tables(table: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    return (entry for entry in _list(table, name) if isinstance(entry, dict))


def _authors(table: Mapping[str, Any]) -> tuple[str, ...]:
    """Version 1.1's authors, or version 1's one author."""
    single = table.get("author")
    people = [*_tables(table, "authors"), *([single] if isinstance(single, dict) else [])]
    return values.names(values.line(_text(person, "name")) for person in people)


def _attachments(item: Mapping[str, Any], base: str) -> Iterator[Attachment]:
    for entry in list(_tables(item, "attachments"))[:MAX_ATTACHMENTS]:
        found = attachment(
            values.address(_text(entry, "url"), base), _text(entry, "mime_type"), entry.get("size_in_bytes")
        )
        if found is not None:
            yield found


def _kind(item: Mapping[str, Any]) -> str:
    extension = item.get("_syndicate")
    return _text(extension, "kind") if isinstance(extension, dict) else ""
