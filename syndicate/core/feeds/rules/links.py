"""The links of a feed as RSS and Atom both write them: itself, its hubs, its archives (F8, F16, F17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from syndicate.core.feeds.media_types import is_media_type
from syndicate.core.feeds.rules import values
from syndicate.core.feeds.rules.finding import Findings

_ARCHIVES = ("prev-archive", "next-archive", "current")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One Atom link (RFC 4287, section 4.2.7) with its attributes as they stand there."""

    rel: str
    href: str
    type: str | None
    hreflang: str | None
    length: str | None

    @classmethod
    def of(cls, element: etree._Element) -> Link:
        rel = element.get("rel", "alternate")
        return cls(
            rel=rel.removeprefix("http://www.iana.org/assignments/relation/"),
            href=element.get("href", ""),
            type=element.get("type"),
            hreflang=element.get("hreflang"),
            length=element.get("length"),
        )


def check_link(link: Link, where: str, found: Findings, *, rule: str = "F8") -> None:
    """What holds for every link, of feeds and of entries."""
    if not values.is_uri(link.href):
        found.error(rule, where, f"its link rel={link.rel} is no absolute address: {link.href[:100]!r}")
    if link.type is not None and not is_media_type(link.type.partition(";")[0].strip()):
        found.error("RFC 4287", where, f"the type of its link rel={link.rel} is no media type: {link.type[:60]!r}")
    if link.hreflang is not None and not values.is_language(link.hreflang):
        found.error("F21", where, f"the hreflang of its link rel={link.rel} is no language tag")
    if link.length is not None and not values.is_count(link.length):
        found.error("F22", where, f"the length of its link rel={link.rel} is no number of bytes")


def check_links(links: Sequence[Link], found: Findings, *, archive: bool, complete: bool, itself: str) -> str | None:
    """The links of a feed. Returns the address that it gives for itself."""
    for link in links:
        check_link(link, "", found, rule={"hub": "F16"}.get(link.rel, "F17" if link.rel in _ARCHIVES else "F8"))
    own = [link.href for link in links if link.rel == "self"]
    hubs = [link.href for link in links if link.rel == "hub"]
    if len(own) != 1:
        say = found.error if hubs or len(own) > 1 else found.warning
        say("F8", "", f"it has {len(own)} {itself} rel=self; readers and hubs need exactly one")
    if len(hubs) != len(set(hubs)):
        found.warning("F16", "", "it names the same hub more than once")
    for relation in _ARCHIVES:
        if sum(link.rel == relation for link in links) > 1:
            found.error("F17", "", f"it has more than one link rel={relation}")
    relations = {link.rel: link.href for link in links}
    if archive and complete:
        found.error("F17", "", "it is an archive and complete at once (RFC 5005)")
    if archive and "current" not in relations:
        found.warning("F17", "", "an archive without a link rel=current: readers do not find the feed (RFC 5005, 4)")
    if own and own[0] in {relations.get("prev-archive"), relations.get("next-archive")}:
        found.error("F17", "", "it names itself as its neighbour in the archives: readers would go round for ever")
    return own[0] if own else None
