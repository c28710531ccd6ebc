"""F6: the HTML of an entry. No scripts, no handlers, no address that leads nowhere once it is read elsewhere."""

from __future__ import annotations

import re

from lxml import etree, html

from syndicate.core.feeds.rules.finding import Findings

# A body without any of these, with absolute addresses only, needs no closer look. A look costs twenty times as much.
# fmt: off
_SUSPICIOUS = (
    "script", "<style", "<iframe", "<object", "<embed", "<form", "<applet", "<base", "<meta", "<link", "<svg", "<math",
    "cite", "action", "poster", "background",
)
# fmt: on
_HANDLER = re.compile(r"on[a-z]{2,30}\s*=")
_LINKS = (
    ("href", ('href="https://', 'href="http://', 'href="mailto:', 'href="tel:')),
    ("src", ('src="https://', 'src="http://')),
)
_DANGEROUS = frozenset({"script", "iframe", "object", "embed", "applet", "base", "meta", "link", "form", "style"})
_ADDRESSES = frozenset({"href", "src", "cite", "action", "formaction", "poster", "background"})
_GOOD = re.compile(r"(?:https?://|mailto:|tel:|data:image/(?:png|gif|jpeg|webp|avif);)", re.IGNORECASE)
_SCRIPT = re.compile(r"(?:java|vb|live)script:|data:(?!image/)", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\x00-\x20]+")


def check_body(body: str, where: str, found: Findings) -> None:
    """Look through the HTML of one entry."""
    if "<" not in body or not _is_suspicious(body.lower()):
        return
    try:
        parts = html.fragments_fromstring(body)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        found.warning("F6", where, "its HTML cannot be read")
        return
    for part in parts:
        # Text before the first element comes as a str, which the library's types do not know of.
        for element in part.iter(etree.Element) if hasattr(part, "iter") else ():
            _check_element(element, where, found)


def _is_suspicious(lower: str) -> bool:
    return (
        any(word in lower for word in _SUSPICIOUS)
        or any(lower.count(name) != sum(map(lower.count, good)) for name, good in _LINKS)
        or _HANDLER.search(lower) is not None
    )


def _check_element(element: etree._Element, where: str, found: Findings) -> None:
    tag = str(element.tag)
    if tag in _DANGEROUS:
        found.error("F6", where, f"its HTML has <{tag}>: readers run it or drop it; publish sanitised HTML")
    for name, value in element.attrib.items():
        attribute, address = str(name).lower(), _INVISIBLE.sub("", str(value))
        if attribute.startswith("on"):
            found.error("F6", where, f"its HTML has a handler ({attribute}=): some readers run it")
        elif attribute in _ADDRESSES and _SCRIPT.match(address):
            found.error("F6", where, f"its HTML has a script as an address in {attribute}=")
        elif attribute in _ADDRESSES and not _GOOD.match(address):
            if attribute == "href" and address.startswith("#"):
                found.warning(
                    "F6", where, f"its HTML links to a place in the page ({address[:40]}), which is not there"
                )
            else:
                found.error("F6", where, f"its HTML has an address that is not absolute: {attribute}={address[:80]!r}")
