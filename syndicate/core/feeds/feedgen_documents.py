"""RSS 2.0 and Atom (RFC 4287) through feedgen: the only module that imports it.

The defects of feedgen 1.0.0 are mended here, by its extension mechanism or by what it is given, and named where that is
done. What a feed says is decided in ``document.py``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import ClassVar

from feedgen.entry import FeedEntry as GeneratedEntry
from feedgen.ext.base import BaseEntryExtension, BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from syndicate.core.feeds.document import FeedDocument
from syndicate.core.feeds.entries import FeedEntry
from syndicate.model import ArticleKind, FeedFormat

GENERATOR = "Syndicate"  # without a version: an upgrade of the program must not change the bytes of every feed
RSS_SPECIFICATION = "https://www.rssboard.org/rss-specification"
# Atom requires atom:updated of a feed without entries too (RFC 4287 4.1.1). It must not be the clock, and any article
# that comes later must move it forward: so the earliest time that the W3C's validator calls plausible.
EMPTY_FEED_UPDATED = datetime(1990, 1, 1, tzinfo=UTC)

_DC = "http://purl.org/dc/elements/1.1/"
_DCTERMS = "http://purl.org/dc/terms/"
_MEDIA = "http://search.yahoo.com/mrss/"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_TITLE = re.compile(rb"<title>([^<]*)</title>")
# The RSS Advisory Board's profile, 4.1.2: hexadecimal references are what every reader decodes exactly once.
_HEXADECIMAL = {b"&amp;": b"&#x26;", b"&lt;": b"&#x3C;", b"&gt;": b"&#x3E;"}


def write_rss(document: FeedDocument) -> bytes:
    """An RSS 2.0 document by the RSS Advisory Board's profile: UTF-8, the same bytes for the same document."""
    feed = _feed(document, FeedFormat.RSS)
    feed.description(document.description)
    feed.docs(RSS_SPECIFICATION)
    feed.ttl(max(1, int(document.ttl.total_seconds()) // 60))
    # feedgen writes the build time where it gets none, so no poll would ever be a 304; and every date by setlocale(),
    # which other threads see (after four of them the process was left in another locale). A time that counts as nothing
    # keeps it from both; the extensions write the dates.
    feed.lastBuildDate(_NoTime(1990, 1, 1, tzinfo=UTC))
    feed.register_extension("rss", _RssFeed, _RssItem, atom=False)
    feed.rss.document = document
    for entry in document.entries:
        item = _entry(feed, entry)
        # RSS has no plain text: a description "must be suitable for presentation as HTML" (profile, 5.1.1.3).
        if entry.summary:
            item.description(escape(entry.summary, quote=False))
        if entry.html:
            item.content(entry.html)  # content:encoded where there is a description, else the description itself
        item.rss.entry = entry
    return _TITLE.sub(_hexadecimal, feed.rss_str(pretty=True))


def write_atom(document: FeedDocument) -> bytes:
    """An Atom document (RFC 4287): UTF-8, the same bytes for the same document."""
    feed = _feed(document, FeedFormat.ATOM)
    feed.subtitle(document.description)
    feed.updated(document.updated or EMPTY_FEED_UPDATED)  # else feedgen takes the clock
    feed.author(name=document.publisher, uri=document.alternate)
    feed.register_extension("atom", BaseExtension, _AtomEntry, rss=False)
    feed.register_extension("media", _Prefixes, None, rss=False)
    for entry in document.entries:
        item = _entry(feed, entry)
        item.published(entry.published)
        item.updated(entry.updated)
        item.author([{"name": name} for name in entry.authors])
        if entry.summary:
            item.summary(entry.summary, type="text")
        if entry.html:
            item.content(entry.html, type="html")  # without a type readers show the tags; as CDATA it would be invalid
        elif entry.url is None:
            # Without a link an entry must have a content (RFC 4287 4.1.2).
            item.content(entry.summary or entry.title, type="text")
        item.atom.entry = entry
    data: bytes = feed.atom_str(pretty=True)
    return data


def _feed(document: FeedDocument, form: FeedFormat) -> FeedGenerator:
    """What both formats say of the feed."""
    feed = FeedGenerator()
    feed.id(document.address(FeedFormat.ATOM))
    feed.title(document.title)
    feed.link(href=document.address(form), rel="self", type=form.media_type)
    feed.link(href=document.alternate, rel="alternate", type="text/html")  # last: RSS gets the last one as its link
    feed.language(document.language)
    feed.generator(GENERATOR)
    if document.copyright:
        feed.rights(document.copyright)
    return feed


def _entry(feed: FeedGenerator, entry: FeedEntry) -> GeneratedEntry:
    """What both formats say of an entry."""
    item = feed.add_entry(_Entry(), order="append")  # its default turns the order round
    item.guid(entry.id, permalink=False)
    item.title(entry.title)
    if entry.url:
        item.link(href=entry.url, rel="alternate", type="text/html")
    item.category([{"term": term} for term in entry.categories])
    return item


def _hexadecimal(title: re.Match[bytes]) -> bytes:
    text = title[1]
    for entity, reference in _HEXADECIMAL.items():
        text = text.replace(entity, reference)
    return b"<title>" + text + b"</title>"


def _rfc822(time: datetime) -> str:
    """A date of RSS, in GMT with four digits of the year, whatever the locale (RFC 822 5, RFC 1123 5.2.14)."""
    return format_datetime(time, usegmt=True)


def _add(parent: etree._Element, name: str, text: str, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, name, attributes)
    element.text = text
    return element


def _add_image(parent: etree._Element, entry: FeedEntry) -> None:
    """The picture by Media RSS 1.5.1, in both formats."""
    if entry.image is None:
        return
    content = etree.SubElement(parent, f"{{{_MEDIA}}}content", url=entry.image.url, medium="image")
    if entry.image.media_type:
        content.set("type", entry.image.media_type)
    if entry.image.alt:
        _add(content, f"{{{_MEDIA}}}description", entry.image.alt, type="plain")


class _NoTime(datetime):
    """A time that feedgen accepts and does not write."""

    def __bool__(self) -> bool:
        return False


class _Entry(GeneratedEntry):  # type: ignore[misc]  # feedgen ships no types
    """Mends that feedgen forgets everything of an entry's links but their address (its issues #135, #143)."""

    def atom_entry(self, extensions: bool = True) -> etree._Element:
        element: etree._Element = super().atom_entry(extensions)
        for written, link in zip(element.findall("link"), self.link() or [], strict=True):
            written.attrib.update(link)
        return element


class _Prefixes(BaseExtension):  # type: ignore[misc]  # feedgen ships no types
    """The namespaces that our elements stand in."""

    namespaces: ClassVar[dict[str, str]] = {"media": _MEDIA, "dc": _DC, "dcterms": _DCTERMS}

    def extend_ns(self) -> dict[str, str]:
        return dict(self.namespaces)


class _RssFeed(_Prefixes):
    """Of the channel, what feedgen cannot write without the process's locale."""

    document: FeedDocument

    def extend_rss(self, feed: etree._Element) -> etree._Element:
        if self.document.updated:
            _add(feed[0], "lastBuildDate", _rfc822(self.document.updated))
        return feed


class _RssItem(BaseEntryExtension):  # type: ignore[misc]  # feedgen ships no types
    """Of an item, what RSS alone has no element for, and its date."""

    entry: FeedEntry

    def extend_rss(self, item: etree._Element) -> etree._Element:
        entry = self.entry
        _add(item, "pubDate", _rfc822(entry.published))
        for name in entry.authors:
            _add(item, f"{{{_DC}}}creator", name)  # RSS's own author is an e-mail address
        if entry.edited:
            _add(item, f"{{{_DCTERMS}}}modified", entry.updated.isoformat())
        if entry.language:
            _add(item, f"{{{_DC}}}language", entry.language)
        if entry.kind is not ArticleKind.ARTICLE:
            _add(item, f"{{{_DC}}}type", entry.kind.value)
        _add_image(item, entry)
        return item


class _AtomEntry(BaseEntryExtension):  # type: ignore[misc]  # feedgen ships no types
    """Of an Atom entry, what feedgen has no setter for."""

    entry: FeedEntry

    def extend_atom(self, element: etree._Element) -> etree._Element:
        entry = self.entry
        if entry.language:
            element.set(_XML_LANG, entry.language)
        if entry.kind is not ArticleKind.ARTICLE:
            _add(element, f"{{{_DC}}}type", entry.kind.value)
        _add_image(element, entry)
        return element
