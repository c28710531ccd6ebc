from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from syndicate.config.sources import DatabaseSource
from syndicate.errors import SourceError
from syndicate.io.database import DatabaseReader
from syndicate.io.sources import Known, Reading
from syndicate.model import SourceItem

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COLUMNS = {"id": "id", "title": "headline", "html": "body", "published_at": "published_at"}


class Desk:
    """Somebody else's database, our reader of it, and what is known after each reading."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.url = url
        self.engine: Engine = create_engine(url)
        self.known: dict[str, str] = {}
        self.state: Any = {}
        given = {"type": "database", "url": url, "columns": COLUMNS, **settings}
        if "query" not in given:
            given.setdefault("table", "articles")
        self.reader = DatabaseReader("cms", DatabaseSource.model_validate(given))

    def do(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def make(self) -> None:
        kind = "TIMESTAMP WITH TIME ZONE" if self.engine.dialect.name == "postgresql" else "DATETIME"
        self.do(
            f"CREATE TABLE articles (id INTEGER, headline VARCHAR(200), body TEXT, published_at {kind}, updated_at {kind})"
        )

    def add(self, id_: int | None, at: datetime | None = NOW - 60 * MINUTE, title: str = "T") -> None:
        with self.engine.begin() as connection:
            connection.execute(*self.insert(id_, at, title))

    def insert(self, id_: int | None, at: datetime | None, title: str = "T") -> Any:
        statement = text("INSERT INTO articles VALUES (:id, :title, '<p>x</p>', :at, :at)")
        value = at if at is None or self.engine.dialect.name == "postgresql" else at.isoformat(" ")
        return statement, {"id": id_, "title": title, "at": value}

    def edit(self, id_: int, at: datetime, title: str) -> None:
        value = at if self.engine.dialect.name == "postgresql" else at.isoformat(" ")
        with self.engine.begin() as connection:
            connection.execute(
                text("UPDATE articles SET headline = :title, updated_at = :at WHERE id = :id"),
                {"id": id_, "title": title, "at": value},
            )

    def read(self, now: datetime = NOW) -> tuple[dict[str, SourceItem], Reading]:
        known = Known(
            all=lambda: dict(self.known),
            some=lambda items: {item: self.known[item] for item in items if item in self.known},
        )
        reading = self.reader.read(known, json.loads(json.dumps(self.state)), now)
        items: dict[str, SourceItem] = {}
        for page in reading.pages:
            for item in page:
                items[item.item] = item
                self.known[item.item] = item.stamp
        for gone in reading.removed or ():
            del self.known[gone]
        self.state = reading.state
        return items, reading


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cms.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
def desk(address: str) -> Iterator[Desk]:
    desk = Desk(address, cursor="updated_at")
    desk.make()
    yield desk
    desk.engine.dispose()


@pytest.fixture
def plain(address: str) -> Iterator[Desk]:
    """Without a cursor."""
    desk = Desk(address)
    desk.make()
    yield desk
    desk.engine.dispose()


def test_rows_become_items(desk: Desk) -> None:
    desk.add(7)
    items, reading = desk.read()
    assert items["7"].fields["title"] == "T"
    assert items["7"].fields["id"] == 7
    assert (items["7"].body, items["7"].format, items["7"].error) == ("<p>x</p>", "html", None)
    assert (reading.seen, reading.removed) == (1, frozenset())
    assert desk.read(NOW + MINUTE)[0] == {}


def test_many_pages_in_order_and_only_what_changed(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        for number in range(1, 1203):
            connection.execute(*desk.insert(number, NOW - (2000 - number) * MINUTE))
    items, reading = desk.read()
    assert list(items) == [str(number) for number in range(1, 1203)]
    assert reading.seen == 1202
    desk.edit(600, NOW, "Edited")
    items, reading = desk.read(NOW + MINUTE)
    assert {item: found.fields["title"] for item, found in items.items()} == {"600": "Edited"}
    assert reading.seen < 1202
    assert reading.removed is None


def test_a_table_that_somebody_locks_is_a_fault_and_not_a_wait(empty_postgres_url: str) -> None:
    desk = Desk(empty_postgres_url, cursor="updated_at", timeout="1s")
    desk.make()
    desk.add(7)
    with desk.engine.begin() as other:
        other.execute(text("LOCK TABLE articles IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(SourceError, match="statement timeout"):
            desk.read()
    assert list(desk.read()[0]) == ["7"]
    desk.engine.dispose()


def test_without_a_cursor_every_poll_reads_all(plain: Desk) -> None:
    for number in range(1, 4):
        plain.add(number)
    assert plain.read()[0].keys() == {"1", "2", "3"}
    plain.edit(2, NOW, "Edited")
    plain.do("DELETE FROM articles WHERE id = 3")
    items, reading = plain.read(NOW + MINUTE)
    assert items.keys() == {"2"}
    assert (reading.seen, reading.removed) == (2, frozenset({"3"}))


def test_a_transaction_that_commits_late_is_not_missed(desk: Desk) -> None:
    """Somebody's transaction takes its time, others commit before it, and we poll in between."""
    desk.add(1, NOW - 600 * MINUTE)
    desk.read()
    if desk.engine.dialect.name == "sqlite":
        # SQLite has one writer at a time: the late row is prepared elsewhere and written with its old time.
        desk.add(3, NOW + 2 * MINUTE)
        assert desk.read(NOW + 3 * MINUTE)[0].keys() == {"3"}
        desk.add(2, NOW + MINUTE)
    else:
        with desk.engine.connect() as slow:
            slow.execute(*desk.insert(2, NOW + MINUTE))
            desk.add(3, NOW + 2 * MINUTE)
            assert desk.read(NOW + 3 * MINUTE)[0].keys() == {"3"}
            slow.commit()
    assert desk.read(NOW + 5 * MINUTE)[0].keys() == {"2"}


