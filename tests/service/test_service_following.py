"""Two papers on one machine: one reads the other's feed and hears of its articles through the other's own hub."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from feed_server import feed_server
from publisher import Publisher
from running import PATIENCE, free_port, running, stop, until
from sqlalchemy import text

from syndicate.config.load import load_settings
from syndicate.service.status import Status, read_status

TRUSTED = '[service]\ntrusted_networks = ["127.0.0.0/8"]'


def paper(folder: Path, name: str, *, more: str = "", hub: bool = True) -> Publisher:
    """A paper that others can reach on this machine, with a site and ids of its own."""
    made = Publisher(folder / name, port=free_port(), more=more).write()
    written = made.config.read_text()
    for old, new in (
        ("[service]", TRUSTED),
        ("https://news.courier.example", address(made)),
        ("https://courier.example", f"https://{name}.example"),
        ('path = "articles"', 'path = "articles"\npoll_interval = "1s"'),
        ("[feed.all]", '[feed.all]\nhub = "self"' if hub else "[feed.all]"),
    ):
        assert old in written
        written = written.replace(old, new)
    made.config.write_text(written)
    return made


def address(of: Publisher) -> str:
    return f"http://127.0.0.1:{of.port}"


def follower(folder: Path, name: str, *feeds: str, **options: Any) -> Publisher:
    more = f'[source.wire]\ntype = "feed"\nurls = {json.dumps(feeds)}\nallow_private = true\nwebsub = true\n'
    return paper(folder, name, more=more, **options)


def titles(of: Publisher, source: str = "wire") -> list[str]:
    services = of.services(lambda: datetime.now(UTC))
    with services.database.read() as session:
        query = text("SELECT title FROM articles WHERE source = :source ORDER BY id")
        found = [row.title for row in session.connection().execute(query, {"source": source})]
    of.close()
    of.opened.clear()
    return found


def standing(of: Publisher) -> Status:
    services = of.services(lambda: datetime.now(UTC))
    found = read_status(services)
    of.close()
    of.opened.clear()
    return found


def states(of: Publisher) -> list[str]:
    return [each.state.value for each in standing(of).following]


@pytest.mark.parametrize(
    "name",
    ["rss.xml", pytest.param("atom.xml", marks=pytest.mark.slow), pytest.param("feed.json", marks=pytest.mark.slow)],
)
def test_an_article_of_one_paper_is_in_the_other_as_soon_as_it_is_told(tmp_path: Path, name: str) -> None:
    port = paper(tmp_path, "port")
    port.article("first")
    with running(port) as publishing:
        feed = f"{address(port)}/feeds/all/{name}"
        until((port.folder / "feeds" / "all" / name).exists, "the feed is published")
        town = follower(tmp_path, "town", feed)
        with running(town) as reading:
            until((town.folder / "subscribers.db").exists, "the second paper runs")
            until(lambda: states(town) == ["active"], "it follows the first")
            until(lambda: titles(town) == ["Story first"], "it has read the feed")
            (status,) = town.json("status")["following"]
            assert (status["feed"], status["hub"], status["error"]) == (feed, f"{address(port)}/hub", None)
            assert "secret" not in str(status)
            port.article("second")
            document = port.folder / "feeds" / "all" / name
            until(lambda: b"Story second" in document.read_bytes(), "the first paper publishes")
            # Because it is told: its own next poll comes later than anybody waits here.
            assert load_settings(town.config, {}).source["wire"].poll_interval.total_seconds() > PATIENCE  # type: ignore[union-attr]
            until(lambda: "Story second" in titles(town), "the article is in the second paper")
            _, log = stop(reading)
            assert "Traceback" not in log
            assert "ERROR" not in log
        _, log = stop(publishing)
        assert "Traceback" not in log


def test_a_feed_that_is_read_no_more_is_left(tmp_path: Path) -> None:
    port = paper(tmp_path, "port")
    port.article("first")
    with running(port):
        feed = f"{address(port)}/feeds/all/rss.xml"
        until((port.folder / "feeds" / "all" / "rss.xml").exists, "the feed is published")
        town = follower(tmp_path, "town", feed)
        with running(town) as reading:
            until((town.folder / "subscribers.db").exists, "the second paper runs")
            until(lambda: states(town) == ["active"], "it follows the first")
            stop(reading)
        assert [each.subscribers for each in standing(port).hub] == [1]
        written = town.config.read_text()
        town.config.write_text(written.replace("websub = true", "websub = false"))
        with running(town):
            until(lambda: states(town) == ["left"], "it has asked to be let go, and was asked back")
            until(lambda: standing(port).hub == [], "the hub has let it go")


def test_a_feed_whose_hub_is_gone_is_polled_as_before(tmp_path: Path) -> None:
    port = paper(tmp_path, "port")
    port.article("first")
    port.run("run", "--once")
    with feed_server() as server:
        # The hub that it names listens no more.
        feed = server.set("/rss.xml", (port.folder / "feeds" / "all" / "rss.xml").read_bytes())
        town = follower(tmp_path, "town", feed)
        with running(town) as reading:
            until((town.folder / "subscribers.db").exists, "the second paper runs")
            until(lambda: [bool(each.error) for each in standing(town).following] == [True], "the hub does not answer")
            port.article("second")
            port.run("run", "--once")
            server.set("/rss.xml", (port.folder / "feeds" / "all" / "rss.xml").read_bytes())
            town.run("poll", "wire")
            assert titles(town) == ["Story first", "Story second"]
            _, log = stop(reading)
        assert "Traceback" not in log
