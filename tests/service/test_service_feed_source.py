"""From a feed on the web to our feeds and to messages, through the program as its user runs it; and no circle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import feedparser
import pytest
from feed_server import Answer, FeedServer, feed_server
from publisher import Publisher

from syndicate.service.passes import poll


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


def atom(*titles: str) -> str:
    now = datetime.now(UTC)
    entries = "".join(
        f"<entry><id>tag:port.example,2026:{number}</id><title>{title}</title><link href='https://port.example/{number}'/>"
        f"<updated>{now - timedelta(hours=1, minutes=number):%Y-%m-%dT%H:%M:%SZ}</updated><author><name>Ada Quay</name></author>"
        f"<content type='html'>&lt;p&gt;The text of story {number}.&lt;/p&gt;</content></entry>"
        for number, title in enumerate(titles)
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>Port News</title><id>x:y</id>{entries}</feed>'


def publisher(folder: Path, database: str, *urls: str) -> Publisher:
    paper = Publisher(folder, database=database)
    paper.more = f'[source.agency]\ntype = "feed"\nurls = {json.dumps(urls)}\nallow_private = true\n'
    paper.write()
    return paper


def test_from_a_feed_to_feeds_and_messages(tmp_path: Path, database_url: str, server: FeedServer) -> None:
    url = server.set("/f", atom("Fog at the &amp;quay&amp;", "A &amp; B"))
    paper = publisher(tmp_path, database_url, url)
    paper.run("check")
    (result,) = paper.json("poll", "agency")["sources"]
    assert (result["seen"], result["added"], result["error"]) == (2, 2, None)
    paper.run("feeds", "build")
    feed = feedparser.parse((tmp_path / "feeds" / "all" / "atom.xml").read_bytes())
    assert [entry.title for entry in feed.entries] == ["Fog at the &quay&", "A & B"]
    assert [entry.link for entry in feed.entries] == ["https://port.example/0", "https://port.example/1"]
    assert all(entry.id.startswith("tag:courier.example,") for entry in feed.entries)
    assert feed.entries[0].author == "Ada Quay"
    paper.run("subscribers", "import", str(paper.readers(2)), "--confirmed")
    assert paper.json("send", "morning")["counts"]["accepted"] == 2
    (path, _) = (tmp_path / "outbox" / "new").iterdir()
    text, _ = message_from_bytes(path.read_bytes(), policy=policy.default).iter_parts()
    assert "Fog at the &quay&" in text.get_content()
    assert "https://port.example/0" in text.get_content()


def test_our_own_feeds_do_not_come_back(tmp_path: Path, server: FeedServer) -> None:
    paper = publisher(tmp_path, "sqlite:///subscribers.db", server.url + "/all")
    paper.article("a")
    paper.run("poll", "stories")
    paper.run("feeds", "build")
    services = paper.services(lambda: datetime.now(UTC))
    for name in ("rss.xml", "atom.xml", "feed.json"):
        server.pages["/all"] = Answer(body=(tmp_path / "feeds" / "all" / name).read_bytes())
        paper.run("poll", "agency", status=1)
        (result,) = poll(services, ["agency"], insist=True)
        assert "feed of our own" in str(result.error)
    paper.close()
    (article,) = json.loads((tmp_path / "feeds" / "all" / "feed.json").read_text())["items"]
    assert article["title"] == "Story a"
