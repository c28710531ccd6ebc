"""Articles that are handed in (sources of type push): the same way into the store as those that are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from syndicate.config.sources import PushSource
from syndicate.core.article.normalise import ArticleDefaults, normalise
from syndicate.errors import ArticleError, UnknownNameError
from syndicate.io.sources import Known, Reading, item_name
from syndicate.model import Article, PollResult, SourceItem
from syndicate.pipeline.ingest import ingest
from syndicate.service.wiring import Services
from syndicate.store.listings import article_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """The article as it stands, and what this call did to it; ``remarks``: what was perhaps meant otherwise."""

    article: Article
    added: bool
    changed: bool
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _HandedIn:
    """A source that holds what was handed in just now; the ``Source`` protocol of ingest."""

    name: str
    items: list[SourceItem] = field(default_factory=list)
    removed: frozenset[str] = frozenset()

    def read(self, known: Known, state: Any, now: datetime) -> Reading:  # noqa: ARG002 - the protocol's
        pages: Iterator[list[SourceItem]] = iter([self.items] if self.items else [])
        return Reading(pages=pages, seen=len(self.items), removed=self.removed or None)


def push_sources(services: Services) -> list[str]:
    """The sources that articles can be handed in to."""
    return [name for name, config in services.settings.source.items() if isinstance(config, PushSource)]


def push(services: Services, source: str, fields: Mapping[str, Any], body: str, form: str) -> Pushed:
    """Take an article in, new or changed; ``fields`` are those of front matter, with an ``id``.

    Raises UnknownNameError for a source that is none of type push, ArticleError for what cannot be taken.
    """
    _require(services, source)
    item = SourceItem(item="", stamp="", fields=fields, body=body, format=form)
    defaults = ArticleDefaults.of(services.settings.site, services.settings.source[source])
    remarks: list[str] = []
    key = normalise(item, defaults, remarks.append).key
    item = replace(item, item=item_name(key))
    result = _ingest(services, _HandedIn(source, [item]))
    refused = [problem.error for problem in result.problems if problem.item == item.item]
    if refused:
        _ingest(services, _HandedIn(source, removed=frozenset({item.item})))  # who handed it in knows: no trace is left
        raise ArticleError(refused[0])
    with services.database.read() as session:
        article = article_of(session, source, key)
    if article is None:
        raise ArticleError("it was withdrawn at the same moment")
    return Pushed(article=article, added=bool(result.added), changed=result.changed, remarks=tuple(remarks))


def withdraw(services: Services, source: str, key: str) -> Article:
    """Take an article back; a second time changes nothing. Raises UnknownNameError."""
    _require(services, source)
    _ingest(services, _HandedIn(source, removed=frozenset({item_name(key)})))
    with services.database.read() as session:
        article = article_of(session, source, key)
    if article is None:
        raise UnknownNameError(f"source {source!r} has no article {key!r}")
    return article


def _require(services: Services, source: str) -> None:
    known = push_sources(services)
    if source not in known:
        raise UnknownNameError(f"there is no source {source!r} of type push; there is: {', '.join(known) or 'none'}")


def _ingest(services: Services, handed_in: _HandedIn) -> PollResult:
    result = ingest(services.database, handed_in, services.settings, services.clock())
    if result.error:
        raise ArticleError(result.error)
    return result
