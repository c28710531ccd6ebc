"""The archive of a feed (RFC 5005, section 4): numbered pages, each with a set of articles that is fixed for ever.

A page is cut from the oldest articles that are on none yet. Its bytes change for corrections of its own articles only
(edits, withdrawals, expiry), for settings, and once when the next page comes and it gets a link to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.config.sections import Feed
from syndicate.core.feeds.entries import entries_of
from syndicate.core.feeds.window import fit
from syndicate.model import Article
from syndicate.pipeline.publish.wanted import PublicFeed
from syndicate.store.articles import by_ids
from syndicate.store.engine import Database
from syndicate.store.feed_entries import absorb, held_by, highest_page, put_on_page, waiting_ids
from syndicate.store.feeds import DocumentRecord, FeedRecord

_PAGE = re.compile(r"/archive/([1-9][0-9]*)/[^/]+$")
_LARGEST_PAGE = 100
_PAGES_TOGETHER = 20


def page_size(max_items: int) -> int:
    """How many articles a page gets at most: half a window, so that what waits for its page is still in the window."""
    return max(1, min(max_items // 2, _LARGEST_PAGE))


def file_away(
    database: Database,
    settings: Settings,
    wanted: PublicFeed,
    row: FeedRecord,
    known: Mapping[str, DocumentRecord],
    *,
    changed: Sequence[int] | None,
    now: datetime,
    amiss: Collection[int] = (),
) -> tuple[int, list[int]]:
    """Take in what is new, cut the pages that are full, and say how many pages there are and which must be built.

    This is committed before any file is written: a kill between the two must not give a page another set of articles.
    """
    with database.write() as session:
        absorb(session, row.name, wanted.feed, row.of, ids=changed, now=now)
    more = True
    while more:  # a first archive has many pages, and nobody else can write meanwhile
        with database.write() as session:
            last, more = _cut(session, settings, wanted.feed, row.name)
            held = [] if changed is None else held_by(session, changed, row.base)
    if changed is None:
        return last, list(range(1, last + 1))
    documented = set(pages_on_disk(row.name, known).values())
    due = {each.page for each in held if each.feed == row.name and each.page}
    due |= set(range(1, last + 1)) - documented | {page for page in amiss if page <= last}
    if documented and max(documented) < last:
        due.add(max(documented))  # it gets its link to the next one
    return last, sorted(due)


def _cut(session: Session, settings: Settings, feed: Feed, name: str) -> tuple[int, bool]:
    """Cut some of the pages that are full: the number of the last one, and whether there may be more to cut."""
    waiting, last = waiting_ids(session, name), highest_page(session, name)
    for _ in range(_PAGES_TOGETHER):
        if len(waiting) <= feed.max_items:
            return last, False
        next_ones = waiting[: page_size(feed.max_items)]
        found = by_ids(session, next_ones)
        count = _fitting([found[id_] for id_ in next_ones], settings, feed)
        last += 1
        put_on_page(session, name, last, waiting[:count])
        waiting = waiting[count:]
    return last, True


def _fitting(articles: Sequence[Article], settings: Settings, feed: Feed) -> int:
    """How many of these, oldest first, a page of ``max_size`` holds whole; at least one."""
    entries, _ = entries_of(articles, site=settings.site, language=settings.site.language, full=feed.content == "full")
    beyond = {entry.id for entry in entries[::-1][len(fit(entries[::-1], feed.max_size)) :]}
    return next((place for place, article in enumerate(articles) if place and article.uid in beyond), len(articles))


def pages_on_disk(name: str, known: Iterable[str]) -> dict[str, int]:
    """The pages that a feed's files are of, by path."""
    return {path: page for path in known if (page := page_of(name, path))}


def page_of(name: str, path: str) -> int | None:
    """The number of the page of a feed's archive that a file is of; None for any other file."""
    page = _PAGE.fullmatch(path.removeprefix(name)) if path.startswith(f"{name}/") else None
    return int(page[1]) if page else None
