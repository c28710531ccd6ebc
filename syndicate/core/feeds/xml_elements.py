"""The elements of RSS and Atom that feedgen has no setters for: what its extensions add to a channel, item or feed.

Only lxml and our model: which of them a document gets is decided here, for both formats side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime

from lxml import etree

from syndicate.core.feeds.document import FeedDocument
from syndicate.core.feeds.entries import FeedEntry
from syndicate.model import ArticleKind, FeedFormat

ATOM = "http://www.w3.org/2005/Atom"
DC = "http://purl.org/dc/elements/1.1/"
DCTERMS = "http://purl.org/dc/terms/"
HISTORY = "http://purl.org/syndication/history/1.0"  # RFC 5005
MEDIA = "http://search.yahoo.com/mrss/"
SLASH = "http://purl.org/rss/1.0/modules/slash/"
SOURCE = "http://source.scripting.com/"
THREAD = "http://purl.org/syndication/thread/1.0"  # RFC 4685
TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"  # RFC 6721
WFW = "http://wellformedweb.org/CommentAPI/"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
# What the picture of an RSS channel may be (RSS 2.0, "image"); others have no size there either.
_CHANNEL_PICTURES = (".png", ".gif", ".jpg", ".jpeg")


def namespaces(document: FeedDocument, form: FeedFormat) -> dict[str, str]:
    """The prefixes that a document needs: those of every document, and those of what it says."""
    entries = document.entries
    found = {"media": MEDIA, "dc": DC}
    if document.archive or document.complete:
        found["fh"] = HISTORY
    if form is FeedFormat.RSS:
        found["dcterms"] = DCTERMS
        if any(entry.comments_count is not None for entry in entries):
            found["slash"] = SLASH
        if any(entry.comments_feed for entry in entries):
            found["wfw"] = WFW
        if any(entry.markdown for entry in entries):
            found["source"] = SOURCE
    else:
        if any(entry.comments_url for entry in entries):
            found["thr"] = THREAD
        if document.deleted:
            found["at"] = TOMBSTONES
    return found


def links(document: FeedDocument, form: FeedFormat) -> Iterator[tuple[str, str]]:
    """The links of the feed besides those to itself and to its page: relation and address (WebSub 4, RFC 5005 4)."""
    for hub in document.hubs:
        yield "hub", hub
    for relation, folder in (
        ("prev-archive", document.prev_archive),
        ("next-archive", document.next_archive),
        ("current", document.current),
    ):
        if folder:
            yield relation, f"{folder}/{form.file_name}"


def add_to_channel(channel: etree._Element, document: FeedDocument) -> None:
    """Of an RSS channel: dates, links, its place in the history, its picture."""
    if document.newest:
        _add(channel, "lastBuildDate", rfc822(document.newest))
    for relation, address in links(document, FeedFormat.RSS):
        link = etree.SubElement(channel, f"{{{ATOM}}}link", rel=relation, href=address)
        if relation != "hub":
            link.set("type", FeedFormat.RSS.media_type)
    _add_history(channel, document)
    picture = next(
        (url for url in (document.icon, document.logo) if url and url.lower().endswith(_CHANNEL_PICTURES)), ""
    )
    if picture:
        image = etree.SubElement(channel, "image")
        _add(image, "url", picture)
        _add(image, "title", document.title)
        _add(image, "link", document.alternate)


def add_to_feed(feed: etree._Element, document: FeedDocument) -> None:
    """Of an Atom feed: its pictures, its place in the history, and what was taken back (RFC 6721, section 2)."""
    for name, address in (("icon", document.icon or document.favicon), ("logo", document.logo)):
        if address:
            _add(feed, name, address)
    for relation, address in links(document, FeedFormat.ATOM):
        link = etree.SubElement(feed, "link", rel=relation, href=address)
        if relation != "hub":
            link.set("type", FeedFormat.ATOM.media_type)
    _add_history(feed, document)
    for tombstone in document.deleted:
        etree.SubElement(
            feed, f"{{{TOMBSTONES}}}deleted-entry", ref=tombstone.id, when=tombstone.when.isoformat(timespec="seconds")
        )


def add_to_item(item: etree._Element, entry: FeedEntry) -> None:
    """Of an RSS item, what RSS alone has no element for, its date, and what belongs to it."""
    _add(item, "pubDate", rfc822(entry.published))
    for name in entry.authors:
        _add(item, f"{{{DC}}}creator", name)  # RSS's own author is an e-mail address
    if entry.edited:
        _add(item, f"{{{DCTERMS}}}modified", entry.updated.isoformat())
    if entry.language:
        _add(item, f"{{{DC}}}language", entry.language)
    _add_kind(item, entry)
    if entry.comments_url:
        _add(item, "comments", entry.comments_url)
    if entry.comments_count is not None:
        _add(item, f"{{{SLASH}}}comments", str(entry.comments_count))
    if entry.comments_feed:
        _add(item, f"{{{WFW}}}commentRss", entry.comments_feed)
    if entry.attachments:
        # One an item (RSS profile, 5.1.1.5: readers differ on more); 0 is how an unknown size is written there.
        first = entry.attachments[0]
        etree.SubElement(item, "enclosure", url=first.url, length=str(first.length or 0), type=first.type)
    for related in entry.related:
        etree.SubElement(item, f"{{{ATOM}}}link", rel="related", href=related.url, title=related.title)
    _add_image(item, entry)
    if entry.markdown:
        _add(item, f"{{{SOURCE}}}markdown", entry.markdown)


def add_to_entry(element: etree._Element, entry: FeedEntry) -> None:
    """Of an Atom entry: language, kind, discussion (RFC 4685, sections 4 and 5), picture."""
    if entry.language:
        element.set(_XML_LANG, entry.language)
    _add_kind(element, entry)
    if entry.comments_url:
        link = etree.SubElement(element, "link", rel="replies", href=entry.comments_url, type="text/html")
        if entry.comments_count is not None:
            link.set(f"{{{THREAD}}}count", str(entry.comments_count))
            _add(element, f"{{{THREAD}}}total", str(entry.comments_count))
    _add_image(element, entry)


def rfc822(time: datetime) -> str:
    """A date of RSS, in GMT with four digits of the year, whatever the locale (RFC 822 5, RFC 1123 5.2.14)."""
    return format_datetime(time, usegmt=True)


def _add(parent: etree._Element, name: str, text: str, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, name, attributes)
    element.text = text
    return element


def _add_history(parent: etree._Element, document: FeedDocument) -> None:
    if document.archive:
        etree.SubElement(parent, f"{{{HISTORY}}}archive")
    if document.complete:
        etree.SubElement(parent, f"{{{HISTORY}}}complete")


def _add_kind(parent: etree._Element, entry: FeedEntry) -> None:
    if entry.kind is not ArticleKind.ARTICLE:
        _add(parent, f"{{{DC}}}type", entry.kind.value)


def _add_image(parent: etree._Element, entry: FeedEntry) -> None:
    """The picture by Media RSS 1.5.1, in both formats."""
    image = entry.image
    if image is None:
        return
    content = etree.SubElement(parent, f"{{{MEDIA}}}content", url=image.url, medium="image")
    if image.media_type:
        content.set("type", image.media_type)
    if image.width and image.height:
        content.set("width", str(image.width))
        content.set("height", str(image.height))
    if image.alt:
        _add(content, f"{{{MEDIA}}}description", image.alt, type="plain")
