"""How long it takes to compose an issue for 100,000 subscribers, against a bare INSERT of as many rows in the same run.

python benchmarks/compose.py [SUBSCRIBERS] [DATABASE_URL]
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, text

from syndicate.config import Settings
from syndicate.core.addresses import hash_address, parse_address
from syndicate.io.folder import FolderReader
from syndicate.io.keys import load_keyring
from syndicate.io.templates import read_templates
from syndicate.pipeline.compose import EditionRenderer, compose
from syndicate.pipeline.ingest import ingest
from syndicate.shipped import shipped
from syndicate.store.engine import Database
from syndicate.store.schema import upgrade
from syndicate.store.tables import SubscriberRow, SubscriptionRow

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def settings_for(url: str) -> Settings:
    return Settings.model_validate(
        {
            "site": {
                "title": "The Harbour Courier",
                "url": "https://courier.example",
                "postal_address": "1 Quay Street",
            },
            "service": {"database": url},
            "source": {"stories": {"type": "folder", "path": str(shipped("examples") / "articles")}},
            "digest": {"morning": {"topics": ["port", "news", "culture", "sport", "opinion"]}},
            "delivery": {"from": "The Harbour Courier <news@courier.example>"},
        }
    )


def fill(database: Database, keyring: object, people: int) -> None:
    hash_key = keyring.hash_key  # type: ignore[attr-defined]
    topics = [{"*": 0}, {"port": 0}, {"news": 0, "sport": 0}, {"culture": 0}]
    for start in range(0, people, 10_000):
        numbers = range(start, min(start + 10_000, people))
        with database.write() as session:
            addresses = [parse_address(f"reader{number}@example.org") for number in numbers]
            session.execute(
                insert(SubscriberRow),
                [
                    {
                        "id": number + 1,
                        "email": address.email,
                        "email_key": address.key,
                        "email_hash": hash_address(address.key, hash_key),
                        "domain": address.domain,
                        "name": f"Reader {number}",
                        "created_at": NOW,
                    }
                    for number, address in zip(numbers, addresses, strict=True)
                ],
            )
            session.execute(
                insert(SubscriptionRow),
                [
                    {
                        "subscriber_id": number + 1,
                        "digest": "morning",
                        "state": "confirmed",
                        "frequency": "daily",
                        "topics": topics[number % 4],
                        "cursor": 0,
                        "first": True,
                        "carry": [],
                        "created_at": NOW,
                        "confirmed_at": NOW,
                    }
                    for number in numbers
                ],
            )


def bare_insert(database: Database) -> float:
    """The floor: the same number of rows of the same width, from one SELECT into a table with the same two indexes."""
    with database.write() as session:
        session.execute(
            text(
                "CREATE TABLE floor"
                " (id INTEGER PRIMARY KEY, issue_id INTEGER, subscriber_id INTEGER, state TEXT, due_at TEXT)"
            )
        )
        session.execute(text("CREATE UNIQUE INDEX floor_one ON floor (issue_id, subscriber_id)"))
        session.execute(text("CREATE INDEX floor_two ON floor (issue_id, state, due_at)"))
        began = time.perf_counter()
        session.execute(
            text(
                "INSERT INTO floor (id, issue_id, subscriber_id, state, due_at)"
                " SELECT id, 1, id, 'queued', '2026-11-20 08:00:00' FROM subscribers"
            )
        )
        took = time.perf_counter() - began
        session.execute(text("DROP TABLE floor"))
    return took


def main() -> None:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/subscribers.db"
        settings = settings_for(url)
        database = Database(url)
        upgrade(database)
        keyring = load_keyring(Path(folder) / "secret.key")
        fill(database, keyring, people)
        source = settings.source["stories"]
        ingest(database, FolderReader("stories", source, shipped("examples") / "articles"), settings, NOW)  # type: ignore[arg-type]
        renderer = EditionRenderer(settings, read_templates([shipped("templates")]), keyring)
        began, cpu = time.perf_counter(), time.process_time()
        issue = compose(database, renderer, "morning", period="daily/2026-11-20", frequencies=["daily"], now=NOW)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert issue is not None
        assert issue.recipients == people, issue
        renderer = EditionRenderer(settings, read_templates([shipped("templates")]), keyring)
        empty = time.perf_counter()
        compose(
            database, renderer, "morning", period="daily/2026-11-21", frequencies=["daily"], now=NOW + timedelta(days=1)
        )
        empty = time.perf_counter() - empty
        floor = bare_insert(database)
        print(
            json.dumps(
                {
                    "benchmark": "compose",
                    "database": database.dialect,
                    "subscribers": people,
                    "editions": issue.editions,
                    "seconds": round(took, 3),
                    "cpu_seconds": round(cpu, 3),
                    "seconds_when_nothing_is_new": round(empty, 3),
                    "bare_insert_seconds": round(floor, 3),
                    "ratio_to_bare_insert": round(took / floor, 1),
                    "target_seconds_at_100000": 5,
                    "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                    "machine": f"{platform.machine()}, Python {platform.python_version()}",
                },
                indent=2,
            )
        )
        database.close()


if __name__ == "__main__":
    main()
