"""What publishing feeds costs: one new article, one changed article among many feeds, a large archive. Prints JSON.

Each figure stands beside a floor of the same run: the documents' writers and compressors alone, or the plain disk.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import brotli
from sqlalchemy import update
from sqlmodel import col

from syndicate.config import Settings
from syndicate.core.feeds import WRITERS, feed_document
from syndicate.pipeline.publish import publish
from syndicate.store.articles import by_ids
from syndicate.store.engine import Database
from syndicate.store.feed_entries import window_ids
from syndicate.store.schema import upgrade
from syndicate.store.tables import ArticleRow, ArticleTermRow, CounterRow

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
BODY = "".join(
    f"<p>The tide at the old quay was {number} feet, and the crane &amp; the ferry waited.</p>" for number in range(33)
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--feeds", type=int, default=1_000)
    parser.add_argument("--archive", type=int, default=10_000)
    parser.add_argument("--only", choices=["window", "many", "archive", "archive-child"])
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    if arguments.only == "archive-child":
        print(json.dumps(archive_child(arguments.archive)))
        return
    if arguments.only in {None, "window"}:
        found["one_new_article_window_of_50"] = window()
    if arguments.only in {None, "many"}:
        found["one_changed_article_among_many_feeds"] = many(arguments.articles, arguments.feeds)
    if arguments.only in {None, "archive"}:
        command = [sys.executable, __file__, "--only", "archive-child", "--archive", str(arguments.archive)]
        found["archive"] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    print(json.dumps(found, indent=1))


def settings(folder: Path, **feed: Any) -> Settings:
    """The paper with one feed."""
    told = {
        "base": folder,
        "site": {"title": "The Harbour Courier", "url": "https://courier.example", "publisher": "Harbour Media"},
        "service": {"public_url": "https://news.courier.example", "min_free_disk": 0},
        "feed": {"all": feed},
    }
    return Settings.model_validate(told)


def fill(database: Database, count: int, terms: int) -> None:
    """Articles of about 3 KB, dated a minute apart, each with one of ``terms`` categories."""
    with database.write() as session:
        connection = session.connection()
        for start in range(1, count + 1, 5000):
            rows = [row(number, count, terms) for number in range(start, min(start + 5000, count + 1))]
            connection.execute(ArticleRow.__table__.insert(), rows)  # type: ignore[attr-defined]
            connection.execute(
                ArticleTermRow.__table__.insert(),  # type: ignore[attr-defined]
                [
                    {
                        "article_id": each["id"],
                        "kind": "category",
                        "term": each["category"].casefold(),
                        "published_at": each["published_at"],
                    }
                    for each in rows
                ],
            )
        for name in ("article_seq", "article_revision"):
            connection.execute(update(CounterRow).where(col(CounterRow.name) == name).values(value=count))
    with database.write() as session:
        session.connection().exec_driver_sql("ANALYZE")


def row(number: int, count: int, terms: int) -> dict[str, Any]:
    """One article's row."""
    at = NOW - timedelta(minutes=count - number)
    return {
        "id": number, "uid": f"tag:courier.example,2026:stories/{number}", "source": "stories", "key": str(number),
        "seq": number, "revision": number, "version": 1, "content_hash": "h", "title": f"Story {number} of the port",
        "url": f"https://courier.example/{number}", "html": BODY, "summary": "What happened at the quay.",
        "authors": ["Ada Lock"], "category": f"Term {number % terms}", "tags": [], "published_at": at, "pinned": False,
        "kind": "article", "image_alt": "", "first_seen_at": at, "changed_at": at,
    }  # fmt: skip


def change(database: Database, number: int, now: datetime) -> None:
    """Another title and a new revision for one article, as ingest would write it."""
    with database.write() as session:
        connection = session.connection()
        revision = connection.exec_driver_sql(
            "UPDATE counters SET value = value + 1 WHERE name = 'article_revision' RETURNING value"
        ).scalar_one()
        table = ArticleRow.__table__  # type: ignore[attr-defined]
        connection.execute(
            table.update().where(table.c.id == number).values(title=f"Changed {now}", revision=revision, updated_at=now)
        )


