"""Polling and first ingest, as JSON: milliseconds and articles a second, each beside a floor measured in the same run.

Run: .venv/bin/python benchmarks/ingest.py [--articles 100000] [--ingest 4000]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from syndicate.config import Settings
from syndicate.io.database import DatabaseReader
from syndicate.io.folder import FolderReader
from syndicate.pipeline.ingest import ingest
from syndicate.store.engine import Database
from syndicate.store.schema import upgrade

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
WORDS = (  # noqa: SIM905 - a text of words
    "harbour ferry tide lantern quay council island rope salt crane whale pilot winter shelter bell barley "
    "dredger gull net mast keel storm market bread notice school library swim tuba wall"
).split()


def paragraph(rnd: random.Random, words: int = 60) -> str:
    return " ".join(rnd.choice(WORDS) for _ in range(words)).capitalize() + "."


def html_body(rnd: random.Random) -> str:
    middle = f'<p>See the <a href="/port/tides">tables</a> and <em>{paragraph(rnd, 8)}</em></p>'
    return "\n".join([*(f"<p>{paragraph(rnd)}</p>" for _ in range(5)), middle, f"<p>{paragraph(rnd)}</p>"])


def markdown_body(rnd: random.Random) -> str:
    middle = f"See the [tables](/port/tides) and *{paragraph(rnd, 8)}*"
    return "\n\n".join([*(paragraph(rnd) for _ in range(5)), middle, paragraph(rnd)])


def make_table(path: Path, count: int, body: Callable[[random.Random], str]) -> None:
    rnd = random.Random(7)
    text = [body(rnd) for _ in range(200)]
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE articles (id INTEGER PRIMARY KEY, headline TEXT, url TEXT, body TEXT, standfirst TEXT,"
            " byline TEXT, section TEXT, published_at TEXT, updated_at TEXT)"
        )
        connection.execute("CREATE INDEX ix_updated ON articles (updated_at)")
        start = NOW - timedelta(minutes=count + 60)
        connection.executemany(
            "INSERT INTO articles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    number,
                    f"Headline {number}: {paragraph(rnd, 6)}",
                    f"https://courier.example/port/{number}",
                    text[number % 200],
                    paragraph(rnd, 15),
                    f"Writer {number % 40}",
                    ("port", "town", "culture", "sport")[number % 4],
                    (start + timedelta(minutes=number)).isoformat(" "),
                    (start + timedelta(minutes=number)).isoformat(" "),
                )
                for number in range(1, count + 1)
            ),
        )
    connection.close()


def make_folder(path: Path, count: int) -> None:
    rnd = random.Random(7)
    for number in range(1, count + 1):
        folder = path / f"{number // 1000:03}"
        folder.mkdir(parents=True, exist_ok=True)
        date = NOW - timedelta(minutes=count - number)
        (folder / f"a{number}.md").write_text(
            f"---\nid: a{number}\ntitle: Headline {number}\nurl: https://courier.example/port/{number}\n"
            f"author: Writer {number % 40}\ncategory: port\ntags: [ferry, tide]\ndate: {date.isoformat()}\n"
            f"summary: {paragraph(rnd, 12)}\n---\n{markdown_body(rnd)}\n"
        )


def readers(settings: Settings, folder: Path) -> tuple[DatabaseReader, FolderReader]:
    cms, stories = settings.source["cms"], settings.source["stories"]
    assert cms.type == "database"
    assert stories.type == "folder"
    return DatabaseReader("cms", cms), FolderReader("stories", stories, folder)


def settings(table: Path, folder: Path) -> Settings:
    columns = {
        "id": "id",
        "title": "headline",
        "url": "url",
        "html": "body",
        "summary": "standfirst",
        "author": "byline",
        "category": "section",
        "published_at": "published_at",
    }
    return Settings.model_validate(
        {
            "site": {"title": "The Harbour Courier", "url": "https://courier.example"},
            "source": {
                "cms": {
                    "type": "database",
                    "url": f"sqlite:///{table}",
                    "table": "articles",
                    "cursor": "updated_at",
                    "columns": columns,
                },
                "stories": {"type": "folder", "path": str(folder)},
            },
        }
    )


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def best(call: Callable[[], object], times: int = 5) -> float:
    return min(timed(call) for _ in range(times))


def floor_table(path: Path) -> None:
    """The least a poll could do: connect, ask the index whether anything is newer."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.execute(
        "SELECT * FROM articles WHERE updated_at > ?", ((NOW - timedelta(hours=1)).isoformat(" "),)
    ).fetchall()
    connection.close()


