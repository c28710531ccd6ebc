"""RSS 2.0 and Atom (RFC 4287) through feedgen: the only module that imports it.

The defects of feedgen 1.0.0 are mended here, by its extension mechanism or by what it is given, and named where that is
done. What a feed says is decided in ``document.py``; the elements that its extensions add stand in ``xml_elements.py``.
"""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from html import escape

from feedgen.entry import FeedEntry as GeneratedEntry
from feedgen.ext.base import BaseEntryExtension, BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from syndicate.core.feeds import xml_elements
from syndicate.core.feeds.document import FeedDocument
from syndicate.core.feeds.entries import FeedEntry
from syndicate.model import FeedFormat

GENERATOR = "Syndicate"  # without a version: an upgrade of the program must not change the bytes of every feed
RSS_SPECIFICATION = "https://www.rssboard.org/rss-specification"
# Atom requires atom:updated of a feed without entries too (RFC 4287 4.1.1). It must not be the clock, and any article
# that comes later must move it forward: so the earliest time that the W3C's validator calls plausible.
EMPTY_FEED_UPDATED = datetime(1990, 1, 1, tzinfo=UTC)

_EXTENSION = "ours"
# Of the 50 entries of a window one is new; making the other 49 anew is two thirds of what a document costs. About 10 KB
# each. The pages of an archive are written once and would only push the others out.
_ENTRIES_KEPT = 1024

# Plain texts, also those beside which HTML could stand.
_PLAIN = re.compile(
    rb"<(?:title|subtitle|rights|copyright|category|(?:summary|content|media:description) type=\"(?:text|plain)\")>"
    rb"[^<]*<"
)
# The RSS Advisory Board's profile, 4.1.2: hexadecimal references are what every reader decodes exactly once. To a
# parser of XML they are the same; the W3C's validator takes them as saying that a text is meant as text, in Atom too.
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
    make = _rss_item.__wrapped__ if document.archive else _rss_item
    for entry in document.entries:
        feed.add_entry(make(entry), order="append")  # its default turns the order round
    return _PLAIN.sub(_hexadecimal, feed.rss_str(pretty=True))


def write_atom(document: FeedDocument) -> bytes:
    """An Atom document (RFC 4287): UTF-8, the same bytes for the same document."""
    feed = _feed(document, FeedFormat.ATOM)
    feed.subtitle(document.description)
    feed.updated(document.updated or EMPTY_FEED_UPDATED)  # else feedgen takes the clock
    feed.author(name=document.publisher, uri=document.alternate)
    make = _atom_entry.__wrapped__ if document.archive else _atom_entry
    for entry in document.entries:
        feed.add_entry(make(entry), order="append")
    return _PLAIN.sub(_hexadecimal, feed.atom_str(pretty=True))


def _feed(document: FeedDocument, form: FeedFormat) -> FeedGenerator:
    """What both formats say of the feed."""
    feed = FeedGenerator()
    feed.id(document.id)
    feed.title(document.title)
    feed.link(href=document.address(form), rel="self", type=form.media_type)
    feed.link(href=document.alternate, rel="alternate", type="text/html")  # last: RSS gets the last one as its link
    feed.language(document.language)
    feed.generator(GENERATOR)
    if document.copyright:
        feed.rights(document.copyright)
    feed.register_extension(_EXTENSION, _Feed, _Item)
    feed.ours.document, feed.ours.form = document, form
    return feed


@lru_cache(maxsize=_ENTRIES_KEPT)
def _rss_item(entry: FeedEntry) -> GeneratedEntry:
    item = _entry(entry)
    # RSS has no plain text: a description "must be suitable for presentation as HTML" (profile, 5.1.1.3).
    if entry.summary:
        item.description(escape(entry.summary, quote=False))
    if entry.html:
        item.content(entry.html)  # content:encoded where there is a description, else the description itself
    return item


@lru_cache(maxsize=_ENTRIES_KEPT)
def _atom_entry(entry: FeedEntry) -> GeneratedEntry:
    item = _entry(entry)
    item.published(entry.published)
    item.updated(entry.updated)
    item.author([{"name": name} for name in entry.authors])
    for attachment in entry.attachments:
        length = {} if attachment.length is None else {"length": str(attachment.length)}
        item.link(href=attachment.url, rel="enclosure", type=attachment.type, **length)
    for related in entry.related:
        item.link(href=related.url, rel="related", title=related.title)
    if entry.summary:
        if "<" in entry.summary:  # as HTML: many readers strip from a text what looks like a tag
            item.summary(escape(entry.summary, quote=False), type="html")
        else:
            item.summary(entry.summary, type="text")
    if entry.html:
        item.content(entry.html, type="html")  # without a type readers show the tags; as CDATA it would be invalid
    elif entry.url is None or not entry.summary:
        # Without a link an entry must have a content (RFC 4287 4.1.2), with one it should have a summary or that.
        item.content(entry.summary or entry.title, type="text")
    return item


def _entry(entry: FeedEntry) -> GeneratedEntry:
    """What both formats say of an entry."""
    item = _Entry()
    item.register_extension(_EXTENSION, _Item)
    item.guid(entry.id, permalink=False)
    item.title(entry.title)
    if entry.url:
        item.link(href=entry.url, rel="alternate", type="text/html")
    item.category([{"term": term} for term in entry.categories])
    item.ours.entry = entry
    return item


def _hexadecimal(element: re.Match[bytes]) -> bytes:
    text = element[0]
    for entity, reference in _HEXADECIMAL.items():
        text = text.replace(entity, reference)
    return text


class _NoTime(datetime):
    """A time that feedgen accepts and does not write."""

    def __bool__(self) -> bool:
        return False


class _Entry(GeneratedEntry):  # type: ignore[misc]  # feedgen ships no types
    """An entry that builds its element once and gives copies, since an element can stand in one document only."""

    @cached_property
    def _rss(self) -> etree._Element:
        element: etree._Element = super().rss_entry()
        return element

    @cached_property
    def _atom(self) -> etree._Element:
        element: etree._Element = super().atom_entry()
        # feedgen forgets everything of an entry's links but their address (its issues #135, #143). Its own links stand
        # first; those of our extension, which has been called already, follow.
        for written, link in zip(element.findall("link"), self.link() or [], strict=False):
            written.attrib.update(link)
        return element

    def rss_entry(self, extensions: bool = True) -> etree._Element:  # noqa: ARG002 - feedgen's signature
        return copy.copy(self._rss)

    def atom_entry(self, extensions: bool = True) -> etree._Element:  # noqa: ARG002 - feedgen's signature
        return copy.copy(self._atom)


class _Feed(BaseExtension):  # type: ignore[misc]  # feedgen ships no types
    """Of a feed, what feedgen cannot write, or not without the process's locale."""

    document: FeedDocument
    form: FeedFormat

    def extend_ns(self) -> dict[str, str]:
        return xml_elements.namespaces(self.document, self.form)

    def extend_rss(self, feed: etree._Element) -> etree._Element:
        xml_elements.add_to_channel(feed[0], self.document)
        return feed

    def extend_atom(self, feed: etree._Element) -> etree._Element:
        xml_elements.add_to_feed(feed, self.document)
        return feed


class _Item(BaseEntryExtension):  # type: ignore[misc]  # feedgen ships no types
    """Of an entry, what feedgen has no setter for."""

    entry: FeedEntry

    def extend_rss(self, item: etree._Element) -> etree._Element:
        xml_elements.add_to_item(item, self.entry)
        return item

    def extend_atom(self, element: etree._Element) -> etree._Element:
        xml_elements.add_to_entry(element, self.entry)
        return element
