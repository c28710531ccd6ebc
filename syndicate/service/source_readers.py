"""The reader of each source of the configuration."""

from __future__ import annotations

from syndicate.config import Settings
from syndicate.config.sources import DatabaseSource, FeedSource, FolderSource, PushSource
from syndicate.core.article.identity import tag_authority
from syndicate.core.feed_reading import Ours, host_of
from syndicate.errors import UnknownNameError
from syndicate.io.database import DatabaseReader
from syndicate.io.feed_source import FeedSourceReader
from syndicate.io.folder import FolderReader
from syndicate.pipeline.ingest import Source


def source_reader(settings: Settings, name: str, *, insist: bool, called: frozenset[str]) -> Source:
    """What reads a source; see ``Services.sources``. Raises UnknownNameError for a type that does not work yet."""
    config = settings.source[name]
    if isinstance(config, FolderSource):
        return FolderReader(name, config, settings.path(config.path))
    if isinstance(config, DatabaseSource):
        return DatabaseReader(name, config, settings.base)
    if isinstance(config, FeedSource):
        return FeedSourceReader(name, config, _ours(settings), insist=insist, called=called)
    if isinstance(config, PushSource):
        raise UnknownNameError(f"source {name!r} is not read: its articles are handed in over the API (docs/api.md)")
    raise UnknownNameError(f"source {name!r} is of a type that does not work yet: {config.type}")


def _ours(settings: Settings) -> Ours:
    """What must not come back to us in other people's feeds."""
    return Ours(
        public_url=settings.service.public_url,
        authority=tag_authority(settings.site),
        sources=tuple(settings.source),
        site_host=host_of(settings.site.url),
    )
