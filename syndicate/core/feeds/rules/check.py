"""Judges the bytes of any feed by F1 to F27: which format it is, and what its rules and the common ones find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from syndicate.core.feeds.rules.atom import read_atom
from syndicate.core.feeds.rules.entries import SeenFeed, check_feed
from syndicate.core.feeds.rules.finding import Finding, Findings
from syndicate.core.feeds.rules.json_feed import read_json_feed
from syndicate.core.feeds.rules.rss import read_rss
from syndicate.core.feeds.rules.xml_reading import MAX_BYTES, plain, read_xml
from syndicate.core.feeds.xml_elements import ATOM

K = TypeVar("K", bound=str)

# What a server should say of each (F13); the bare XML types are read everywhere too, but say less.
_TYPES = {
    "RSS 2.0": "application/rss+xml",
    "Atom": "application/atom+xml",
    "JSON Feed 1.1": "application/feed+json",
}


def check_document(data: bytes, media_type: str | None = None, *, address: str | None = None) -> list[Finding]:
    """Judge a feed in RSS 2.0, Atom or JSON Feed. No findings: it keeps all our rules.

    ``media_type`` is what its server calls it, ``address`` where it is or will be found: they must fit what it says.
    A window of 50 entries takes a few milliseconds; no input makes it raise, fetch anything or take long.
    """
    found = Findings()
    _judge(data, media_type, address, found)
    return list(found)


def check_agreement(documents: Mapping[str, bytes]) -> list[Finding]:
    """Judge the formats of one feed, by name: the same entries in the same order with the same titles (F1)."""
    found = Findings()
    for name, first in _disagreeing({name: _read(data, Findings()) for name, data in documents.items()}):
        found.error("F1", name, f"its entries differ from those of {first}")
    return list(found)


def check_formats(documents: Mapping[K, tuple[bytes, str, str]]) -> dict[K, Findings]:
    """Judge each format of one feed as ``check_document`` does (bytes, media type, address), and their agreement."""
    found = {name: Findings() for name in documents}
    seen = {
        name: _judge(data, media_type, address, found[name]) for name, (data, media_type, address) in documents.items()
    }
    for name, first in _disagreeing(seen):
        found[name].error("F1", "", f"its entries differ from those of {first}")
    return found


def _judge(data: bytes, media_type: str | None, address: str | None, found: Findings) -> SeenFeed | None:
    feed = _read(data, found)
    if feed is not None:
        check_feed(feed, len(data), address, found)
        if media_type is not None:
            _check_type(feed, media_type, found)
    return feed


def _disagreeing(seen: Mapping[K, SeenFeed | None]) -> Iterator[tuple[K, K]]:
    """Those whose entries are not the first one's, each with the first."""
    told = {
        name: [(entry.id, entry.title.strip(), entry.published) for entry in feed.entries]
        for name, feed in seen.items()
        if feed is not None
    }
    first = next(iter(told), None)
    if first is not None:
        yield from ((name, first) for name, entries in told.items() if entries != told[first])


def _read(data: bytes, found: Findings) -> SeenFeed | None:
    if len(data) > MAX_BYTES:
        found.error("F17", "", f"it has {len(data):,} bytes; more than {MAX_BYTES:,} are not looked at")
        return None
    start = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        found.error("F1", "", "it is empty")
        return None
    if start[:1] in {b"{", b"["}:
        return read_json_feed(data, found)
    root = read_xml(data, found)
    if root is None:
        return None
    if root.tag == "rss":
        return read_rss(root, found)
    if root.tag == f"{{{ATOM}}}feed":
        return read_atom(root, found)
    found.error("F1", "", f"<{plain(root.tag)[:40]}> is no feed in RSS 2.0, Atom or JSON Feed")
    return None


def _check_type(feed: SeenFeed, media_type: str, found: Findings) -> None:
    given, wanted = media_type.partition(";")[0].strip().lower(), _TYPES[feed.format]
    if given == wanted:
        return
    say = found.error if "html" in given or not given else found.warning
    say("F13", "", f"it is served as {given or 'nothing'}; readers expect {wanted}")
