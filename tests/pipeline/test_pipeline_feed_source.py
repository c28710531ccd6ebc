"""Feeds of others become articles and stay the same articles, whatever their servers and their editors do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from feed_server import Answer, FeedServer, feed_server
from paper import NOW

from syndicate.config import Settings
from syndicate.config.sections import Selection
from syndicate.config.sources import FeedSource
from syndicate.io.feed_source import FeedSourceReader
from syndicate.model import Article, PollResult
from syndicate.pipeline.ingest import ingest
from syndicate.store import sources
from syndicate.store.articles import newest
from syndicate.store.engine import Database

HEAD = '<rss version="2.0"><channel><title>Port News</title><link>https://port.example/</link>'


class Agency:
    """A feed on a real server, and the database that mirrors it."""

    def __init__(self, database: Database, server: FeedServer, *paths: str, **given: Any) -> None:
        self.database, self.server, self.now = database, server, NOW
        urls = [server.url + path for path in paths or ("/f",)]
        self.source = {"type": "feed", "urls": urls, "allow_private": True, **given}

    @property
    def settings(self) -> Settings:
        site = {"title": "The Harbour Courier", "url": "https://courier.example"}
        return Settings.model_validate({"site": site, "source": {"agency": self.source}})

    def poll(self) -> PollResult:
        self.now += timedelta(hours=1)
        settings = self.settings
        config = settings.source["agency"]
        assert isinstance(config, FeedSource)
        return ingest(self.database, FeedSourceReader("agency", config), settings, self.now)

    def articles(self) -> dict[str, Article]:
        with self.database.read() as session:
            return {article.content.key: article for article in newest(session, Selection(), limit=100, now=self.now)}


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


def item(number: int, title: str = "", scheme: str = "https", slug: str = "") -> str:
    link = f"{scheme}://port.example/{slug or number}"
    return (
        f"<item><title>{title or f'Story {number}'}</title><link>{link}</link>"
        f'<guid isPermaLink="false">{scheme}://port.example/?p={number}</guid>'
        f"<description>&lt;p&gt;Text {number} &lt;script&gt;x()&lt;/script&gt;&lt;a href='more'&gt;more&lt;/a&gt;</description>"
        f"<category>Port</category><category>Fog</category></item>"
    )


def serve(server: FeedServer, *items: str, path: str = "/f") -> None:
    server.set(path, f"{HEAD}{''.join(items)}</channel></rss>")


def test_the_life_of_an_entry(database: Database, server: FeedServer) -> None:
    agency = Agency(database, server)
    serve(server, item(1), item(2))
    assert (agency.poll().added, agency.poll().changed) == (2, False)
    first = agency.articles()["port.example/?p=1"]
    assert (first.content.category, first.content.tags, first.content.publisher) == ("Port", ("Fog",), "Port News")
    assert first.content.html == '<p>Text 1 <a href="https://port.example/more">more</a></p>'
    # The site moves to https, gives its articles other slugs, and edits one of them.
    serve(server, item(1, "Corrected", "http", "2026/corrected"), item(2, scheme="http", slug="2026/story-2"))
    result = agency.poll()
    assert (result.added, result.updated, result.withdrawn) == (0, 2, 0)
    second = agency.articles()["port.example/?p=1"]
    assert (second.uid, second.seq, second.version, second.title) == (first.uid, first.seq, 2, "Corrected")
    # What leaves the window stays.
    serve(server, item(3))
    result = agency.poll()
    assert (result.added, result.withdrawn, len(agency.articles())) == (1, 0, 3)
    # A tombstone withdraws; the entry's return brings the article back.
    tombstone = '<d:deleted-entry xmlns:d="http://purl.org/atompub/tombstones/1.0" ref="https://port.example/?p=3"/>'
    serve(server, tombstone, item(4))
    result = agency.poll()
    assert (result.added, result.withdrawn) == (1, 1)
    assert "port.example/?p=3" not in agency.articles()
    serve(server, item(3), item(4))
    assert (agency.poll().updated, len(agency.articles())) == (1, 4)


def test_a_broken_source_keeps_what_its_server_said(database: Database, server: FeedServer) -> None:
    agency = Agency(database, server)
    serve(server, item(1))
    agency.poll()
    server.pages["/f"] = Answer(status=503, headers={"Retry-After": "14400"})
    server.paths()
    results = [agency.poll() for _ in range(4)]
    assert server.paths() == ["/f"]
    assert all("503" in str(result.error) for result in results)
    with database.read() as session:
        assert sources.problems_of(session, "agency") == ()
    serve(server, item(1), item(2))
    result = agency.poll()
    assert (result.error, result.added) == (None, 1)
    assert len(agency.articles()) == 2


def test_one_feed_of_several_that_fails_is_a_problem(database: Database, server: FeedServer) -> None:
    agency = Agency(database, server, "/f", "/g")
    serve(server, item(1))
    result = agency.poll()
    assert (result.error, result.added) == (None, 1)
    assert [(problem.item, problem.error) for problem in result.problems] == [
        (f"{server.url}/g", f"{server.url}/g: its server answered 404 Not Found")
    ]
    serve(server, item(1), item(2), path="/g")
    result = agency.poll()
    assert (result.problems, result.added, result.withdrawn) == ((), 1, 0)


def test_a_changed_default_reaches_what_the_feed_still_holds(database: Database, server: FeedServer) -> None:
    agency = Agency(database, server, "/f", "/g")
    serve(server, item(1))
    serve(server, item(1, "Short"), path="/g")
    agency.poll()
    agency.source["publisher"] = "Harbour News Agency"
    result = agency.poll()
    assert (result.added, result.updated) == (0, 1)
    (article,) = agency.articles().values()
    assert (article.title, article.content.publisher) == ("Story 1", "Harbour News Agency")