def window() -> dict[str, Any]:
    """One changed article in a feed of 50 entries: three formats with twins. The floor: writers and compressors."""
    with prepared(2000, 20) as (database, folder):
        paper = settings(folder)
        publish(database, paper, NOW)
        samples, now = [], NOW
        for turn in range(12):
            now += timedelta(minutes=1)
            change(database, 2000 - turn, now)
            began = time.process_time()
            publish(database, paper, now, verify=False)
            samples.append(time.process_time() - began)
        with database.read() as session:
            ids = [id_ for id_, _ in window_ids(session, paper.feed["all"], None, limit=50, now=now)]
            articles = by_ids(session, ids).values()
        floors, sizes = [], {}
        for _ in range(12):
            began = time.process_time()
            document, _problems = feed_document(paper, "all", articles)
            for form, write in WRITERS.items():
                data = write(document)
                sizes[form.value] = len(data)
                gzip.compress(data, 9, mtime=0)
                brotli.compress(data, quality=5)
            floors.append(time.process_time() - began)
        return figures(samples, floors, limit_ms=25) | {"bytes": sizes}


def many(count: int, feeds: int) -> dict[str, Any]:
    """One changed article among many, in two feeds. The floor: fsync of as many files."""
    with prepared(count, feeds - 1) as (database, folder):
        paper = settings(folder, per=["category"])
        began = time.perf_counter()
        publish(database, paper, NOW)
        first = time.perf_counter() - began
        samples, cpu, idle, now = [], [], [], NOW
        for turn in range(12):
            now += timedelta(minutes=1)
            change(database, count - turn, now)
            began, cpu_began = time.perf_counter(), time.process_time()
            results = publish(database, paper, now, verify=False)
            samples.append(time.perf_counter() - began)
            cpu.append(time.process_time() - cpu_began)
            assert results[0].changed == 6, results
            began = time.perf_counter()
            publish(database, paper, now, verify=False)
            idle.append(time.perf_counter() - began)
        began = time.perf_counter()
        publish(database, paper, now)
        verified = time.perf_counter() - began
        floors = [synced(folder, 18) for _ in range(12)]
        return figures(samples, floors, limit_ms=150 + 2 * 25) | {
            "feeds": feeds,
            "articles": count,
            "cpu_ms": milliseconds(cpu),
            "idle_ms": milliseconds(idle),
            "look_at_all_files_ms": round(verified * 1000, 1),
            "first_build_s": round(first, 1),
        }


def archive_child(count: int) -> dict[str, Any]:
    """The first build of an archive, in a process of its own for its peak memory."""
    with prepared(count, 20) as (database, folder):
        paper = settings(folder, archive=True)
        feed_document(paper, "all", ())
        publish(database, settings(folder, max_items=1), NOW)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        (result,) = publish(database, paper, NOW + timedelta(minutes=1))
        return {
            "entries": count,
            "documents": result.documents,
            "seconds": round(time.perf_counter() - began, 1),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            "peak_growth_mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, 1),
            "limit_mb": 120,
        }


class prepared:  # noqa: N801 - used as a function
    """A database with articles in a folder that goes away."""

    def __init__(self, count: int, terms: int) -> None:
        self.count, self.terms = count, terms

    def __enter__(self) -> tuple[Database, Path]:
        self.folder = Path(tempfile.mkdtemp(prefix="syndicate-feeds-"))
        database = Database(f"sqlite:///{self.folder / 'bench.db'}")
        upgrade(database)
        fill(database, self.count, self.terms)
        return database, self.folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def synced(folder: Path, files: int) -> float:
    """Seconds to write so many files of 20 KB durably."""
    began = time.perf_counter()
    for number in range(files):
        path = folder / f"floor-{number}"
        with path.open("wb") as file:
            file.write(b"x" * 20_000)
            file.flush()
            os.fsync(file.fileno())
    return time.perf_counter() - began


def milliseconds(samples: list[float]) -> dict[str, float]:
    """The best and the middle one."""
    ordered = sorted(samples)
    return {"best": round(ordered[0] * 1000, 1), "median": round(ordered[len(ordered) // 2] * 1000, 1)}


def figures(samples: list[float], floors: list[float], *, limit_ms: float) -> dict[str, Any]:
    """A figure beside its floor and its limit."""
    return {
        "ms": milliseconds(samples),
        "floor_ms": milliseconds(floors),
        "ratio": round(sorted(samples)[len(samples) // 2] / sorted(floors)[len(floors) // 2], 2),
        "limit_ms": limit_ms,
    }


if __name__ == "__main__":
    main()