def floor_folder(path: Path) -> int:
    """The least a poll could do: list and stat."""
    count = 0
    for folder in os.scandir(path):
        for entry in os.scandir(folder.path):
            entry.stat()
            count += 1
    return count


def floor_insert(target: Path, table: Path, count: int) -> None:
    """The least an ingest could do: read the rows and insert them, 500 to a durable transaction."""
    source = sqlite3.connect(table)
    connection = sqlite3.connect(target)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, h TEXT, u TEXT UNIQUE, b TEXT, s TEXT, y TEXT, c TEXT, p TEXT, d TEXT)"
    )
    connection.execute("CREATE INDEX i ON a (p, id)")
    rows = source.execute("SELECT * FROM articles ORDER BY id LIMIT ?", (count,))
    while page := rows.fetchmany(500):
        with connection:
            connection.executemany("INSERT INTO a VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", page)
    connection.close()
    source.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=100_000, help="unchanged articles that are polled")
    parser.add_argument("--ingest", type=int, default=4_000, help="articles of the first ingest that is timed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="syndicate-bench-") as temporary:
        print(json.dumps(run(Path(temporary), arguments.articles, arguments.ingest), indent=2))


def run(home: Path, articles: int, some: int) -> dict[str, object]:
    def database(name: str) -> Database:
        opened = Database(f"sqlite:///{home / name}")
        upgrade(opened)
        return opened

    few, many = settings(home / "few.db", home / "few"), settings(home / "many.db", home / "many")
    make_table(home / "few.db", some, html_body)
    make_folder(home / "few", some)
    make_table(home / "many.db", articles, lambda _rnd: "<p>Short.</p>")
    make_folder(home / "many", articles)

    first = database("few-store.db")
    table, folder = readers(few, home / "few")
    table_seconds = timed(lambda: ingest(first, table, few, NOW))
    folder_seconds = timed(lambda: ingest(first, folder, few, NOW))
    first.close()
    insert_seconds = timed(lambda: floor_insert(home / "floor.db", home / "few.db", some))

    store = database("many-store.db")
    table_reader, folder_reader = readers(many, home / "many")
    taken = [ingest(store, table_reader, many, NOW), ingest(store, folder_reader, many, NOW)]
    assert all(result.added == articles and not result.error for result in taken), taken
    later = NOW + timedelta(minutes=6)  # within the hour: no full pass
    unchanged_table = best(lambda: ingest(store, table_reader, many, later))
    full_pass = timed(lambda: ingest(store, table_reader, many, NOW + timedelta(hours=2)))
    unchanged_folder = best(lambda: ingest(store, folder_reader, many, later))
    store.close()
    table_floor = best(lambda: floor_table(home / "many.db"))
    folder_floor = best(lambda: floor_folder(home / "many"))
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version},
        "mirror": "SQLite, full fsync",
        "unchanged_table": {
            "articles": articles,
            "ms": round(unchanged_table * 1000, 1),
            "floor_ms": round(table_floor * 1000, 2),
            "ratio": round(unchanged_table / table_floor, 1),
            "full_pass_ms": round(full_pass * 1000),
        },
        "unchanged_folder": {
            "articles": articles,
            "ms": round(unchanged_folder * 1000),
            "floor_ms": round(folder_floor * 1000),
            "ratio": round(unchanged_folder / folder_floor, 2),
        },
        "first_ingest": {
            "articles": some,
            "table_html_per_s": round(some / table_seconds),
            "folder_markdown_per_s": round(some / folder_seconds),
            "floor_per_s": round(some / insert_seconds),
            "table_to_floor": round(table_seconds / insert_seconds, 1),
            "folder_to_floor": round(folder_seconds / insert_seconds, 1),
        },
    }


if __name__ == "__main__":
    main()