def test_what_came_even_later_is_found_by_the_full_pass(desk: Desk) -> None:
    desk.add(1, NOW - 600 * MINUTE, "One")
    desk.add(2, NOW - 500 * MINUTE, "Two")
    desk.read()
    for minute in (6, 12):
        assert desk.read(NOW + minute * MINUTE)[0] == {}
    desk.add(3, NOW - 550 * MINUTE, "Back-dated")
    desk.edit(1, NOW - 599 * MINUTE, "Edited with an old time")
    desk.do("DELETE FROM articles WHERE id = 2")
    assert desk.read(NOW + 18 * MINUTE)[0] == {}
    items, reading = desk.read(NOW + 61 * MINUTE)
    assert items.keys() == {"1", "3"}
    assert reading.removed == frozenset({"2"})
    items, reading = desk.read(NOW + 62 * MINUTE)
    assert (items, reading.removed) == ({}, None)


def test_rows_without_a_cursor_value_are_read_by_the_full_pass(desk: Desk) -> None:
    desk.add(1)
    desk.add(2, None)
    assert desk.read()[0].keys() == {"1", "2"}
    desk.do("UPDATE articles SET headline = 'Edited' WHERE id = 2")
    assert desk.read(NOW + MINUTE)[0] == {}
    assert desk.read(NOW + 60 * MINUTE)[0].keys() == {"2"}


def test_a_bulk_import_with_one_time_is_not_read_for_ever(desk: Desk) -> None:
    desk.add(1, NOW - 60 * MINUTE)
    desk.do(
        *(
            f"INSERT INTO articles SELECT id + {step}, headline, body, published_at, updated_at FROM articles"  # noqa: S608 - a number of ours
            for step in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
        )
    )
    assert desk.read()[1].seen == 1024
    desk.read(NOW + 6 * MINUTE)
    assert desk.read(NOW + 12 * MINUTE)[1].seen == 0
    desk.add(2000, NOW + 10 * MINUTE)
    assert desk.read(NOW + 13 * MINUTE)[0].keys() == {"2000"}


def test_a_cursor_of_dates_sees_what_the_day_still_brings(address: str) -> None:
    desk = Desk(address, cursor="updated_at")
    desk.do("CREATE TABLE articles (id INTEGER, headline VARCHAR(200), body TEXT, published_at DATE, updated_at DATE)")
    desk.do("INSERT INTO articles VALUES (1, 'One', '', '2026-11-22', '2026-11-22')")
    assert desk.read()[0].keys() == {"1"}
    for minute in (6, 12):
        assert desk.read(NOW + minute * MINUTE)[0] == {}
    desk.do("INSERT INTO articles VALUES (2, 'Two', '', '2026-11-22', '2026-11-22')")
    assert desk.read(NOW + 18 * MINUTE)[0].keys() == {"2"}
    desk.engine.dispose()


