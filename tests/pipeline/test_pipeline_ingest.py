from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from paper import NOW, Paper, settings_for
from sqlalchemy import create_engine, text

from syndicate.config import Settings
from syndicate.config.sections import Selection
from syndicate.errors import UnknownNameError
from syndicate.io.database import DatabaseReader
from syndicate.io.folder import FolderReader
from syndicate.io.sources import Known, Reading
from syndicate.model import PollResult, SourceItem
from syndicate.pipeline.ingest import ingest, withdraw_source
from syndicate.store import sources
from syndicate.store.articles import highest_revision, highest_seq, newest, number_due
from syndicate.store.engine import Database

MINUTE = timedelta(minutes=1)
SAMPLES = Path(__file__).parents[2] / "examples" / "articles"


@pytest.fixture
def paper(database: Database, tmp_path: Path) -> Paper:
    (tmp_path / "articles").mkdir()
    return Paper(database, tmp_path / "articles")


def test_the_samples(database: Database, tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "articles")
    paper = Paper(database, tmp_path / "articles")
    result = paper.poll()
    assert (result.error, result.problems) == (None, ())
    assert result.seen == result.added + result.withdrawn >= 24
    assert result.withdrawn == 1
    found = paper.articles()
    with database.read() as session:
        assert highest_seq(session) == result.added
    assert 24 <= len(found) <= result.added  # a notice has expired
    for article in found.values():
        assert article.seq is not None
        assert article.url is not None
        assert article.content.html
        assert article.content.summary
        assert "javascript:" not in article.content.html
    again = paper.poll()
    assert not again.changed
    assert again.seen == result.seen


def test_the_life_of_an_article(paper: Paper) -> None:
    paper.write("a.md", "First", id="a", date="2026-11-20")
    assert (paper.poll().added, paper.articles()["a"].seq) == (1, 1)
    first = paper.articles()["a"]
    paper.write("a.md", "Second", id="a", date="2026-11-01")
    result = paper.poll()
    assert (result.updated, result.added) == (1, 0)
    edited = paper.articles()["a"]
    assert (edited.uid, edited.seq, edited.published_at, edited.version) == (first.uid, 1, first.published_at, 2)
    assert (edited.title, edited.updated_at) == ("Second", paper.now)
    paper.write("a.md", "Second", id="a", popularity=5)
    assert paper.poll().updated == 1
    assert (paper.articles()["a"].version, paper.articles()["a"].content.popularity) == (2, 5.0)
    paper.write("a.md", "Second", id="a", withdrawn="true")
    assert paper.poll().withdrawn == 1
    assert paper.articles() == {}
    paper.write("a.md", "Second", id="a", popularity=5)
    assert paper.poll().updated == 1
    assert paper.articles()["a"].seq == 1
    (paper.path / "a.md").unlink()
    (paper.path / ".keep").touch()
    assert paper.poll().withdrawn == 1
    assert paper.articles() == {}
    paper.write("b.md", "Second", id="a", popularity=5)
    assert (paper.poll().updated, paper.articles()["a"].uid) == (1, first.uid)


def test_a_future_article_waits_without_a_number(paper: Paper) -> None:
    paper.write("later.md", "Later", date="2026-11-22T12:00:00Z")
    paper.write("now.md", "Now")
    paper.poll()
    assert {key: article.seq for key, article in paper.articles().items()} == {"now": 1}
    paper.now = NOW + 5 * 60 * MINUTE
    with paper.database.write() as session:
        assert number_due(session, paper.now) == 1
    assert paper.articles()["later"].seq == 2


def test_a_renamed_file_is_the_same_article(paper: Paper) -> None:
    paper.write("a.md", "A", id="a")
    paper.write("b.md", "B")
    paper.poll()
    before = paper.articles()
    (paper.path / "a.md").rename(paper.path / "z.md")
    (paper.path / "b.md").rename(paper.path / "y.md")
    result = paper.poll()
    # Without an id the path is the id: another path is another article.
    assert (result.added, result.updated, result.withdrawn, result.problems) == (1, 0, 1, ())
    after = paper.articles()
    assert after.keys() == {"a", "y"}
    assert after["a"] == before["a"]


