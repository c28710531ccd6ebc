"""RSS 2.0 by its specification and the RSS Advisory Board's profile, and what F1 to F25 ask of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from lxml import etree

from syndicate.core.feeds.media_types import is_media_type
from syndicate.core.feeds.rules import values
from syndicate.core.feeds.rules.entries import SeenEntry, SeenFeed
from syndicate.core.feeds.rules.extensions import check_extensions
from syndicate.core.feeds.rules.finding import Findings
from syndicate.core.feeds.rules.links import Link, check_links
from syndicate.core.feeds.rules.xml_reading import check_children, plain, text_of
from syndicate.core.feeds.xml_elements import ATOM, DC, DCTERMS, HISTORY

_FORMAT = "RSS 2.0"
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
# Element: at most one? (specification, "Required" and "Optional channel elements", "Elements of <item>")
# fmt: off
_CHANNEL = {
    **dict.fromkeys((
        "title", "link", "description", "language", "copyright", "managingEditor", "webMaster", "pubDate",
        "lastBuildDate", "generator", "docs", "cloud", "ttl", "image", "rating", "textInput", "skipHours", "skipDays",
    ), True),
    "category": False,
    "item": False,
}
# fmt: on
_ITEM = {
    **dict.fromkeys(("title", "link", "description", "author", "comments", "guid", "pubDate", "source"), True),
    "category": False,
    "enclosure": False,
}
_MAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")


def read_rss(root: etree._Element, found: Findings) -> SeenFeed | None:
    """Check the channel and its items; None when there is no channel to look at."""
    if root.get("version") != "2.0":
        found.error(_FORMAT, "", f"its version is {root.get('version')!r}; publish 2.0")
    channels = root.findall("channel")
    if len(channels) != 1:
        found.error(_FORMAT, "", f"it has {len(channels)} channels; there must be one")
        return None
    channel = channels[0]
    _check_children(channel, _CHANNEL, ("title", "link", "description"), "", found)
    links = [Link.of(element) for element in channel.findall(f"{{{ATOM}}}link")]
    archive = channel.find(f"{{{HISTORY}}}archive") is not None
    own = check_links(
        links, found, archive=archive, complete=channel.find(f"{{{HISTORY}}}complete") is not None, itself="atom:link"
    )
    page = text_of(channel.find("link")).strip()
    if not values.is_web_address(page):
        found.error("F8", "", f"the channel's link is no absolute web address: {page[:100]!r}")
    elif page in {link.href for link in links if link.rel in {"self", "hub"}}:
        found.error("F8", "", "the channel's link is the feed or a hub; it must be the page that the feed is of")
    _check_channel(channel, found)
    built = channel.find("lastBuildDate")
    return SeenFeed(
        format=_FORMAT,
        title=text_of(channel.find("title")),
        self_address=own,
        updated=None if built is None else _date(built, "", found),
        archive=archive,
        entries=tuple(_read_item(item, number, found) for number, item in enumerate(channel.iterfind("item"), 1)),
    )


def _check_channel(channel: etree._Element, found: Findings) -> None:
    language = channel.find("language")
    if language is None:
        found.warning("F21", "", "the channel has no language")
    elif not values.is_language(text_of(language)):
        found.error("F21", "", f"the channel's language is no language tag: {text_of(language)[:40]!r}")
    ttl = channel.find("ttl")
    if ttl is None:
        found.warning("F25", "", "the channel has no ttl: how often readers should ask, in minutes")
    elif not values.is_count(text_of(ttl)) or int(text_of(ttl)) == 0:
        found.error("F25", "", f"ttl is no positive number of minutes: {text_of(ttl)[:40]!r}")
    for name in ("managingEditor", "webMaster"):
        if channel.find(name) is not None:
            found.warning("F7", "", f"{name} is a mail address for everybody to read; leave it out")
    docs = channel.find("docs")
    if docs is not None and not values.is_web_address(text_of(docs)):
        found.error("F25", "", "docs is no absolute web address")
    _check_image(channel.find("image"), found)


def _check_image(image: etree._Element | None, found: Findings) -> None:
    if image is not None:
        for name in ("url", "title", "link"):
            if not text_of(image.find(name)).strip():
                found.error(_FORMAT, "", f"the channel's image has no {name}")
        if not values.is_web_address(text_of(image.find("url"))):
            found.error("F25", "", "the address of the channel's image is not absolute")


def _read_item(item: etree._Element, number: int, found: Findings) -> SeenEntry:
    guid = item.find("guid")
    id_ = text_of(guid).strip()
    where = id_ or f"item {number}"
    _check_children(item, _ITEM, (), where, found)
    if item.find("title") is None and item.find("description") is None:
        found.error(_FORMAT, where, "an item must have a title or a description")
    _check_guid(guid, id_, where, found)
    date = item.find("pubDate")
    if date is None:
        found.warning("F3", where, "it has no pubDate: readers show the time of their visit")
    published = None if date is None else _date(date, where, found)
    modified = item.find(f"{{{DCTERMS}}}modified")
    updated = published
    if modified is not None:
        updated = values.rfc3339(text_of(modified))
        if updated is None:
            found.error("F3", where, f"dcterms:modified is no date of RFC 3339: {text_of(modified)[:40]!r}")
    author = item.find("author")
    if author is not None:
        found.warning("F7", where, "RSS's author is a mail address for everybody to read; name authors in dc:creator")
        if not _MAIL.search(text_of(author)):
            found.error(_FORMAT, where, "author must be a mail address")
    for creator in item.iterfind(f"{{{DC}}}creator"):
        if not text_of(creator).strip():
            found.error("F7", where, "it names an author without a name (dc:creator)")
    comments = item.find("comments")
    if comments is not None and not values.is_web_address(text_of(comments)):
        found.error("F23", where, f"comments is no absolute web address: {text_of(comments)[:100]!r}")
    _check_enclosures(item, where, found)
    check_extensions(item, where, found)
    link = item.find("link")
    body, encoded = item.find("description"), item.find(_CONTENT)
    return SeenEntry(
        where=where,
        id=id_,
        title=text_of(item.find("title")),
        url=None if link is None else text_of(link).strip(),
        published=published,
        updated=updated,
        bodies=[text_of(each) for each in (body, encoded) if each is not None],
    )


def _check_guid(guid: etree._Element | None, id_: str, where: str, found: Findings) -> None:
    if guid is None or not id_:
        found.error("F2", where, "it has no guid: a changed title would be a new article")
        return
    permanent = guid.get("isPermaLink", "true").lower()
    if permanent not in {"true", "false"}:
        found.error(_FORMAT, where, "guid isPermaLink must be true or false")
    elif permanent == "true" and not values.is_web_address(id_):
        found.error("F2", where, 'its guid is no address, and isPermaLink="false" is missing')
    elif permanent == "true":
        found.warning("F2", where, "its guid is an address: when that changes, readers show the article once more")


def _check_enclosures(item: etree._Element, where: str, found: Findings) -> None:
    enclosures = item.findall("enclosure")
    if len(enclosures) > 1:
        found.warning("F22", where, "it has several enclosures; readers take the first or the last")
    for enclosure in enclosures:
        if not values.is_web_address(enclosure.get("url", "")):
            found.error("F22", where, "the address of its enclosure is not absolute")
        if not values.is_count(enclosure.get("length", "")):
            found.error("F22", where, "its enclosure's length is no number of bytes")
        if not is_media_type(enclosure.get("type", "")):
            found.error("F22", where, "its enclosure's type is no media type")


def _check_children(
    parent: etree._Element, known: Mapping[str, bool], required: Sequence[str], where: str, found: Findings
) -> None:
    # RSS itself has no namespace; what has one is an extension's.
    names = [tag for child in parent if not (tag := str(child.tag)).startswith("{")]
    check_children(parent, names, known, required, (_FORMAT, where), found)


def _date(element: etree._Element, where: str, found: Findings) -> datetime | None:
    text = text_of(element).strip()
    time = values.rfc822(text)
    if time is None:
        found.error("F3", where, f"{plain(element.tag)} is no date of RFC 822: {text[:40]!r}")
    elif not re.search(r" \d{4} .* (GMT|UT|Z|\+0000)$", text):
        found.warning(
            "F3", where, f"{plain(element.tag)} should be in GMT, with four digits of the year: {text[:40]!r}"
        )
    return time
