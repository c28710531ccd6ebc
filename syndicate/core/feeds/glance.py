"""What a person sees of a feed document: title, description and the newest entries, read back from its own bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from lxml import etree

from syndicate.model import FeedFormat

_ATOM: Final = "{http://www.w3.org/2005/Atom}"
_XML: Final = "{http://www.w3.org/XML/1998/namespace}"


@dataclass(frozen=True, slots=True)
class GlanceEntry:
    """One entry. ``url`` is empty where it has none, ``language`` where it is the feed's."""

    title: str
    url: str
    published: datetime | None
    language: str = ""


@dataclass(frozen=True, slots=True)
class Glance:
    """The head of a document and its first entries, in its own order."""

    title: str
    description: str
    language: str
    home: str
    entries: tuple[GlanceEntry, ...]


def glance(content: bytes, form: FeedFormat, *, limit: int) -> Glance:
    """Read a document that our own writers have made. Raises ValueError for what is none."""
    try:
        if form is FeedFormat.JSON:
            return _json(json.loads(content), limit)
        root = etree.fromstring(content, _parser())
        return _atom(root, limit) if form is FeedFormat.ATOM else _rss(root, limit)
    except (etree.XMLSyntaxError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no {form} document: {error}") from error


def _json(document: dict[str, Any], limit: int) -> Glance:
    entries = (
        GlanceEntry(
            item.get("title") or "",
            item.get("url") or "",
            _rfc3339(item.get("date_published")),
            item.get("language") or "",
        )
        for item in document["items"][:limit]
    )
    return Glance(
        document["title"],
        document.get("description") or "",
        document.get("language") or "",
        document.get("home_page_url") or "",
        tuple(entries),
    )


def _atom(root: etree._Element, limit: int) -> Glance:
    def entry(element: etree._Element) -> GlanceEntry:
        return GlanceEntry(
            element.findtext(f"{_ATOM}title") or "",
            _alternate(element),
            _rfc3339(element.findtext(f"{_ATOM}published") or element.findtext(f"{_ATOM}updated")),
            element.get(f"{_XML}lang") or "",
        )

    return Glance(
        root.findtext(f"{_ATOM}title") or "",
        root.findtext(f"{_ATOM}subtitle") or "",
        root.get(f"{_XML}lang") or "",
        _alternate(root),
        tuple(entry(element) for element in _first(root.iterfind(f"{_ATOM}entry"), limit)),
    )


def _rss(root: etree._Element, limit: int) -> Glance:
    channel = root.find("channel")
    if channel is None:
        raise ValueError("no rss document: it has no channel")
    entries = (
        GlanceEntry(
            element.findtext("title") or "",
            element.findtext("link") or "",
            _rfc822(element.findtext("pubDate")),
            element.get(f"{_XML}lang") or "",
        )
        for element in _first(channel.iterfind("item"), limit)
    )
    return Glance(
        channel.findtext("title") or "",
        channel.findtext("description") or "",
        channel.findtext("language") or "",
        channel.findtext("link") or "",
        tuple(entries),
    )


def _alternate(element: etree._Element) -> str:
    for link in element.iterfind(f"{_ATOM}link"):
        if link.get("rel", "alternate") == "alternate":
            return link.get("href") or ""
    return ""


def _first(elements: Iterator[etree._Element], limit: int) -> Iterator[etree._Element]:
    for _, element in zip(range(limit), elements, strict=False):
        yield element


def _rfc3339(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _rfc822(text: str | None) -> datetime | None:
    return parsedate_to_datetime(text) if text else None


def _parser() -> etree.XMLParser:
    # Our own documents have no entities, and a stranger's file in the folder gets no network.
    return etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
