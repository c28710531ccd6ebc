"""Builds the feed server of one configuration: what headers say of each document, where it learns of changes."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp

from syndicate.config import Settings
from syndicate.core.websub import hub_addresses
from syndicate.store.published import Standing, standing
from syndicate.web.feed_server.addresses import OPML, document_parts, location, media_type, renamed
from syndicate.web.feed_server.counting import ReaderCounter
from syndicate.web.feed_server.held import YEAR, About, Held
from syndicate.web.feed_server.reading import read
from syndicate.web.feed_server.server import FeedServer
from syndicate.web.feed_server.shelf import Shelf
from syndicate.web.proxies import TrustedProxies

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_USUAL_AGE: Final = 1800  # seconds, for what belongs to no configured feed: the list of feeds, the feeds of issues


def open_feed_server(services: Services, pages: ASGIApp, root: str, proxies: TrustedProxies) -> FeedServer:
    """The server over a configuration's services. ``root`` is the path of the service on its host, ``""`` for none."""
    settings = services.settings
    abouts = _Abouts(settings)
    moved = renamed(settings)

    def load(path: str, previous: Held | None) -> Held | None:
        parts = document_parts(path)
        if parts is None:
            return None
        return read(settings.feeds_path, parts, abouts.of(path, parts), previous, int(time.time()))

    def stand() -> Standing:
        with services.database.read() as session:
            found = standing(session)
        return replace(found, gone={**found.gone, **moved})

    counter = None
    if settings.privacy.count_feed_readers:
        counter = ReaderCounter(lambda: services.database, services.clock)
    shelf = Shelf(load, stand)
    return FeedServer(pages, shelf, settings.feeds_path, partial(location, root), proxies, counter=counter)


class _Abouts:
    """What is said of each document beside its bytes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def of(self, path: str, parts: tuple[str, ...]) -> About:
        settings = self._settings
        feed = settings.feed.get(parts[0])
        age = int(feed.ttl.total_seconds()) if feed else _USUAL_AGE
        links = [f'<{hub}>; rel="hub"' for hub in hub_addresses(settings, parts[0])]
        links.append(f'<{location(settings.service.public_url, path).decode()}>; rel="self"')
        final = self._is_final(parts)
        return About(
            media_type=media_type(parts[-1]) or "application/octet-stream",
            max_age=YEAR if final else age,
            immutable=final,
            links=", ".join(links) if path != OPML else "",
        )

    def _is_final(self, parts: tuple[str, ...]) -> bool:
        """Whether this is an archive document that has a later one: it never changes again (RFC 5005, section 4)."""
        if len(parts) < 4 or parts[-3] != "archive" or not parts[-2].isdecimal():  # noqa: PLR2004 - NAME/archive/NUMBER/FILE
            return False
        later = (*parts[:-2], str(int(parts[-2]) + 1), parts[-1])
        return self._settings.feeds_path.joinpath(*later).is_file()
