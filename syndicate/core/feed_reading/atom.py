"""Atom 1.0 (RFC 4287) and 0.3, with tombstones (RFC 6721), threads (RFC 4685) and RFC 5005's marks."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Literal

from syndicate.core.feed_reading import values
from syndicate.core.feed_reading.entry import ReadEntry, ReadFeed
from syndicate.core.feed_reading.media import enclosures, picture
from syndicate.core.feed_reading.tree import (
    Element,
    Parts,
    base_of,
    inner_html,
    language_of,
    name_of,
    own_language,
    text_of,
)

_HTML_TYPES = frozenset({"html", "text/html"})
_XHTML_TYPES = frozenset({"xhtml", "application/xhtml+xml"})
_TEXT_TYPES = frozenset({"", "text", "text/plain"})


def read_atom(feed: Element, address: str, now: datetime) -> ReadFeed:
    """Read an ``atom:feed``, or a document that is one ``atom:entry`` (RFC 4287, section 2)."""
    parts = Parts(feed)
    base, _ = base_of(feed, address)
    entries = [feed] if name_of(feed) == "atom:entry" else list(parts.all("atom:entry"))
    authors = _authors(parts)
    return ReadFeed(
        form="atom",
        address=address,
        title=_line(parts.first("atom:title")),
        language=values.language(own_language(feed)),
        home=link(parts, base, "alternate"),
        self_address=link(parts, base, "self"),
        hubs=hubs(parts, base),
        generator=values.line(parts.text("atom:generator")),
        ttl=update_period(parts),
        complete=parts.first("fh:complete") is not None and parts.first("fh:archive") is None,
        entries=tuple(_entry(entry, feed, authors, address, now) for entry in entries),
        deleted=tuple(ref for gone in parts.all("at:deleted-entry") if (ref := (gone.get("ref") or "").strip())),
    )


def _entry(element: Element, feed: Element, feed_authors: tuple[str, ...], address: str, now: datetime) -> ReadEntry:
    parts = Parts(element)
    base, _ = base_of(element, address)
    source = parts.first("atom:source")
    origin = Parts(source) if source is not None else None
    url = link(parts, base, "alternate")
    body, form, body_base = _content(parts, address, url)
    enclosed = enclosures(parts, base)
    image, image_alt = picture(parts, enclosed, base)
    replies, replies_feed, count = _replies(parts, base)
    return ReadEntry(
        id=parts.text("atom:id").strip(),
        title=values.title(_line(parts.first("atom:title"))),
        link=url,
        body=body,
        form=form,
        base=body_base,
        summary=_line(parts.first("atom:summary")),
        # RFC 4287, section 4.1.2: the entry's own, else those of its source, else the feed's.
        authors=_authors(parts) or (_authors(origin) if origin else ()) or feed_authors,
        publisher=values.title(_line(origin.first("atom:title"))) if origin else "",
        categories=values.names(
            values.line(category.get("label") or category.get("term")) for category in parts.all("atom:category")
        )
        or values.names(values.line(text_of(subject)) for subject in parts.all("dc:subject")),
        language=values.language(language_of(element, within=feed)),
        published=values.date(
            parts.text("atom:published", "atom:issued", "atom:created", "dcterms:issued", "dc:date"), now
        ),
        updated=values.date(parts.text("atom:updated", "atom:modified", "dcterms:modified"), now),
        image=image,
        image_alt=image_alt,
        attachments=tuple(entry for entry in enclosed if entry.url != image),
        comments=count,
        comments_url=replies,
        comments_feed=replies_feed,
        kind=values.line(parts.text("dc:type")),
    )


def link(parts: Parts, base: str | None, rel: str) -> str | None:
    """The first ``atom:link`` of a relation; of alternates, one that is a page or says nothing of its type."""
    found = [
        (element.get("type") or "text/html", url)
        for element in parts.all("atom:link")
        if _rel(element) == rel and (url := values.address(element.get("href"), base))
    ]
    pages = [url for media_type, url in found if "html" in media_type]
    return next(iter(pages or [url for _, url in found]), None)


def hubs(parts: Parts, base: str | None) -> tuple[str, ...]:
    """The WebSub hubs that a feed names."""
    found = (values.address(element.get("href"), base) for element in parts.all("atom:link") if _rel(element) == "hub")
    return tuple(dict.fromkeys(url for url in found if url))


def update_period(parts: Parts) -> timedelta | None:
    """How often a feed says it changes (RSS 1.0 syndication module)."""
    period = values.PERIODS.get(parts.text("sy:updateperiod").strip().lower())
    if period is None:
        return None
    return period / max(1, min(values.count(parts.text("sy:updatefrequency")) or 1, 1000))


def _rel(element: Element) -> str:
    # An absent one means "alternate"; IANA's relations may be written as addresses (RFC 4287, section 4.2.7.2).
    rel = (element.get("rel") or "alternate").strip().lower()
    return rel.removeprefix("http://www.iana.org/assignments/relation/")


def _authors(parts: Parts) -> tuple[str, ...]:
    people = (Parts(person).text("atom:name") or text_of(person) for person in parts.all("atom:author"))
    return values.names(map(values.author, people)) or values.names(
        values.author(text_of(creator)) for creator in parts.all("dc:creator")
    )


def _content(parts: Parts, address: str, url: str | None) -> tuple[str, Literal["html", "text"], str | None]:
    """The body, what it is, and what its addresses are relative to: the content, else the summary."""
    for element in parts.all("atom:content", "atom:summary"):
        text, form = _text(element)
        if text.strip():
            # Without an xml:base nearly everybody means the page of the entry.
            base, given = base_of(element, address)
            return values.block(text), form, base if given else url or base
    return "", "html", url


def _text(element: Element) -> tuple[str, Literal["html", "text"]]:
    """The text of a text construct or a content, and whether it is HTML (RFC 4287, 3.1 and 4.1.3; Atom 0.3, 3.1)."""
    media_type = (element.get("type") or "").split(";")[0].strip().lower()
    mode = (element.get("mode") or "").lower()
    if element.get("src") is not None:
        return "", "html"  # it lies elsewhere
    if mode == "base64":
        try:
            decoded = base64.b64decode(text_of(element)).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return "", "html"
        return decoded, "html" if media_type in _HTML_TYPES else "text"
    if media_type in _XHTML_TYPES or (mode == "xml" and len(element)) or (len(element) and media_type in _HTML_TYPES):
        divisions = [child for child in element if name_of(child).endswith("div")]
        only = len(element) == 1 and len(divisions) == 1 and not (element.text or "").strip()
        return inner_html(divisions[0] if only else element), "html"
    if media_type in _HTML_TYPES:
        return text_of(element), "html"
    if media_type in _TEXT_TYPES:
        return text_of(element), "html" if mode == "escaped" and not media_type else "text"
    return (text_of(element), "text") if media_type.startswith("text/") else ("", "html")


def _line(element: Element | None) -> str:
    """A text construct as one line of plain text, unescaped exactly as often as its type says."""
    if element is None:
        return ""
    text, form = _text(element)
    return values.line_of_html(text) if form == "html" else values.line(text)


def _replies(parts: Parts, base: str | None) -> tuple[str | None, str | None, int | None]:
    """The page and the feed of the comments, and how many there are (RFC 4685, sections 4 and 5)."""
    page = feed = None
    number = values.count(parts.text("thr:total") or parts.text("slash:comments"))
    for element in parts.all("atom:link"):
        if _rel(element) != "replies":
            continue
        url = values.address(element.get("href"), base)
        if "html" in (element.get("type") or "text/html"):
            page = page or url
        else:
            feed = feed or url
        for name, value in element.attrib.items():
            if number is None and str(name).rpartition("}")[2] == "count":
                number = values.count(str(value))
    return page, feed, number
