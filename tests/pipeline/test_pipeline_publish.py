"""Feeds on disk follow the articles and the settings, and only what changed is written: on both databases."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import pytest
from sqlalchemy import event

from syndicate.config import Settings
from syndicate.core.article.change import decide
from syndicate.core.article.identity import content_hash
from syndicate.errors import UnknownNameError
from syndicate.io.files import TWINS
from syndicate.model import ArticleContent
from syndicate.pipeline.publish import FeedResult, publish
from syndicate.store.articles import number_due
from syndicate.store.engine import Database
from syndicate.store.feeds import DocumentRecord, FeedRecord, documents_of, recorded_bases
from syndicate.store.mirror import apply, mirrored, withdraw

HOUR = timedelta(hours=1)
NAMES = ("rss.xml", "atom.xml", "feed.json")


class Paper:
    """A paper's database and feeds, with what the tests do to them."""

    def __init__(self, database: Database, folder: Path, now: datetime) -> None:
        self.database = database
        self.folder = folder
        self.now = now
        self.settings = self.configured(all={})

    def configured(self, *, site: dict[str, Any] | None = None, free: int = 0, **feeds: dict[str, Any]) -> Settings:
        told = {
            "base": self.folder,
            "site": {"title": "The Harbour Courier", "url": "https://courier.example"} | (site or {}),
            "service": {"public_url": "https://news.courier.example", "min_free_disk": free},
            "feed": feeds,
        }
        return Settings.model_validate(told)

    def put(self, key: str, **given: Any) -> None:
        """Ingest an article as it is now at its source."""
        values: dict[str, Any] = {"key": key, "title": key.title(), "published_at": self.now - HOUR} | given
        content = ArticleContent(**values)
        with self.database.write() as session:
            known = mirrored(session, "stories", [key]).get(key)
            before, hash_before = (known.article, known.content_hash) if known else (None, None)
            change = decide(before, hash_before, content, content_hash(content), self.now)
            assert change
            apply(session, "stories", [change], authority="courier.example,2026", now=self.now)

    def withdraw(self, key: str) -> None:
        with self.database.write() as session:
            withdraw(session, "stories", [key], now=self.now)

    def publish(self, names: Sequence[str] | None = None) -> list[FeedResult]:
        return publish(self.database, self.settings, self.now, names)

    def publish_one(self) -> FeedResult:
        (result,) = self.publish()
        return result

    def titles(self, feed: str = "all") -> list[str]:
        """The titles of a feed, the same in all three formats."""
        folder = self.settings.feeds_path / feed
        said = [[entry.title for entry in feedparser.parse(folder / name).entries] for name in NAMES[:2]]
        said.append([item["title"] for item in json.loads((folder / "feed.json").read_text())["items"]])
        assert said[0] == said[1] == said[2]
        return said[0]

    def records(self) -> dict[str, FeedRecord]:
        with self.database.read() as session:
            return recorded_bases(session)

    def documents(self, feed: str = "all") -> dict[str, DocumentRecord]:
        with self.database.read() as session:
            return documents_of(session, [feed]).get(feed, {})

    def files(self) -> dict[str, tuple[int, int]]:
        """Every document with what tells whether it was touched: a replaced file is another inode."""
        root = self.settings.feeds_path
        return {
            str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.name not in {".syndicate.lock", "feeds.opml"} and path.suffix not in TWINS
        }


@contextmanager
def listening(database: Database) -> Iterator[list[str]]:
    """The statements that go to the database meanwhile."""
    statements: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement != "BEGIN":
            statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", hear)
    yield statements
    event.remove(database.engine, "before_cursor_execute", hear)


@pytest.fixture
def paper(database: Database, tmp_path: Path, now: datetime) -> Iterator[Paper]:
    paper = Paper(database, tmp_path, now)
    paper.put("crane")
    yield paper
    root = paper.settings.feeds_path
    assert not list(root.rglob("*.tmp")), "a temporary file was left behind"


def test_the_first_build_writes_every_format_and_says_so(paper: Paper) -> None:
    assert paper.publish_one().as_dict() == {"feed": "all", "documents": 3, "changed": 3, "entries": 1}
    assert set(paper.files()) == {f"all/{name}" for name in NAMES}
    assert paper.titles() == ["Crane"]
    record = paper.records()["all"]
    assert record.entries == 1
    assert record.error is None
    for path, document in paper.documents().items():
        data = (paper.settings.feeds_path / path).read_bytes()
        assert (document.size, document.entries, document.changed_at) == (len(data), 1, paper.now)


