"""Which feeds the settings ask for: one for each ``[feed.NAME]``, and one of each public digest's issues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from syndicate import __version__
from syndicate.config import Settings
from syndicate.config.checks import ISSUE_FEEDS
from syndicate.config.sections import Feed
from syndicate.core.feeds import feed_title, issues_title
from syndicate.core.feeds.slugs import quoted_path
from syndicate.core.render.languages import language_name
from syndicate.core.websub import hub_addresses
from syndicate.errors import UnknownNameError
from syndicate.store.columns import canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFeed:
    """A feed that the settings ask for. ``digest`` is set for a feed of issues; ``below`` begins the titles below it.

    ``settings_hash``: what its documents depend on besides articles. ``hubs`` are addresses. ``uid`` is its permanent
    id, once that is known.
    """

    name: str
    feed: Feed
    title: str
    below: str
    settings_hash: str
    hubs: tuple[str, ...]
    digest: str | None = None
    uid: str | None = None

    def title_of(self, kind: str, label: str) -> str:
        """The title of a feed below this one: of a category, an author, a language and so on."""
        return f"{self.below}: {language_name(label) if kind == 'language' else label}"

    def uid_of(self, name: str) -> str | None:
        """The permanent id of this feed, or of one below it: its name below never changes (RFC 4287, 4.2.6.1)."""
        # Ids are URIs (RFC 4287, 4.2.6; RFC 4151), folders are in any script.
        return None if self.uid is None else f"{self.uid}{quoted_path(name.removeprefix(self.name))}"


def public_feeds(settings: Settings) -> dict[str, PublicFeed]:
    """All feeds that the settings ask for, by name, in the order of the configuration."""
    wanted = [_configured(settings, name) for name in settings.feed]
    wanted += [_of_issues(settings, name) for name, digest in settings.digest.items() if digest.public]
    return {feed.name: feed for feed in wanted}


def chosen_feeds(settings: Settings, names: Sequence[str] | None) -> dict[str, PublicFeed]:
    """The named feeds, each once; all for None. Raises UnknownNameError for one that is not configured."""
    known = public_feeds(settings)
    if names is None:
        return known
    for name in names:
        if name not in known:
            settings.named_feed(name)
            raise UnknownNameError(f"there is no feed {name!r}")
    return {name: known[name] for name in dict.fromkeys(names)}


def address(settings: Settings, path: str) -> str:
    """The address of a folder or file below ``feeds/``."""
    return f"{settings.service.public_url}/feeds/{quoted_path(path)}"


def _configured(settings: Settings, name: str) -> PublicFeed:
    feed = settings.feed[name]
    title, hubs = feed_title(settings, name), hub_addresses(settings, name)
    below = feed.title or settings.site.title or name
    return PublicFeed(
        name=name,
        feed=feed,
        title=title,
        below=below,
        settings_hash=_hash(settings, feed, title, below, hubs),
        hubs=hubs,
    )


def _of_issues(settings: Settings, digest: str) -> PublicFeed:
    title, feed = issues_title(settings, digest), Feed()
    return PublicFeed(
        name=f"{ISSUE_FEEDS}{digest}",
        feed=feed,
        title=title,
        below=title,
        settings_hash=_hash(settings, feed, title, settings.digest[digest].description, ()),
        hubs=(),
        digest=digest,
    )


def _hash(settings: Settings, feed: Feed, title: str, below: str, hubs: tuple[str, ...]) -> str:
    """The version stands for the writers."""
    parts = {
        "feed": feed.model_dump(mode="json", exclude={"renamed_from", "hub"}),
        "site": settings.site.model_dump(mode="json"),
        "title": title,
        "below": below,
        "hubs": hubs,
        "public_url": settings.service.public_url,
        "version": __version__,
    }
    return sha256(canonical_json(parts).encode()).hexdigest()
