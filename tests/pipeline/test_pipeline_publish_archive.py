"""Archives (RFC 5005), feeds made by ``per``, renamed and gone ones, and feeds of issues, as files."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import brotli
import feedparser
import pytest
from test_pipeline_publish import HOUR, Paper, paper  # type: ignore[import-not-found]  # noqa: F401 - a fixture

from syndicate.core.feeds.rules import Severity, check_document
from syndicate.pipeline.publish import compress_best, publish
from syndicate.store.feed_entries import MOST_TERMS
from syndicate.store.feeds import GENERATION, living_feeds
from syndicate.store.tables import CounterRow


def names(paper: Paper) -> list[str]:  # noqa: F811
    with paper.database.read() as session:
        return [feed.name for feed in living_feeds(session)]


def item_ids(path: Path) -> list[str]:
    return [item["id"] for item in json.loads(path.read_text())["items"]]


def test_pages_never_change_their_articles_and_nothing_is_lost(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(all={"max_items": 6, "archive": True})
    root = paper.settings.feeds_path / "all"
    pages: dict[str, list[str]] = {}
    for number in range(30):
        paper.now += HOUR
        # every fifth is back-dated: it enters the archive at its end, not in an old page
        paper.put(f"story-{number}", published_at=paper.now - (HOUR * 1000 if number % 5 == 0 else timedelta()))
        (result,) = paper.publish()
        assert result.error is None
        for path in root.glob("archive/*/feed.json"):
            assert pages.setdefault(path.parent.name, item_ids(path)) == item_ids(path)
        found = {uid for held in pages.values() for uid in held} | set(item_ids(root / "feed.json"))
        assert len(found) == number + 2
    assert sorted(map(int, pages)) == list(range(1, len(pages) + 1))
    assert {len(held) for held in pages.values()} == {3}
    assert 6 <= len(item_ids(root / "feed.json")) <= 9

    before = {path: path.stat().st_mtime_ns for path in root.glob("archive/*/rss.xml")}
    paper.now += HOUR
    paper.put("story-7", title="Corrected")
    paper.withdraw("story-8")
    paper.publish()
    changed = {path.parent.name for path, at in before.items() if path.stat().st_mtime_ns != at}
    holding = {name for name, held in pages.items() if any(uid.endswith(("/story-7", "/story-8")) for uid in held)}
    assert changed == holding
    assert sum(len(item_ids(path)) for path in root.glob("archive/*/feed.json")) == 3 * len(pages) - 1


def test_an_archive_can_be_walked_in_every_format(paper: Paper) -> None:  # noqa: F811
    for number in range(20):
        paper.put(f"story-{number}", published_at=paper.now - number * HOUR)
    paper.settings = paper.configured(all={"max_items": 4, "archive": True})
    paper.publish()
    address = "https://news.courier.example/feeds/"
    for name in ("rss.xml", "atom.xml", "feed.json"):
        seen: set[str] = set()
        at: str | None = f"{address}all/{name}"
        steps = 0
        while at:
            data = (paper.settings.feeds_path / at.removeprefix(address)).read_bytes()
            assert [each for each in check_document(data, address=at) if each.severity is Severity.ERROR] == []
            if name == "feed.json":
                told = json.loads(data)
                seen |= {item["id"] for item in told["items"]}
                at = told.get("next_url")
            else:
                parsed = feedparser.parse(data)
                seen |= {entry.id for entry in parsed.entries}
                at = next((link.href for link in parsed.feed.links if link.rel == "prev-archive"), None)
            steps += 1
            assert steps < 50
        assert len(seen) == 21
        assert steps > 5


def test_each_term_gets_a_feed_with_a_slug_that_stays(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(all={"per": ["category", "tag", "author", "source", "language"]})
    paper.put("quay", category="Häfen", tags=("C++", "C#"), authors=("Ada Lock",), language="en-GB")
    paper.publish()
    expected = ["all/category/hafen", "all/author/ada-lock", "all/source/stories", "all/language/en-gb"]
    expected += ["all/tag/c", "all/tag/c-2"]
    assert set(names(paper)) == {"all", *expected}
    for name in expected:
        assert [title for title in paper.titles(name) if title == "Quay"] == ["Quay"]
    told = json.loads((paper.settings.feeds_path / "all/category/hafen/feed.json").read_text())
    assert told["title"] == "The Harbour Courier: Häfen"
    assert told["feed_url"] == "https://news.courier.example/feeds/all/category/hafen/feed.json"
    told = json.loads((paper.settings.feeds_path / "all/language/en-gb/feed.json").read_text())
    assert told["title"] == "The Harbour Courier: English (United Kingdom)"

    paper.put("quay", category="Other")
    paper.publish()
    assert paper.titles("all/category/other") == ["Quay"]
    assert paper.titles("all/category/hafen") == []  # followed by readers, so it stays
    paper.put("second", category="HÄFEN")
    paper.publish()
    assert paper.titles("all/category/hafen") == ["Second"]

    opml = (paper.settings.feeds_path / "feeds.opml").read_text()
    assert opml.count("xmlUrl") == len(names(paper))
    paper.settings = paper.configured(all={"per": ["category"]})
    paper.publish()
    assert not (paper.settings.feeds_path / "all/tag").exists()
    assert set(names(paper)) == {"all", "all/category/hafen", "all/category/other"}


def test_an_article_with_ten_thousand_categories_makes_no_feeds(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(all={"per": ["tag"], "per_max": 3})
    paper.publish()
    paper.put("mad", tags=tuple(f"tag {number}" for number in range(10_000)))
    paper.put("busy", tags=tuple(f"busy {number}" for number in range(MOST_TERMS)))
    paper.publish()
    assert [name for name in names(paper) if name != "all"] == ["all/tag/busy-0", "all/tag/busy-1", "all/tag/busy-10"]
    paper.settings = paper.configured(all={"per": ["tag"]})
    paper.publish()
    assert len(names(paper)) == 1 + MOST_TERMS


def test_only_touched_feeds_are_built(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(all={"per": ["category"], "max_items": 3})
    for number in range(30):
        paper.put(f"story-{number}", category=f"Term {number % 10}", published_at=paper.now - (number + 2) * HOUR)
    paper.publish()
    before = paper.files()
    paper.now += HOUR
    paper.put("story-14", title="Changed")  # in its category's window, not in that of all
    paper.publish()
    after = paper.files()
    assert {path.rpartition("/")[0] for path in after if after[path] != before[path]} == {"all/category/term-4"}


def test_a_renamed_feed_and_a_gone_one_are_remembered(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(old={}, gone={})
    paper.publish()
    paper.settings = paper.configured(new={"renamed_from": ["old", "never-seen"]})
    paper.publish()
    paper.settings = paper.configured(newest={"renamed_from": ["new"]})
    paper.publish()
    rows = paper.records()
    assert {name: rows[name].moved_to for name in rows} == {
        "gone": None, "never-seen": "newest", "new": "newest", "newest": None, "old": "newest"
    }  # fmt: skip
    assert [name for name, row in rows.items() if row.gone_at is None] == ["newest"]
    paper.settings = paper.configured(gone={}, newest={})
    paper.publish()
    assert paper.records()["gone"].gone_at is None
    assert paper.titles("gone") == ["Crane"]


def test_twins_hold_the_same_bytes_and_times(paper: Paper) -> None:  # noqa: F811
    paper.publish()
    folder = paper.settings.feeds_path / "all"
    for name in ("rss.xml", "atom.xml", "feed.json"):
        path = folder / name
        data = path.read_bytes()
        assert gzip.decompress((folder / f"{name}.gz").read_bytes()) == data
        assert brotli.decompress((folder / f"{name}.br").read_bytes()) == data
        times = {(folder / f"{name}{suffix}").stat().st_mtime for suffix in ("", ".gz", ".br")}
        assert times == {paper.documents()[f"all/{name}"].changed_at.timestamp()}
    sizes = {path: path.stat().st_size for path in folder.glob("*.br")}
    inodes = {path: path.stat().st_ino for path in folder.glob("*") if path.suffix != ".br"}
    assert compress_best(paper.database, paper.settings) == 4  # and that of feeds.opml
    assert compress_best(paper.database, paper.settings) == 0
    assert all(path.stat().st_size <= size for path, size in sizes.items())
    assert all(brotli.decompress(path.read_bytes()) == path.with_suffix("").read_bytes() for path in sizes)
    assert inodes == {path: path.stat().st_ino for path in inodes}
    assert paper.publish_one().changed == 0


def test_two_versions_within_a_second_have_two_times(paper: Paper) -> None:  # noqa: F811
    paper.now = paper.now.replace(microsecond=400_000)
    seen = []
    for number in range(3):
        paper.put("crane", title=f"Version {number}")
        paper.publish()
        seen.append(paper.documents()["all/rss.xml"].changed_at)
    assert seen == sorted(set(seen))
    assert {time.microsecond for time in seen} == {0}


def test_a_document_that_breaks_a_rule_is_not_published(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    paper.publish()
    before = paper.files()
    from syndicate.core.feeds import WRITERS
    from syndicate.model import FeedFormat

    right = WRITERS[FeedFormat.ATOM]
    broken = dict(WRITERS) | {FeedFormat.ATOM: lambda document: right(document).replace(b"<updated>", b"<updated>x")}
    monkeypatch.setattr("syndicate.core.feeds.judging.WRITERS", broken)
    paper.put("tide")
    (result,) = paper.publish()
    assert result.error
    assert "all/atom.xml is not published, its last good version stays" in result.error
    assert paper.files() == before
    monkeypatch.undo()
    assert paper.publish_one().error is None
    assert "Tide" in paper.titles()


def test_the_generation_grows_with_every_change_of_files_and_only_then(paper: Paper) -> None:  # noqa: F811
    def generation() -> int:
        with paper.database.read() as session:
            row = session.get(CounterRow, GENERATION)
            return row.value if row else 0

    paper.publish()
    first = generation()
    paper.publish()
    assert generation() == first > 0
    paper.put("tide")
    paper.publish()
    assert generation() > first


KILLED = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from syndicate.config import Settings
from syndicate.core.article.change import decide
from syndicate.core.article.identity import content_hash
from syndicate.model import ArticleContent
from syndicate.pipeline.publish import publish
from syndicate.store.engine import Database
from syndicate.store.mirror import apply, mirrored

database, settings = Database(sys.argv[1]), Settings.model_validate_json(sys.argv[2])
now = datetime(2026, 11, 20, 8, tzinfo=UTC)
print("ready", flush=True)
for number in range(100000):
    now += timedelta(seconds=1)
    key = f"story-{number % 40}"
    content = ArticleContent(key=key, title=f"Version {number}", html="<p>" + "x" * 20000 + "</p>", published_at=now)
    with database.write() as session:
        known = mirrored(session, "stories", [key]).get(key)
        change = decide(known and known.article, known and known.content_hash, content, content_hash(content), now)
        apply(session, "stories", [change], authority="courier.example,2026", now=now)
    publish(database, settings, now, verify=False)
"""