def test_an_id_changed_in_place_withdraws_the_old_article(paper: Paper) -> None:
    paper.write("a.md", "A", id="old")
    paper.poll()
    paper.write("a.md", "A", id="new")
    result = paper.poll()
    assert (result.added, result.withdrawn) == (1, 1)
    assert paper.articles().keys() == {"new"}


def test_two_files_that_swap_their_ids(paper: Paper) -> None:
    paper.write("a.md", "A", id="one")
    paper.write("b.md", "B", id="two")
    paper.poll()
    paper.write("a.md", "A", id="two")
    paper.write("b.md", "B", id="one")
    result = paper.poll()
    assert (result.updated, result.added, result.withdrawn, result.problems) == (2, 0, 0, ())
    assert {key: article.title for key, article in paper.articles().items()} == {"one": "B", "two": "A"}


def test_a_second_file_with_an_id_is_reported_until_the_first_goes(paper: Paper) -> None:
    paper.write("a.md", "First", id="a")
    paper.poll()
    paper.write("copy of a.md", "Second", id="a")
    for _ in range(2):
        result = paper.poll()
        assert [(problem.item, problem.error) for problem in result.problems] == [
            ("copy of a.md", 'the id "a" is taken by a.md; give one of them another id')
        ]
        assert paper.articles()["a"].title == "First"
    (paper.path / "a.md").unlink()
    paper.poll()
    result = paper.poll()
    assert result.problems == ()
    assert paper.articles()["a"].title == "Second"


def test_of_two_new_files_with_an_id_the_first_by_name_has_it(paper: Paper) -> None:
    for name in ("z.md", "m/b.md", "m/a.md", "q.md"):
        paper.write(name, name, id="x")
    result = paper.poll()
    assert paper.articles()["x"].title == "m/a.md"
    assert {problem.item for problem in result.problems} == {"m/b.md", "q.md", "z.md"}
    assert all("taken by m/a.md" in problem.error for problem in result.problems)


def test_a_misspelt_field_is_told_once_for_all_files(paper: Paper) -> None:
    for name in ("a.md", "b.md", "c.md"):
        paper.write(name, "T", categry="port", layout="wide")
    result = paper.poll()
    assert [(warning.item, warning.error) for warning in result.warnings] == [
        ("a.md", "'categry' is not read; did you mean 'category'? (and 2 more like it)")
    ]
    assert (result.problems, result.added) == ((), 3)


def test_the_articles_of_a_source_that_was_removed_stay_until_they_are_withdrawn(paper: Paper) -> None:
    paper.write("a.md", "T", id="a")
    paper.poll()
    without = Settings.model_validate({"site": {"title": "The Harbour Courier"}})
    with paper.database.read() as session:
        assert sources.unconfigured(session, without.source) == {"stories": 1}
        assert sources.unconfigured(session, paper.settings.source) == {}
    with pytest.raises(UnknownNameError, match="is configured"):
        withdraw_source(paper.database, "stories", paper.settings, paper.now)
    with pytest.raises(UnknownNameError, match="there is: stories"):
        withdraw_source(paper.database, "storeys", without, paper.now)
    assert paper.articles().keys() == {"a"}
    assert withdraw_source(paper.database, "stories", without, paper.now) == 1
    assert paper.articles() == {}
    # Configured again, all of it returns under its old numbers.
    assert paper.poll().updated == 1
    assert paper.articles()["a"].seq == 1


def test_a_broken_file_stops_nothing_and_its_last_good_version_stays(paper: Paper) -> None:
    paper.write("a.md", "Good", id="a")
    paper.poll()
    paper.raw("a.md", "---\ntitle: [oops\n---\n")
    paper.write("b.md", "Other")
    paper.raw("c.md", "no title here")
    paper.raw("huge.md", "x" * 100_001)
    paper.write("weird.md", "'Bell \\u0007 and ]]>'", body="a\x00b\x1bc ]]> d", date="2026-11-20")
    for _ in range(2):
        result = paper.poll()
        assert [problem.item for problem in result.problems] == ["a.md", "c.md", "huge.md"]
        assert "line" in result.problems[0].error
        assert "no title" in result.problems[1].error
        assert "max_article_size" in result.problems[2].error
    found = paper.articles()
    assert found["a"].title == "Good"
    assert found["weird"].content.html == "<p>abc ]]&gt; d</p>"
    paper.write("a.md", "Mended", id="a")
    assert [problem.item for problem in paper.poll().problems] == ["c.md", "huge.md"]
    assert paper.articles()["a"].title == "Mended"
    (paper.path / "c.md").unlink()
    assert [problem.item for problem in paper.poll().problems] == ["huge.md"]