def test_an_unchanged_store_touches_nothing(paper: Paper) -> None:
    paper.settings = paper.configured(all={}, port={}, town={})
    paper.publish()
    files, records = paper.files(), paper.records()
    paper.now += HOUR
    with listening(paper.database) as statements:
        unchanged = [FeedResult(feed=name, documents=3, changed=0, entries=1) for name in ("all", "port", "town")]
        assert paper.publish() == unchanged
    assert (paper.files(), paper.records()) == (files, records)
    assert len(statements) == 7, "however many feeds there are"
    assert all(statement.startswith("SELECT") for statement in statements)
    assert not any("html" in statement for statement in statements), "no article was read"


def test_a_change_that_no_reader_can_see_writes_no_file(paper: Paper) -> None:
    paper.publish()
    files = paper.files()
    paper.put("crane", popularity=3.5)
    assert paper.publish_one().changed == 0
    assert paper.files() == files
    assert paper.publish_one() == FeedResult(feed="all", documents=3, changed=0, entries=1)


def test_a_new_article_an_edit_and_a_withdrawal_each_reach_the_files(paper: Paper) -> None:
    paper.publish()
    paper.now += HOUR
    paper.put("tide", published_at=paper.now)
    assert paper.publish_one().changed == 3
    assert paper.titles() == ["Tide", "Crane"]
    first = paper.documents()["all/rss.xml"]

    paper.now += HOUR
    paper.put("crane", title="The crane, corrected")
    assert paper.publish_one().changed == 3
    assert paper.titles() == ["Tide", "The crane, corrected"]
    edited = paper.documents()["all/rss.xml"]
    assert edited.content_hash != first.content_hash
    assert (first.changed_at, edited.changed_at) == (paper.now - HOUR, paper.now)

    paper.withdraw("tide")
    assert paper.publish_one().as_dict() == {"feed": "all", "documents": 3, "changed": 3, "entries": 1}
    assert paper.titles() == ["The crane, corrected"]


def test_time_alone_takes_out_what_expires_and_lets_in_what_waits(paper: Paper) -> None:
    paper.put("fair", published_at=paper.now - HOUR, expires_at=paper.now + HOUR)
    paper.put("storm", published_at=paper.now + 2 * HOUR)
    paper.publish()
    assert paper.titles() == ["Fair", "Crane"]
    paper.now += HOUR - timedelta(seconds=1)
    assert paper.publish_one().changed == 0
    paper.now += timedelta(seconds=1)
    assert paper.publish_one().changed == 3
    assert paper.titles() == ["Crane"]
    assert paper.publish_one().changed == 0
    paper.now += HOUR
    with paper.database.write() as session:
        assert number_due(session, paper.now) == 1
    assert paper.publish_one().changed == 3
    assert paper.titles() == ["Storm", "Crane"]


def test_settings_reach_the_files_they_concern(paper: Paper) -> None:
    paper.settings = paper.configured(all={}, port={"categories": ["Port"]})
    paper.put("quay", category="Port")
    assert [result.changed for result in paper.publish()] == [3, 3]
    assert paper.titles("port") == ["Quay"]
    before = paper.files()
    paper.settings = paper.configured(all={}, port={"categories": ["Port"], "title": "The Port"})
    assert [(result.feed, result.changed) for result in paper.publish()] == [("all", 0), ("port", 3)]
    after = paper.files()
    assert {name for name in after if after[name] != before[name]} == {f"port/{name}" for name in NAMES}
    # JSON Feed knows no ttl
    paper.settings = paper.configured(all={"ttl": "2h"}, port={"categories": ["Port"], "title": "The Port"})
    assert [(result.feed, result.changed) for result in paper.publish()] == [("all", 1), ("port", 0)]
    paper.settings = paper.configured(
        site={"language": "en-GB"}, all={"ttl": "2h"}, port={"categories": ["Port"], "title": "The Port"}
    )
    assert [result.changed for result in paper.publish()] == [3, 3]


