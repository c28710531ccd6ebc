"""Reads a feed document of any format: which one it is, and what a document that is none seems to be."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from urllib.parse import urljoin

from syndicate.core.feed_reading.atom import read_atom
from syndicate.core.feed_reading.decoding import decode
from syndicate.core.feed_reading.entry import ReadFeed
from syndicate.core.feed_reading.json_feed import read_json
from syndicate.core.feed_reading.rss import Titles, read_rss
from syndicate.core.feed_reading.tree import name_of
from syndicate.core.feed_reading.xml_text import parse_xml
from syndicate.errors import SourceError

_PAGE = re.compile(r"(?:\s|<!--.{0,2000}?-->)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_LINK = re.compile(r"<link\b[^<>]{0,1000}>", re.IGNORECASE)
_FEED_TYPE = re.compile(r"application/(?:rss\+xml|atom\+xml|feed\+json)", re.IGNORECASE)
_HREF = re.compile(r"""\bhref\s*=\s*["']?([^"'\s>]{1,500})""", re.IGNORECASE)
_LOOKED_AT = 100_000


def read_feed(data: bytes, *, address: str, now: datetime, content_type: str = "", titles: Titles = "text") -> ReadFeed:
    """Read a document that came from ``address``; ``content_type`` is the header's value and only a hint.

    Dates further ahead than two days count as none. Raises SourceError: no feed, cut off, entities of its own.
    """
    text = decode(data, content_type).lstrip("\ufeff \t\r\n\x00")
    if not text:
        raise SourceError(f"{address}: the document is empty")
    if text.startswith("{"):
        return read_json(text, address, now)
    if _PAGE.match(text):
        raise SourceError(f"{address}: this is a web page and no feed{_named_feeds(text, address)}")
    if not text.startswith("<"):
        raise SourceError(f"{address}: neither XML nor JSON; is this the address of a feed?")
    root, repaired = parse_xml(text, address)
    name = name_of(root)
    if name in {"atom:feed", "atom:entry"}:
        feed = read_atom(root, address, now)
    elif name in {"rss", "rdf:rdf", "rdf"}:
        feed = read_rss(root, address, now, titles)
    elif name.endswith("html"):
        raise SourceError(f"{address}: this is a web page and no feed{_named_feeds(text, address)}")
    else:
        raise SourceError(f"{address}: XML, but no feed: its first element is <{name.lstrip('?:')[:50]}>")
    return replace(feed, repaired=repaired) if repaired else feed


def _named_feeds(text: str, address: str) -> str:
    """Tell which feeds a page names (HTML Standard, 4.6.7.1), so that the operator can take one of those."""
    links = [link for link in _LINK.findall(text[:_LOOKED_AT]) if _FEED_TYPE.search(link)]
    found = []
    for link in links[:3]:
        href = _HREF.search(link)
        if href:
            try:
                found.append(urljoin(address, href[1].replace("&amp;", "&")))
            except ValueError:
                continue
    return f"; it names {', '.join(dict.fromkeys(found))}" if found else ""
