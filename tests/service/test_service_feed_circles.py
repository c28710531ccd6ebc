"""Papers that read each other's feeds, articles as large as they may be, and one id for two: from poll to publication."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

import feedparser
import pytest
from feed_server import FeedServer, feed_server
from publisher import Publisher

from syndicate.service.passes import build_feeds, poll
from syndicate.service.wiring import Services


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


class Paper:
    """A paper with stories of its own, which reads the feeds of others from the server and puts its own one there."""

    def __init__(self, folder: Path, server: FeedServer, name: str, *reads: str, document: str = "atom.xml") -> None:
        self.name, self.server, self.document = name, server, document
        urls = json.dumps([f"{server.url}/{other}" for other in reads])
        wire = f'[source.wire]\ntype = "feed"\nurls = {urls}\nallow_private = true\n'
        self.publisher = Publisher(folder / name, more=wire).write()
        config = self.publisher.config
        written = config.read_text().replace("news.courier.example", f"news.{name}.example")
        config.write_text(written.replace("https://courier.example", f"https://{name}.example"))
        self.services: Services = self.publisher.services(lambda: datetime.now(UTC))

    def turn(self) -> bool:
        """Poll and publish; whether anything changed."""
        results = poll(self.services, insist=True)
        assert [result.error for result in results] == [None] * len(results)
        changed = any(result.changed for result in results)
        wrote = any(result.changed for result in build_feeds(self.services))
        self.server.set(f"/{self.name}", self.path.read_bytes())
        return changed or wrote

    @property
    def path(self) -> Path:
        return self.publisher.folder / "feeds" / "all" / self.document

    def titles(self) -> list[str]:
        items = json.loads((self.path.parent / "feed.json").read_text())["items"]
        assert len({item["id"] for item in items}) == len(items)
        return sorted(item["title"] for item in items)


@pytest.mark.parametrize("document", ["rss.xml", "atom.xml", "feed.json"])
@pytest.mark.parametrize("size", [2, 3])
def test_papers_that_read_each_other_in_a_circle_do_not_grow(
    tmp_path: Path, server: FeedServer, document: str, size: int
) -> None:
    names = ["port", "town", "isle"][:size]
    for name in names:
        server.set(f"/{name}", '<feed xmlns="http://www.w3.org/2005/Atom"><title>Not yet</title><id>x:y</id></feed>')
    papers = [
        Paper(tmp_path, server, name, names[(place + 1) % size], document=document) for place, name in enumerate(names)
    ]
    for paper in papers:
        for number in range(2):
            paper.publisher.article(f"{paper.name}-{number}", tags=["quay", "A & B"])
    everything = sorted(f"Story {name}-{number}" for name in names for number in range(2))
    for _ in range(size + 1):
        for paper in papers:
            paper.turn()
    assert [paper.titles() for paper in papers] == [everything] * size
    assert [paper.turn() for paper in papers] == [False] * size, "and come to rest"
    papers[0].publisher.article(f"{names[0]}-0", title="Corrected", tags=["quay", "A & B"])
    for _ in range(size + 1):
        for paper in papers:
            paper.turn()
    corrected = sorted(["Corrected", *(title for title in everything if title != f"Story {names[0]}-0")])
    assert [paper.titles() for paper in papers] == [corrected] * size
    assert [paper.turn() for paper in papers] == [False] * size
    for paper in papers:
        paper.publisher.close()


def entry(key: str, title: str, body: str, hours: int = 1) -> str:
    updated = datetime.now(UTC) - timedelta(hours=hours)
    return (
        f"<entry><id>tag:port.example,2026:{key}</id><title>{title}</title><link href='https://port.example/{key}'/>"
        f"<updated>{updated:%Y-%m-%dT%H:%M:%SZ}</updated><content type='html'>{escape(body)}</content></entry>"
    )


def atom(*entries: str) -> str:
    head = '<feed xmlns="http://www.w3.org/2005/Atom"><title>Port News</title><id>x:y</id>'
    return f"{head}{''.join(entries)}</feed>"


def published(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "feeds" / "all" / "feed.json").read_text())["items"])


def reader_of(folder: Path, url: str) -> Publisher:
    wire = f'[source.wire]\ntype = "feed"\nurl = "{url}"\nallow_private = true\n'
    return Publisher(folder, more=wire).write()


def test_an_article_of_ten_megabytes_goes_all_the_way(tmp_path: Path, server: FeedServer) -> None:
    sentence = "The old crane on the north quay lifted its last load. "
    large = f"<p>{sentence * 120}</p>" * (9_900_000 // (len(sentence) * 120 + 7))
    assert 9_500_000 < len(large) < 10_000_000
    beyond = f"<p>{'x' * 10_000_000}</p>"
    url = server.set("/f", atom(entry("large", "A large one", large), entry("small", "A small one", "<p>Fog.</p>", 2)))
    paper = reader_of(tmp_path, url)
    services = paper.services(lambda: datetime.now(UTC))
    (result,) = poll(services, ["wire"], insist=True)
    assert (result.added, result.problems, result.error) == (2, (), None)
    (feed,) = [each for each in build_feeds(services) if each.feed == "all"]
    assert (feed.entries, feed.error) == (2, None)
    assert [item["title"] for item in published(tmp_path)] == ["A large one", "A small one"]
    for name in ("rss.xml", "atom.xml"):
        document = (tmp_path / "feeds" / "all" / name).read_bytes()
        assert [each.title for each in feedparser.parse(document).entries] == ["A large one", "A small one"]
    # Beyond the limit it costs that article's edit and nothing else: its last good version stays.
    server.set("/f", atom(entry("large", "A larger one", beyond), entry("new", "A new one", "<p>Rain.</p>", 3)))
    (result,) = poll(services, ["wire"], insist=True)
    assert (result.added, result.updated, len(result.problems)) == (1, 0, 1)
    build_feeds(services)
    assert [item["title"] for item in published(tmp_path)] == ["A large one", "A small one", "A new one"]
    paper.close()
    paper.run("feeds", "check")


def test_two_articles_with_one_id_in_a_feed(tmp_path: Path, server: FeedServer) -> None:
    older, newer = entry("same", "The older", "<p>One.</p>", 3), entry("same", "The newer", "<p>Two.</p>", 2)
    url = server.set("/f", atom(older, newer, entry("other", "Another", "<p>Three.</p>")))
    paper = reader_of(tmp_path, url)
    services = paper.services(lambda: datetime.now(UTC))
    (result,) = poll(services, ["wire"], insist=True)
    assert (result.added, [problem.error for problem in result.problems]) == (
        2,
        ['two entries have this id ("The older" and "The newer"); only the newer one is taken'],
    )
    build_feeds(services)
    assert [item["title"] for item in published(tmp_path)] == ["Another", "The newer"]
    paper.close()


def test_two_articles_with_one_id_in_a_folder(tmp_path: Path) -> None:
    paper = Publisher(tmp_path).write()
    paper.article("crane")
    text = (tmp_path / "articles" / "crane.md").read_text()
    (tmp_path / "articles" / "zebra.md").write_text(text.replace("Story crane", "Story zebra"))
    services = paper.services(lambda: datetime.now(UTC))
    (result,) = poll(services)
    (problem,) = result.problems
    first, second = ("crane", "zebra") if problem.item == "zebra.md" else ("zebra", "crane")
    assert (result.added, problem.error) == (1, f'the id "crane" is taken by {first}.md; give one of them another id')
    build_feeds(services)
    (before,) = published(tmp_path)
    assert before["title"] == f"Story {first}"
    # When that file goes, the other one has the id from the next poll but one, and readers see an edit.
    (tmp_path / "articles" / f"{first}.md").unlink()
    for _ in range(2):
        poll(services)
    build_feeds(services)
    (after,) = published(tmp_path)
    assert (after["title"], after["id"]) == (f"Story {second}", before["id"])
    paper.close()