def test_formats_and_feeds_that_are_configured_no_more_go_and_nothing_else(paper: Paper) -> None:
    paper.settings = paper.configured(all={}, port={})
    paper.publish()
    foreign = paper.settings.feeds_path / "port" / "index.html"
    foreign.write_text("the operator's own")
    paper.settings = paper.configured(all={"formats": ["atom"]})
    (result,) = paper.publish()
    # two formats went, and the title of the one that stays says no longer which of several feeds it is
    assert (result.documents, result.changed) == (1, 3)
    assert set(paper.files()) == {"all/atom.xml", "port/index.html"}
    assert [name for name, record in paper.records().items() if record.gone_at is None] == ["all"]
    assert paper.records()["port"].gone_at == paper.now
    assert list(paper.documents()) == ["all/atom.xml"]
    assert paper.publish_one().changed == 0


def test_only_the_named_feeds_are_built(paper: Paper) -> None:
    paper.settings = paper.configured(all={}, port={}, town={})
    assert [result.feed for result in paper.publish(["town", "port", "town"])] == ["town", "port"]
    assert {name.partition("/")[0] for name in paper.files()} == {"town", "port"}
    with pytest.raises(UnknownNameError, match="there is: all, port, town"):
        paper.publish(["all", "ports"])
    assert not (paper.settings.feeds_path / "all").exists()


def test_a_file_that_is_missing_or_cut_is_written_again(paper: Paper) -> None:
    paper.publish()
    root = paper.settings.feeds_path / "all"
    intact = {name: (root / name).read_bytes() for name in NAMES}
    (root / "rss.xml").unlink()
    (root / "feed.json").write_bytes(intact["feed.json"][:100])
    changed_at = {path: document.changed_at for path, document in paper.documents().items()}
    paper.now += HOUR
    assert paper.publish_one().changed == 2
    assert {name: (root / name).read_bytes() for name in NAMES} == intact
    # their bytes are what they were: readers who hold them need not fetch them again
    assert {path: document.changed_at for path, document in paper.documents().items()} == changed_at


def test_a_kill_between_file_and_record_is_made_good(paper: Paper) -> None:
    paper.publish()
    paper.put("tide")
    paper.publish()
    files = paper.files()
    with paper.database.write() as session:  # what the database says when the record was never written
        connection = session.connection()
        connection.exec_driver_sql("DELETE FROM feed_documents")
        connection.exec_driver_sql("DELETE FROM feeds")
    assert paper.publish_one().as_dict() == {"feed": "all", "documents": 3, "changed": 0, "entries": 2}
    assert paper.files() == files
    assert paper.publish_one().documents == 3


def test_one_feed_that_fails_stops_no_other(paper: Paper) -> None:
    paper.settings = paper.configured(bad={}, all={})
    paper.publish()
    paper.put("tide")
    root = paper.settings.feeds_path
    last_good = (root / "bad" / "rss.xml").read_bytes()
    (root / "bad" / "atom.xml").unlink()
    (root / "bad" / "atom.xml").mkdir()  # in the way
    (root / "bad" / "atom.xml" / "inside").touch()
    bad, good = paper.publish()
    assert good == FeedResult(feed="all", documents=3, changed=3, entries=2)
    assert bad.error
    assert "bad/atom.xml was not written: Is a directory" in bad.error
    assert bad.as_dict()["error"] == bad.error
    assert paper.records()["bad"].error == bad.error
    assert (root / "bad" / "rss.xml").read_bytes() != last_good  # what could be written is whole and new
    assert paper.documents("bad")["bad/rss.xml"].size == (root / "bad" / "rss.xml").stat().st_size

    (root / "bad" / "atom.xml" / "inside").unlink()
    (root / "bad" / "atom.xml").rmdir()
    mended, _good = paper.publish()
    assert mended == FeedResult(feed="bad", documents=3, changed=2, entries=2)
    assert paper.records()["bad"].error is None
    assert paper.titles("bad") == paper.titles("all")


def test_a_fault_nobody_foresaw_is_an_error_of_its_feed(paper: Paper, caplog: pytest.LogCaptureFixture) -> None:
    paper.settings = paper.configured(bad={"title": "A\x07B"}, all={})  # a character that lxml refuses
    bad, good = paper.publish()
    assert good.changed == 3
    assert bad.error
    assert bad.error.startswith("ValueError: ")
    assert "feed bad could not be built" in caplog.text
    assert paper.records()["bad"].error == bad.error
    assert not (paper.settings.feeds_path / "bad").exists()


