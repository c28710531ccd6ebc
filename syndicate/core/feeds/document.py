"""What a feed says, whatever the format: one model that all writers render, so that they cannot disagree.

Built purely from articles and settings: the same content is the same document on any machine at any time.
How an article becomes an entry lives in ``entries.py``, bytes in the writers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from syndicate.config import Settings
from syndicate.core.feeds.entries import FeedEntry, entries_of
from syndicate.errors import FeedError
from syndicate.model import Article, FeedFormat, ItemProblem

# A feed's name is a folder and a part of an address: what needs no quoting in either, never a hidden or parent folder.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDocument:
    """One feed with its entries, newest first. ``path`` is its folder under ``feeds/``; addresses are absolute."""

    path: str
    title: str
    description: str
    base: str  # the address of its folder, without a trailing slash
    alternate: str
    language: str
    ttl: timedelta
    publisher: str
    copyright: str
    entries: tuple[FeedEntry, ...] = ()

    @property
    def updated(self) -> datetime | None:
        """The newest time in the content, never the clock; None for a feed without entries."""
        return max((entry.updated for entry in self.entries), default=None)

    def address(self, form: FeedFormat) -> str:
        """Where readers find this feed in a format (rel=self)."""
        return f"{self.base}/{form.file_name}"


def feed_document(
    settings: Settings, name: str, articles: Iterable[Article] = ()
) -> tuple[FeedDocument, tuple[ItemProblem, ...]]:
    """Build the document of ``[feed.NAME]`` from the articles of its window, in any order.

    Also returns the articles that no valid document can hold, each with the reason: they are left out of all formats.
    Raises UnknownNameError for a feed that is not configured, FeedError for a name that cannot be a folder.
    """
    feed = settings.named_feed(name)
    site = settings.site
    language = feed.languages[0] if len(feed.languages) == 1 else site.language
    entries, problems = entries_of(articles, site=site, language=language, full=feed.content == "full")
    title = feed_title(settings, name)
    document = FeedDocument(
        path=feed_folder(name),
        title=title,
        description=feed.description or site.description or title,
        base=f"{settings.service.public_url}/feeds/{feed_folder(name)}",
        alternate=site.url or settings.service.public_url,
        language=language,
        ttl=feed.ttl,
        publisher=site.publisher or site.title or title,
        copyright=site.copyright,
        entries=entries,
    )
    return document, problems


def feed_title(settings: Settings, name: str) -> str:
    """What readers see as the feed's name: its own title, else the site's, with its name if there are several feeds."""
    feed = settings.named_feed(name)
    if feed.title:
        return feed.title
    if not settings.site.title:
        return name
    return f"{settings.site.title}: {name}" if len(settings.feed) > 1 else settings.site.title


def feed_folder(name: str) -> str:
    """The folder of a feed under ``feeds/``. Raises FeedError for a name that is none (``..``, a slash, a space)."""
    if not _NAME.fullmatch(name):
        raise FeedError(
            f"[feed.{name!r}]: a feed's name becomes a folder and a part of its address; "
            "use letters, digits, dots, hyphens and underscores only"
        )
    return name
