"""Links: each leads somewhere and says where; the one to unsubscribe is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin

from lxml.html import HtmlElement

from syndicate.core.preflight.finding import Finding, error, repaired, warning
from syndicate.core.preflight.images import urlsplit_scheme
from syndicate.core.render.slots import marker, marker_pattern

_FOLLOWED = frozenset({"http", "https", "mailto", "tel"})
_SHOWN = 60


def repair_links(root: HtmlElement, base: str, nonce: str, where: str) -> Iterator[Finding]:
    """Complete relative addresses from ``base`` (or empty), and take off those that nobody can follow."""
    slot = marker_pattern(nonce)
    for link in root.iter("a", "area"):
        address = link.get("href")
        if address is None or slot.match(address):
            continue
        address = address.strip()
        scheme = urlsplit_scheme(address)
        if address[:1] == "#" and len(address) > 1 and root.get_element_by_id(address[1:], None) is not None:
            continue
        if not address or address[:1] == "#" or (scheme and scheme not in _FOLLOWED):
            link.attrib.pop("href")
            yield repaired("link-empty", f"“{_said(link)}” led nowhere ({address[:_SHOWN] or 'no address'})", where)
        elif not scheme and base:
            link.set("href", urljoin(base, address))
            yield repaired("link-relative", f"{address[:_SHOWN]} starts from {base} now", where)
        elif not scheme:
            link.attrib.pop("href")
            yield repaired("link-relative", f"{address[:_SHOWN]} has no site to start from; it is no link now", where)


def check_links(root: HtmlElement, where: str) -> Iterator[Finding]:
    """Every link must say something to those who hear it read."""
    for link in root.iter("a"):
        if link.get("href") and not _said(link) and not any(image.get("alt") for image in link.iter("img")):
            yield warning("link-text", f"the link to {str(link.get('href'))[:_SHOWN]} has no words", where)


def check_unsubscribe(html: str, text: str, nonce: str, page: str, text_page: str) -> Iterator[Finding]:
    """Both parts must hold the reader's link to unsubscribe."""
    slot = marker("unsubscribe_url", nonce)
    for content, where in ((html, page), (text, text_page)):
        if slot not in content:
            yield error("unsubscribe-missing", "there is no link to unsubscribe", where)


def web_links(html: str, nonce: str) -> list[str]:
    """The addresses on the web that a page links to, each once; not those that are one reader's own."""
    found = re.findall(r'<a\b[^>]*?\bhref="(https?://[^"]+)"', html)
    return [address.replace("&amp;", "&") for address in dict.fromkeys(found) if nonce not in address]


def _said(link: HtmlElement) -> str:
    return " ".join(link.text_content().split())[:_SHOWN]