def test_a_name_that_is_no_folder_is_an_error_of_its_feed(paper: Paper) -> None:
    feeds: dict[str, Any] = {"../out": {}, "all": {}}
    paper.settings = paper.configured(**feeds)
    bad, good = paper.publish()
    assert good.changed == 3
    assert bad.error
    assert "becomes a folder" in bad.error
    assert not (paper.folder / "out").exists()


def test_too_little_room_builds_nothing_and_says_so_once(paper: Paper) -> None:
    paper.publish()
    paper.put("tide")
    files = paper.files()
    paper.settings = paper.configured(all={}, free=10**18)
    result = paper.publish_one()
    assert result.error
    assert "[service] min_free_disk" in result.error
    assert (result.documents, result.changed, result.entries) == (3, 0, 1)
    assert paper.files() == files
    assert paper.records()["all"].error == result.error
    with listening(paper.database) as statements:
        assert paper.publish_one() == result
    assert all(statement.startswith("SELECT") for statement in statements), "on a full disk nothing is written again"
    paper.settings = paper.configured(all={})
    assert paper.publish_one().changed == 3
    assert paper.records()["all"].error is None


def test_an_error_is_cleared_by_the_next_good_build_also_when_its_cause_was_taken_back(paper: Paper) -> None:
    paper.publish()
    good = paper.settings
    paper.settings = paper.configured(all={"title": "Another"}, free=10**18)
    assert paper.publish_one().error
    paper.settings = good
    assert paper.publish_one() == FeedResult(feed="all", documents=3, changed=0, entries=1)
    assert paper.records()["all"].error is None


def test_a_folder_that_cannot_be_made_is_every_feeds_error(paper: Paper) -> None:
    paper.settings.feeds_path.write_text("a file where the folder should be")
    paper.settings = paper.configured(all={}, port={})
    results = paper.publish()
    assert [bool(result.error and str(paper.settings.feeds_path) in result.error) for result in results] == [True, True]
    paper.settings.feeds_path.unlink()
    assert [result.error for result in paper.publish()] == [None, None]


def test_an_article_that_no_feed_can_hold_is_named_and_left_out(paper: Paper) -> None:
    paper.put("broken", title="a\x07b", published_at=paper.now)
    result = paper.publish_one()
    assert result.entries == 1
    assert result.error is None
    assert [problem.item for problem in result.problems] == ["tag:courier.example,2026:stories/broken"]
    assert result.as_dict()["problems"][0]["article"] == "tag:courier.example,2026:stories/broken"
    assert paper.titles() == ["Crane"]


def test_the_window_is_bounded(paper: Paper) -> None:
    for number in range(6):
        paper.put(f"story-{number}", published_at=paper.now - number * HOUR / 2)
    paper.settings = paper.configured(all={"max_items": 3})
    assert paper.publish_one().entries == 3
    assert paper.titles() == ["Story-0", "Story-1", "Story-2"]


def test_many_at_once_write_each_file_once(paper: Paper) -> None:
    paper.settings = paper.configured(all={}, port={})
    results: list[FeedResult] = []
    errors: list[Exception] = []

    def build() -> None:
        try:
            results.extend(paper.publish())
        except Exception as error:  # noqa: BLE001 - told to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(result.changed for result in results) == 6
    assert not any(result.error for result in results)


def test_another_version_of_the_program_writes_only_what_it_says_otherwise(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.publish()
    files = paper.files()
    monkeypatch.setattr("syndicate.pipeline.publish.wanted.__version__", "99.0")
    before = paper.records()["all"].settings_hash
    assert paper.publish_one().changed == 0
    assert paper.records()["all"].settings_hash != before
    assert paper.files() == files


def test_the_files_can_be_read_by_a_web_server(paper: Paper) -> None:
    before = os.umask(0o022)
    try:
        paper.publish()
    finally:
        os.umask(before)
    for name in NAMES:
        assert (paper.settings.feeds_path / "all" / name).stat().st_mode & 0o777 == 0o644
