"""What a hub's call leads to: the feed it names is read now, and again while its server still gives the old document."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from feed_server import Answer, Asked, FeedServer, feed_server
from publisher import Publisher
from running import PATIENCE, until
from sqlalchemy import text

from syndicate.service.following import read_called
from syndicate.service.passes import poll
from syndicate.service.status import read_status
from syndicate.store.feed_calls import call, next_call

HUB = '<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="hub" href="https://hub.example/"/>'


def rss(*numbers: int) -> str:
    items = "".join(f"<item><guid>x:{n}</guid><title>Story {n}</title></item>" for n in numbers)
    return f'<rss version="2.0"><channel><title>Port News</title>{HUB}{items}</channel></rss>'


class Reader:
    """A paper that follows two feeds of one agency; its clock is moved by hand."""

    def __init__(self, folder: Path, database: str, server: FeedServer) -> None:
        self.server, self.now = server, datetime(2026, 11, 22, 8, tzinfo=UTC)
        urls = f'["{server.url}/f", "{server.url}/g"]'
        more = f'[source.agency]\ntype = "feed"\nurls = {urls}\nallow_private = true\nwebsub = true\n'
        for name in ("slow", "late"):
            more += f'[source.{name}]\ntype = "feed"\nurl = "{server.url}/{name}"\n'
            more += "allow_private = true\nwebsub = true\n"
        self.publisher = Publisher(folder, database=database, more=more).write()
        self.services = self.publisher.services(lambda: self.now)
        self.server.conditional("/f", rss(1), "a")
        self.server.conditional("/g", rss(7), "g")
        poll(self.services, ["agency"])
        self.server.asked.clear()

    def call(self, path: str = "/f", *, source: str = "agency") -> None:
        with self.services.database.write() as session:
            call(session, source, self.server.url + path, self.now)

    def read(self, after: float = 0.0) -> list[str]:
        """The paths that were asked so many seconds later."""
        self.now += timedelta(seconds=after)
        self.server.asked.clear()
        read_called(self.services, stop=threading.Event())
        return [asked.path for asked in self.server.asked]

    def next(self) -> float | None:
        with self.services.database.read() as session:
            due_at = next_call(session)
        return None if due_at is None else (due_at - self.now).total_seconds()

    def titles(self) -> set[str]:
        with self.services.database.read() as session:
            return set(session.connection().execute(text("SELECT title FROM articles")).scalars())


@pytest.fixture
def reader(tmp_path: Path, database_url: str) -> Iterator[Reader]:
    with feed_server() as server:
        made = Reader(tmp_path, database_url, server)
        yield made
        made.publisher.close()


def test_only_the_called_feed_is_read_and_past_caches(reader: Reader) -> None:
    assert reader.read() == []
    reader.server.conditional("/f", rss(1, 2), "b")
    reader.call()
    assert reader.read(1) == ["/f"]
    assert "Story 2" in reader.titles()
    assert reader.next() is None
    assert reader.read(60) == []
    reader.call()
    reader.read()
    (asked,) = reader.server.asked
    assert asked.headers["cache-control"] == "no-cache"
    assert asked.headers["if-none-match"] == "b"


def test_a_server_that_is_behind_its_hub_is_asked_again_a_few_times(reader: Reader) -> None:
    reader.call()
    assert reader.read() == ["/f"]
    assert reader.next() == 1
    reader.server.conditional("/f", rss(1, 2), "b")
    assert reader.read(1) == ["/f"]
    assert (reader.next(), "Story 2" in reader.titles()) == (None, True)
    reader.call()
    waits = [reader.next() for _ in range(4) if reader.read(reader.next() or 0)]
    assert waits == [1, 5, 30, None]


def test_a_slow_source_keeps_no_other_waiting(reader: Reader) -> None:
    others_read = threading.Event()

    def slow(_asked: Asked) -> Answer:
        assert others_read.wait(PATIENCE), "the others waited for this one"
        return Answer(body=rss(8).encode())

    reader.server.pages["/slow"] = slow
    reader.server.conditional("/late", rss(9), "n")
    reader.server.conditional("/f", rss(1, 2), "b")
    reader.call("/slow", source="slow")
    reader.call("/f")
    reading = threading.Thread(target=reader.read)
    reading.start()
    try:
        until(lambda: "Story 2" in reader.titles(), "what was called with it is read")
        reader.call("/late", source="late")
        until(lambda: "Story 9" in reader.titles(), "what was called while it was under way is read")
        assert "Story 8" not in reader.titles()
    finally:
        others_read.set()
        reading.join()
    assert "Story 8" in reader.titles()
    assert reader.next() is None


def test_a_source_that_cannot_be_recorded_is_tried_again_and_stops_no_other(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    with reader.services.database.write() as session:  # so that no other source can be polled in the same second
        session.connection().execute(text("CREATE UNIQUE INDEX broken ON sources (polled_at)"))
    reader.server.conditional("/f", rss(1, 2), "b")
    reader.server.conditional("/late", rss(9), "n")
    reader.call("/f")
    reader.call("/late", source="late")
    reader.read()
    assert reader.next() == 1
    assert "source late" in caplog.text
    assert "Story 2" in reader.titles()
    with reader.services.database.write() as session:
        session.connection().execute(text("DROP INDEX broken"))
    assert reader.read(1) == ["/late"]


def test_what_its_server_asked_for_counts_more_than_a_call(reader: Reader) -> None:
    reader.server.pages["/f"] = Answer(status=429, headers={"Retry-After": "600"})
    reader.call()
    assert reader.read() == ["/f"]
    assert reader.read(1) == []
    reader.call()
    assert reader.read(60) == []
    reader.call()
    assert reader.read(600) == ["/f"]


def test_what_is_no_longer_followed_is_not_read(reader: Reader) -> None:
    written = reader.publisher.config.read_text()
    reader.publisher.config.write_text(written.replace("websub = true", "websub = false"))
    reader.services = reader.publisher.services(lambda: reader.now)
    reader.call()
    assert reader.read() == []
    assert reader.next() is None


def test_status_shows_both_feeds(reader: Reader) -> None:
    found = [(each.feed, each.hub, each.state.value) for each in read_status(reader.services).following]
    assert found == [(f"{reader.server.url}/{name}", "https://hub.example/", "wanted") for name in "fg"]
