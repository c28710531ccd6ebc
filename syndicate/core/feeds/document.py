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
from syndicate.config.sections import Feed
from syndicate.core.feeds.entries import FeedEntry, entries_of
from syndicate.core.feeds.uris import web_address
from syndicate.errors import FeedError
from syndicate.model import Article, FeedFormat, ItemProblem

# A feed's name is a folder and a part of an address: what needs no quoting in either, never a hidden or parent folder.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """An entry that was taken back: its permanent id, and when (RFC 6721, section 2)."""

    id: str
    when: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDocument:
    """One feed with its entries, newest first. ``path`` is its folder under ``feeds/``; addresses are absolute.

    ``base`` and the three of RFC 5005 (section 4) are addresses of *folders*, without a trailing slash: each format
    finds its own file in them. A subscription document names ``prev_archive`` only; an archive document is ``archive``,
    names ``current`` and its neighbours. ``complete`` says that no entry is missing (section 2). ``uid`` is the feed's
    permanent id; without one it is its address.
    """

    path: str
    title: str
    description: str
    base: str  # the address of its folder, without a trailing slash
    alternate: str
    language: str
    ttl: timedelta
    publisher: str
    copyright: str
    uid: str | None = None
    entries: tuple[FeedEntry, ...] = ()
    hubs: tuple[str, ...] = ()
    archive: bool = False
    complete: bool = False
    prev_archive: str | None = None
    next_archive: str | None = None
    current: str | None = None
    tombstones: tuple[Tombstone, ...] = ()
    icon: str | None = None
    logo: str | None = None
    favicon: str | None = None

    @property
    def id(self) -> str:
        """The permanent id of the feed in all its documents: an archive has that of its feed (RFC 5005, section 4)."""
        return self.uid or f"{self.current or self.base}/{FeedFormat.ATOM.file_name}"

    @property
    def newest(self) -> datetime | None:
        """When the entries last changed, never the clock; None for a feed without entries."""
        return max((entry.updated for entry in self.entries), default=None)

    @property
    def updated(self) -> datetime | None:
        """When the content last changed, what was taken back included; for the format that says so (Atom)."""
        times = [tombstone.when.replace(microsecond=0) for tombstone in self.deleted]
        return max([*times, *([self.newest] if self.newest else [])], default=None)

    @property
    def deleted(self) -> tuple[Tombstone, ...]:
        """The tombstones, newest first; none for an entry that has come back."""
        present = {entry.id for entry in self.entries}
        gone = {tombstone.id: tombstone for tombstone in self.tombstones if tombstone.id not in present}
        return tuple(sorted(gone.values(), key=lambda tombstone: (tombstone.when, tombstone.id), reverse=True))

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
    return document_at(settings, feed, articles, path=feed_folder(name), title=feed_title(settings, name))


def document_at(
    settings: Settings,
    feed: Feed,
    articles: Iterable[Article],
    *,
    path: str,
    title: str,
    description: str | None = None,
    language: str | None = None,
    alternate: str | None = None,
    again: bool = False,
) -> tuple[FeedDocument, tuple[ItemProblem, ...]]:
    """Build the document of a feed that lives elsewhere than its configured one: of a category, an archive, an issue.

    ``path`` is its folder under ``feeds/``. What only publication knows (hubs, neighbours, tombstones) is put in with
    ``dataclasses.replace``. ``again``: most of its articles were in it before. Returns the same as ``feed_document``.
    """
    site = settings.site
    spoken = language or (feed.languages[0] if len(feed.languages) == 1 else site.language)
    entries, problems = entries_of(articles, site=site, language=spoken, full=feed.content == "full", again=again)
    document = FeedDocument(
        path=path,
        title=title,
        description=description or feed.description or site.description or title,
        base=f"{settings.service.public_url}/feeds/{path}",
        alternate=alternate or site.url or settings.service.public_url,
        language=spoken,
        ttl=feed.ttl,
        publisher=site.publisher or site.title or title,
        copyright=site.copyright,
        entries=entries,
        icon=web_address(site.icon),
        logo=web_address(site.logo),
        favicon=web_address(site.favicon),
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


def issues_title(settings: Settings, digest: str) -> str:
    """What readers see as the name of the feed of a digest's issues: the digest's, with its key if others bear it."""
    title = settings.digest_title(digest)
    others = [feed_title(settings, name) for name in settings.feed]
    others += [settings.digest_title(name) for name in settings.digest if name != digest]
    return f"{title}: {digest}" if title in others else title


def feed_folder(name: str) -> str:
    """The folder of a feed under ``feeds/``. Raises FeedError for a name that is none (``..``, a slash, a space)."""
    if not _NAME.fullmatch(name):
        raise FeedError(
            f"[feed.{name!r}]: a feed's name becomes a folder and a part of its address; "
            "use letters, digits, dots, hyphens and underscores only"
        )
    return name