def test_an_article_that_the_database_refuses_does_not_cost_the_others(paper: Paper) -> None:
    paper.write("a.md", "Taken")
    paper.poll()
    with paper.database.write() as session:
        # Somebody else's article has the id that b would get.
        session.connection().execute(
            text("UPDATE articles SET uid = 'tag:courier.example,2026-11-22:stories/b', source = 'other'")
        )
    for letter in "bcd":
        paper.write(f"{letter}.md", f"Title {letter}")
    result = paper.poll()
    assert result.added == 2
    assert [problem.item for problem in result.problems] == ["b.md"]
    assert "the database does not take it" in result.problems[0].error
    assert {"c", "d"} <= paper.articles().keys()
    with paper.database.write() as session:
        session.connection().execute(text("UPDATE articles SET uid = 'tag:x' WHERE source = 'other'"))
    paper.write("b.md", "Title b again")
    result = paper.poll()
    assert (result.added, result.problems) == (1, ())


def test_a_source_that_cannot_be_read_keeps_its_last_good_state(paper: Paper) -> None:
    paper.write("a.md", "A")
    paper.poll()
    paper.path.rename(paper.path.with_name("away"))
    for _ in range(2):
        result = paper.poll()
        assert "No such file" in (result.error or "")
        assert not result.changed
    assert paper.articles().keys() == {"a"}
    (row,) = paper.ask("SELECT error, broken_since, ok_at, polled_at FROM sources")
    assert "No such file" in row.error
    assert row.broken_since != row.polled_at
    paper.path.with_name("away").rename(paper.path)
    assert paper.poll().error is None
    assert paper.ask("SELECT error, broken_since FROM sources") == [(None, None)]


def test_a_changed_default_reaches_the_articles_that_are_there(paper: Paper) -> None:
    paper.write("a.md", "A")
    paper.write("b.md", "B", language="de")
    paper.poll()
    (paper.path / "b.md").unlink()
    paper.settings = settings_for(paper.path, language="fr")
    result = paper.poll()
    assert (result.updated, result.withdrawn) == (1, 1)
    assert paper.articles()["a"].content.language == "fr"


def test_dates_can_be_shifted(paper: Paper) -> None:
    paper.write("a.md", "A", date="2026-11-20", updated="2026-11-21", expires="2026-12-24")
    with paper.database.write() as session:
        sources.shift_dates(session, "stories", timedelta(days=-10))
    paper.poll()
    article = paper.articles()["a"]
    assert article.published_at == datetime(2026, 11, 10, tzinfo=UTC)
    assert article.updated_at == datetime(2026, 11, 11, tzinfo=UTC)
    assert article.content.expires_at == datetime(2026, 12, 14, tzinfo=UTC)


def test_withdrawn_before_it_was_seen(paper: Paper) -> None:
    paper.write("a.md", "A", withdrawn="yes")
    result = paper.poll()
    assert (result.added, result.withdrawn) == (0, 1)
    assert paper.ask("SELECT seq FROM articles") == [(None,)]
    paper.write("a.md", "A")
    paper.poll()
    assert paper.articles()["a"].seq == 1


def test_nothing_changes_nothing(paper: Paper) -> None:
    paper.write("a.md", "A")
    paper.poll()
    with paper.database.read() as session:
        before = (highest_seq(session), highest_revision(session))
    (paper.path / "a.md").touch()
    assert not paper.poll().changed
    with paper.database.read() as session:
        assert (highest_seq(session), highest_revision(session)) == before
    assert paper.ask("SELECT count(*) FROM article_versions") == [(0,)]


@dataclass
class Breaking:
    """A reader that passes on another's pages and breaks off in the middle, as a killed process does."""

    reader: FolderReader
    after: int

    @property
    def name(self) -> str:
        return self.reader.name

    def read(self, known: Known, state: Any, now: datetime) -> Reading:
        reading = self.reader.read(known, state, now)
        reading.pages = self._some(reading.pages)
        return reading

    def _some(self, pages: Iterator[list[SourceItem]]) -> Iterator[list[SourceItem]]:
        for number, page in enumerate(pages):
            if number == self.after:
                raise KeyboardInterrupt
            yield page


