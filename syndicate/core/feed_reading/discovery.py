"""Where a feed says that its hub is: Link headers first, then the document (WebSub 4). Pure text, nothing is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from syndicate.core.feed_reading import values
from syndicate.core.feed_reading.entry import ReadFeed

_TARGET = re.compile(r"<([^<>]*)>")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110, 5.6.2
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})[ \t]*(?:=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*)))?)?')
_LONGEST_HEADER = 8192
_LONGEST_ADDRESS = 2000
_MOST_HUBS = 5  # one is enough; the others are for when it refuses


def header_links(header: str, base: str) -> list[tuple[str, frozenset[str]]]:
    """The web addresses of a Link header with their relations in lower case (RFC 8288, 3).

    Links about another context (``anchor``) are left out. What cannot be read is passed over.
    """
    header, place = header[:_LONGEST_HEADER], 0
    found = []
    while target := _TARGET.search(header, place):
        place = target.end()
        given: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, place):
            place = parameter.end()
            if parameter[1]:
                quoted = parameter[2]
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3] or ""
                given.setdefault(parameter[1].lower(), value)
        url = values.address(target[1], base)
        if url and "anchor" not in given:
            found.append((url, frozenset(given.get("rel", "").lower().split())))
    return found


def discover(
    header: str, feed: ReadFeed | None, *, address: str, topic: str | None
) -> tuple[tuple[str, ...], str | None] | None:
    """The hubs of a feed and its topic, from an answer that came from ``address``; no hubs: it names none.

    ``feed`` is None for an answer without a new document; then ``topic`` is what the last one named. None: this answer
    says nothing of it. The topic is the feed's rel=self; one that names none counts by the address it came from.
    """
    links = header_links(header, address)
    hubs = _usable(url for url, relations in links if "hub" in relations)
    if not hubs and feed is None:
        return None
    named = next((url for url, relations in links if "self" in relations), None)
    named = named or (feed.self_address if feed else topic)
    hubs = hubs or _usable(feed.hubs if feed else ())
    return (hubs, next(iter(_usable((named or address, address))), None)) if hubs else ((), None)


def _usable(addresses: Iterable[str]) -> tuple[str, ...]:
    """Those that can be sent in a form and kept, each once."""
    fine = (url for url in addresses if len(url) <= _LONGEST_ADDRESS and url.isascii() and "#" not in url)
    return tuple(islice(dict.fromkeys(fine), _MOST_HUBS))