def whole(folder: Path) -> int:
    """Every file that a server could give now is complete; returns how many there are."""
    count = 0
    for path in list(folder.rglob("*")):
        if path.name.startswith(".") or not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".br":
            data = brotli.decompress(data)
        if path.name.startswith("feed.json"):
            json.loads(data)
        else:
            assert data.rstrip().endswith((b"</rss>", b"</feed>", b"</opml>"))
        count += 1
    return count


def test_a_kill_at_any_moment_leaves_whole_files_and_the_next_run_makes_all_good(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(all={"max_items": 6, "archive": True, "formats": ["atom", "json"]})
    url = paper.database.engine.url.render_as_string(hide_password=False)
    root = paper.settings.feeds_path
    for turn in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, url, paper.settings.model_dump_json()], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.35 + 0.3 * turn)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        whole(root)
        (result,) = paper.publish()
        assert result.error is None
        assert whole(root) > 6
        for path in list(root.rglob("*.gz")):
            assert gzip.decompress(path.read_bytes()) == path.with_suffix("").read_bytes()
        assert paper.publish_one().changed == 0


def test_no_reader_ever_gets_a_torn_file_or_an_old_twin(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(all={"formats": ["json"]})
    paper.put("crane", title="0")
    paper.publish()
    path = paper.settings.feeds_path / "all" / "feed.json"
    stop, reads = threading.Event(), [0]
    faults: list[Any] = []

    def version(data: bytes) -> int:
        return int(json.loads(data)["items"][0]["title"])

    def read(kind: int) -> None:
        newest = 0
        while not stop.is_set():
            try:
                data = path.read_bytes()
                plain = version(data)
                try:
                    twin = version(gzip.decompress(path.with_name("feed.json.gz").read_bytes()))
                except FileNotFoundError:  # a server gives the file itself then
                    twin = plain
                if twin < plain or plain < newest:
                    faults.append((kind, newest, plain, twin))
                newest = max(newest, plain)
                reads[0] += 1
                time.sleep(0.002)  # the publisher is in this process too
            except Exception as error:  # noqa: BLE001 - told to the test's own thread
                faults.append(error)

    threads = [threading.Thread(target=read, args=(kind,)) for kind in range(8)]
    for thread in threads:
        thread.start()
    number = 0
    while (number < 10 or reads[0] < 50) and not faults:
        number += 1
        paper.now += timedelta(seconds=1)
        paper.put("crane", title=str(number), html=f"<p>{'y' * 5000}</p>")
        publish(paper.database, paper.settings, paper.now, verify=False)
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