@pytest.mark.parametrize("cursor", ["updated_at", None])
def test_rows_without_id_and_with_a_taken_one_are_told(address: str, cursor: str | None) -> None:
    desk = Desk(address, cursor=cursor)
    desk.make()
    desk.add(1, NOW - 60 * MINUTE, "First")
    desk.add(1, NOW - 50 * MINUTE, "Second")
    desk.add(None, NOW - 40 * MINUTE)
    items, _ = desk.read()
    assert items["1"].fields["title"] == "First"
    assert items["1 (second row)"].error == "a second row has the id '1': 'Second'; the first, 'First', counts"
    assert items["(no id)"].error == "1 rows have no id and cannot be taken"
    for minute in (1, 6, 12, 61, 70, 140):
        items, reading = desk.read(NOW + minute * MINUTE)
        assert items == {}
        assert not reading.removed
    desk.do("DELETE FROM articles WHERE headline = 'Second' OR id IS NULL")
    assert desk.read(NOW + 210 * MINUTE)[1].removed == frozenset({"1 (second row)", "(no id)"})
    desk.engine.dispose()


def test_which_of_two_like_rows_counts_does_not_hang_on_their_order(tmp_path: Path) -> None:
    counted = set()
    for number, titles in enumerate((("One", "Two"), ("Two", "One"))):
        desk = Desk(f"sqlite:///{tmp_path / f'{number}.db'}", cursor="updated_at")
        desk.make()
        for title in titles:
            desk.add(1, NOW - 60 * MINUTE, title)
        counted.add(desk.read()[0]["1"].fields["title"])
        desk.engine.dispose()
    assert len(counted) == 1


def test_a_row_dated_far_ahead_is_named_and_does_not_end_the_reading(desk: Desk) -> None:
    desk.add(1)
    desk.add(2, datetime(2099, 1, 1, tzinfo=UTC))
    warning = desk.read()[1].warnings[0]
    assert (warning.item, "updated_at lies in the future: 2099-01-01" in warning.error) == ("2", True)
    for minute in (6, 12, 18):
        assert desk.read(NOW + minute * MINUTE)[0] == {}
        new = 10 + minute
        desk.add(new, NOW + minute * MINUTE)
        items, reading = desk.read(NOW + (minute + 1) * MINUTE)
        assert items.keys() == {str(new)}
        assert [each.item for each in reading.warnings] == ["2"]


def test_an_emptied_table_is_believed_at_the_second_full_pass(desk: Desk) -> None:
    desk.add(1)
    desk.read()
    desk.do("DELETE FROM articles")
    items, reading = desk.read(NOW + 60 * MINUTE)
    assert "the table is empty" in (items["(empty)"].error or "")
    assert reading.removed is None
    assert desk.read(NOW + 120 * MINUTE)[1].removed == frozenset({"1", "(empty)"})


def test_a_table_that_is_filled_anew_in_time_loses_nothing(desk: Desk) -> None:
    desk.add(1)
    desk.read()
    desk.do("DELETE FROM articles")
    desk.read(NOW + 60 * MINUTE)
    desk.add(1)
    items, reading = desk.read(NOW + 120 * MINUTE)
    assert (items, reading.removed) == ({}, frozenset({"(empty)"}))


def test_a_query(address: str) -> None:
    desk = Desk(
        address, cursor="updated_at", query="SELECT *, '12:30 50% :x' AS odd FROM articles WHERE headline LIKE 'T%'; "
    )
    desk.make()
    desk.add(1)
    desk.add(2, title="Other")
    assert desk.read()[0].keys() == {"1"}
    desk.add(3, NOW)
    assert desk.read(NOW + MINUTE)[0].keys() == {"3"}
    desk.engine.dispose()


