"""What holds for the entries of every format: ids, dates, order, titles. The formats hand over what they read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from syndicate.core.feeds.rules.bodies import check_body
from syndicate.core.feeds.rules.finding import Findings
from syndicate.core.feeds.uris import is_web_address

# Readers have limits (Miniflux takes 15 MB); a window should stay far below (F17 names 500 KB).
LARGE, TOO_LARGE = 1_000_000, 15_000_000
_CLEAN = re.compile("[^\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEntry:
    """One entry as a document gives it; ``where`` names it in messages. ``bodies`` are texts of HTML."""

    where: str
    id: str
    title: str
    url: str | None
    published: datetime | None
    updated: datetime | None
    bodies: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFeed:
    """One feed as a document gives it. ``self_address`` is where it says that it lives."""

    format: str  # RSS 2.0, Atom, JSON Feed
    title: str
    self_address: str | None
    updated: datetime | None
    archive: bool
    deleted: datetime | None = None  # when the newest of what was taken back was taken back
    entries: tuple[SeenEntry, ...]


def check_feed(feed: SeenFeed, size: int, address: str | None, found: Findings) -> None:
    """The rules that are the same for all formats. ``size`` is the document's, in bytes."""
    if not feed.title.strip():
        found.error(feed.format, "", "the feed has no title")
    if address and feed.self_address and feed.self_address != address:
        found.error("F8", "", f"its own address (rel=self) is {feed.self_address}, and it was found at {address}")
    if size > TOO_LARGE:
        found.error("F17", "", f"it has {size:,} bytes; readers take no more than {TOO_LARGE:,}")
    elif size > LARGE and len(feed.entries) > 1 and not feed.archive:
        found.warning("F17", "", f"it has {size:,} bytes: fewer entries, or summaries, would do; the rest in archives")
    _check_ids(feed.entries, found)
    _check_times(feed, found)
    for entry in feed.entries:
        if not entry.title.strip():
            found.warning("F5", entry.where, "it has no title; most readers show nothing else in their lists")
        if entry.url is not None and not is_web_address(entry.url):
            found.error("F8", entry.where, f"its link is no absolute web address: {entry.url[:100]!r}")
        for body in entry.bodies:
            check_body(body, entry.where, found)


def forbidden_character(text: str) -> str | None:
    """The first character of a text that no feed may hold (XML 1.0, production 2), named; None if there is none."""
    clean = _CLEAN.match(text)
    end = clean.end() if clean else 0
    return None if end == len(text) else f"U+{ord(text[end]):04X}"


def _check_ids(entries: Sequence[SeenEntry], found: Findings) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            found.error("F2", entry.where, "another entry has the same id: readers show one of the two")
        elif entry.id:
            seen.add(entry.id)


def _check_times(feed: SeenFeed, found: Findings) -> None:
    last: datetime | None = None
    newest = feed.deleted
    for entry in feed.entries:
        published, updated = entry.published, entry.updated
        if published is None and updated is None:
            continue
        time = published or updated
        if published and updated and updated < published:
            found.warning("F3", entry.where, "it was updated before it was published")
        if last is not None and time is not None and time > last:
            found.warning("F4", entry.where, "it is newer than the entry before it; newest first by publication")
        last = time
        changed = max(each for each in (published, updated) if each is not None)
        newest = changed if newest is None or changed > newest else newest
    if feed.updated and newest and feed.updated < newest:
        found.warning("F3", "", "the feed says that it was updated before its newest entry was")
    if feed.updated and newest and feed.updated > newest:
        found.warning(
            "F3", "", "the feed's own time is later than all of its content: the build time changes every answer"
        )