def test_a_poll_that_is_cut_off_goes_on_at_the_next(paper: Paper) -> None:
    for number in range(450):
        paper.write(f"a{number:03}.md", f"Title {number}", body="")
    source = paper.settings.source["stories"]
    assert source.type == "folder"
    taken: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        ingest(
            paper.database,
            Breaking(FolderReader("stories", source, paper.path), 2),
            paper.settings,
            NOW,
            progress=taken.append,
        )
    assert taken == [200, 400]
    assert len(paper.articles()) == 400
    result = paper.poll()
    assert (result.added, result.seen) == (50, 450)
    assert sorted(article.seq or 0 for article in paper.articles().values()) == list(range(1, 451))


def test_a_table(database: Database, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'cms.db'}")

    def do(statement: str) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)

    settings = Settings.model_validate(
        {
            "site": {"url": "https://courier.example", "timezone": "Europe/London"},
            "source": {
                "cms": {
                    "type": "database",
                    "url": "sqlite:///cms.db",
                    "table": "articles",
                    "cursor": "changed",
                    "columns": {
                        "id": "id",
                        "title": "headline",
                        "html": "body",
                        "url": "path",
                        "published_at": "day",
                        "tags": "tags",
                    },
                }
            },
        }
    )
    source = settings.source["cms"]
    assert source.type == "database"
    do("CREATE TABLE articles (id INTEGER PRIMARY KEY, headline, body, path, day, tags, changed)")
    do(
        "INSERT INTO articles VALUES (1, 'One', '<p>x <script>y</script></p>', '/one', '2026-07-01 12:00', '[\"a\",\"b\"]', 1)"
    )
    do("INSERT INTO articles VALUES (2, NULL, '', '/two', NULL, NULL, 2), (3, 'Three', '', '/three', 'soon', '', 3)")

    def poll(now: datetime) -> PollResult:
        return ingest(database, DatabaseReader("cms", source, tmp_path), settings, now)

    result = poll(NOW)
    assert (result.seen, result.added) == (3, 1)
    assert [problem.item for problem in result.problems] == ["2", "3"]
    with database.read() as session:
        (article,) = newest(session, Selection(), limit=5, now=NOW)
    assert article.content.html == "<p>x </p>"
    assert (article.url, article.content.tags) == ("https://courier.example/one", ("a", "b"))
    assert article.published_at == datetime(2026, 7, 1, 11, tzinfo=UTC)
    do("UPDATE articles SET headline = 'Two', changed = 4 WHERE id = 2")
    do("UPDATE articles SET headline = 'One!', changed = 5 WHERE id = 1")
    result = poll(NOW + MINUTE)
    assert (result.added, result.updated, len(result.problems)) == (1, 1, 1)
    do("DELETE FROM articles WHERE id = 1")
    assert poll(NOW + 30 * MINUTE).withdrawn == 0
    assert poll(NOW + 61 * MINUTE).withdrawn == 1
    engine.dispose()


def test_two_polls_of_one_source_at_once(paper: Paper) -> None:
    """As `syndicate poll` beside `syndicate run`: the second finds the first one's articles and makes none anew."""
    for number in range(30):
        paper.write(f"a{number}.md", f"Title {number}")
    source = paper.settings.source["stories"]
    assert source.type == "folder"

    class Overtaken(FolderReader):
        def read(self, known: Known, state: Any, now: datetime) -> Reading:
            reading = super().read(known, state, now)
            reading.pages = self._behind(reading.pages, paper.poll)
            return reading

        def _behind(self, pages: Iterator[list[SourceItem]], other: Callable[[], object]) -> Iterator[list[SourceItem]]:
            for page in pages:
                other()
                yield page

    result = ingest(paper.database, Overtaken("stories", source, paper.path), paper.settings, NOW)
    assert (result.added, result.updated, result.problems) == (0, 0, ())
    assert sorted(article.seq or 0 for article in paper.articles().values()) == list(range(1, 31))