def test_a_changed_column_map_reads_all_anew(desk: Desk) -> None:
    desk.add(1)
    desk.read()
    desk.reader = DatabaseReader(
        "cms",
        DatabaseSource.model_validate(
            {
                "type": "database",
                "url": desk.url,
                "table": "articles",
                "cursor": "updated_at",
                "columns": COLUMNS | {"summary": "headline"},
            }
        ),
    )
    items, _ = desk.read(NOW + MINUTE)
    assert items["1"].fields["summary"] == "T"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"table": "artcles"}, "there is no table 'artcles'; did you mean 'articles'"),
        ({"table": "nothing.like.it"}, "nothing.like"),
        (
            {"columns": COLUMNS | {"summary": "standfrst"}},
            r"no column 'standfrst' \(for summary\); there is: body, headline",
        ),
        ({"columns": COLUMNS | {"summary": "heading"}}, "no column 'heading'.*did you mean 'headline'"),
        ({"cursor": "update_at"}, r"no column 'update_at' \(for cursor\); did you mean 'updated_at'"),
        ({"query": "SELECT id, headline FROM nowhere"}, "nowhere"),
        ({"query": "SELEC 1"}, "syntax error"),
        ({"query": "DELETE FROM articles RETURNING *"}, "syntax error"),
    ],
)
def test_what_is_not_there_is_named(address: str, settings: dict[str, Any], message: str) -> None:
    desk = Desk(address, **settings)
    desk.make()
    desk.add(1)
    with pytest.raises(SourceError, match=message) as caught:
        desk.read()
    assert "\n" not in str(caught.value)
    with desk.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM articles")).scalar_one() == 1
    desk.engine.dispose()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///nowhere/cms.db", "there is no file .*/nowhere/cms.db"),
        ("sqlite://", "in memory"),
        ("mysql://reader:secret@127.0.0.1/cms", "the driver MySQLdb is not installed: pip install mysqlclient"),
        ("oracle://reader:secret@127.0.0.1/cms", "is not installed: pip install"),
        ("duckdb:///x", "SQLAlchemy knows no database 'duckdb'"),
        (
            "postgresql://reader:secret@127.0.0.1:1/cms?connect_timeout=3",
            r"postgresql://reader:\*\*\*@127.0.0.1:1/cms: ",
        ),
    ],
)
def test_what_cannot_be_reached_is_named_without_its_password(url: str, message: str, tmp_path: Path) -> None:
    settings = DatabaseSource.model_validate({"type": "database", "url": url, "table": "articles", "columns": COLUMNS})
    reading = DatabaseReader("cms", settings, tmp_path).read(Known(all=dict, some=lambda _: {}), {}, NOW)
    with pytest.raises(SourceError, match=message) as caught:
        list(reading.pages)
    assert "secret" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_relative_file_starts_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "data 100%").mkdir()
    desk = Desk(f"sqlite:///{tmp_path}/data 100%/cms?.db")
    desk.make()
    desk.add(1)
    settings = desk.reader.settings.model_copy(update={"url": "sqlite:///data 100%/cms?.db"})
    reading = DatabaseReader("cms", settings, tmp_path).read(Known(all=dict, some=lambda _: {}), {}, NOW)
    assert [item.item for page in reading.pages for item in page] == ["1"]
    desk.engine.dispose()


def test_one_odd_row_is_its_own_problem_only(address: str) -> None:
    desk = Desk(address, cursor="updated_at")
    desk.make()
    desk.add(1)
    if desk.engine.dialect.name == "postgresql":
        desk.do("INSERT INTO articles VALUES (2, 'T', '', 'infinity', now()), (3, 'T', '', '20000-01-01', now())")
        assert desk.read()[0]["2"].fields["published_at"] == "infinity"
    else:
        desk.do(
            "INSERT INTO articles VALUES (2, 'T', x'ff', '0000-00-00', '2026-11-22'), ('three', x'00', 7, 1e300, '2026-11-22')"
        )
        items, _ = desk.read()
        assert "no UTF-8" in (items["2"].error or "")
        assert items["three"].body == "7"
    assert desk.read(NOW + MINUTE)[0] == {}
    desk.engine.dispose()


def test_a_cursor_that_is_no_order_is_refused(empty_postgres_url: str) -> None:
    desk = Desk(empty_postgres_url, cursor="steps", columns={"id": "id", "title": "headline"})
    desk.do(
        "CREATE TABLE articles (id INTEGER, headline TEXT, steps INTEGER[])",
        "INSERT INTO articles VALUES (1, 'T', '{1}')",
    )
    with pytest.raises(SourceError, match="column 'steps' cannot be a cursor"):
        desk.read()
    desk.engine.dispose()
