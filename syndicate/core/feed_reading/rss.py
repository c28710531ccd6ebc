"""RSS 0.9x and 2.0 (rssboard.org, with its profile), and RSS 1.0 and 0.90 (RDF), with the modules that are in use."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from syndicate.core.feed_reading import values
from syndicate.core.feed_reading.atom import hubs, link, update_period
from syndicate.core.feed_reading.entry import ReadEntry, ReadFeed
from syndicate.core.feed_reading.media import enclosures, picture
from syndicate.core.feed_reading.tree import Element, Parts, base_of, html_of, language_of, own_language, text_of

Titles = Literal["text", "html"]


def read_rss(root: Element, address: str, now: datetime, titles: Titles) -> ReadFeed:
    """Read an ``rss`` or ``rdf:RDF`` element. ``titles`` says what titles are: plain text, as the profile has it."""
    top = Parts(root)
    channel = top.first("channel")
    parts = Parts(channel) if channel is not None else top
    base, _ = base_of(parts.element, address)
    home = values.address(parts.text("link"), base) or link(parts, base, "alternate")
    # RSS 1.0 and 0.90 have their items beside the channel, and some of the others too.
    items = [*parts.all("item"), *(top.all("item") if channel is not None else ())]
    return ReadFeed(
        form="rss",
        address=address,
        title=_title(parts.first("title", "dc:title"), titles),
        language=values.language(parts.text("language", "dc:language") or own_language(root)),
        home=home,
        self_address=link(parts, base, "self"),
        hubs=hubs(parts, base),
        generator=values.line(parts.text("generator")),
        ttl=values.minutes(parts.text("ttl")) or update_period(parts),
        complete=parts.first("fh:complete") is not None and parts.first("fh:archive") is None,
        entries=tuple(_item(item, root, address, home, now, titles) for item in items),
        deleted=tuple(ref for gone in parts.all("at:deleted-entry") if (ref := (gone.get("ref") or "").strip())),
    )


def _item(element: Element, root: Element, address: str, home: str | None, now: datetime, titles: Titles) -> ReadEntry:
    parts = Parts(element)
    base, given = base_of(element, home or address)
    guid = parts.first("guid")
    permalink = guid is not None and (guid.get("isPermaLink") or "true").strip().lower() != "false"
    url = (
        values.address(parts.text("feedburner:origlink"), base)
        or values.address(parts.text("link"), base)
        or link(parts, base, "alternate")
        or (values.address(text_of(guid), None) if permalink else None)
    )
    full = html_of(parts.first("content:encoded")) or html_of(parts.first("xhtml:body"))
    short = html_of(parts.first("description", "itunes:summary", "media:description"))
    enclosed = enclosures(parts, base)
    image, image_alt = picture(parts, enclosed, base)
    about = next((str(value) for name, value in element.attrib.items() if str(name).endswith("}about")), "")
    comments_feed = next(parts.all("wfw:commentrss"), None)
    return ReadEntry(
        id=(text_of(guid) or about or parts.text("dc:identifier")).strip(),
        title=values.title(_title(parts.first("title", "dc:title", "media:title"), titles)),
        link=url,
        body=values.block(full or short),
        base=base if given else url or base,
        summary=values.line_of_either(short) if full else "",
        authors=values.names(values.author(text_of(creator)) for creator in parts.all("dc:creator"))
        or values.names(values.author(text_of(person)) for person in parts.all("author", "itunes:author")),
        publisher=values.title(values.line_of_either(parts.text("source") or parts.text("dc:publisher"))),
        categories=values.names(_title(category, titles) for category in parts.all("category", "dc:subject")),
        language=values.language(parts.text("dc:language") or language_of(element, within=root)),
        published=values.date(
            parts.text("pubdate", "dc:date", "dcterms:issued", "dcterms:created", "atom:published"), now
        ),
        updated=values.date(parts.text("dcterms:modified", "atom:updated"), now),
        image=image,
        image_alt=image_alt,
        attachments=tuple(entry for entry in enclosed if entry.url != image),
        comments=values.count(parts.text("slash:comments")),
        comments_url=values.address(parts.text("comments"), base),
        comments_feed=values.address(text_of(comments_feed), base),
        kind=values.line(parts.text("dc:type")),
    )


def _title(element: Element | None, titles: Titles) -> str:
    """A title: escaped once it is plain text; with elements inside, or where the operator says so, it is HTML."""
    if element is None:
        return ""
    html = html_of(element)
    return values.line_of_html(html) if titles == "html" or len(element) else values.line(html)
