"""Any history of articles, settings and time leaves the files that building everything from nothing gives."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from syndicate.config import Settings
from syndicate.core.article.change import decide
from syndicate.core.article.identity import content_hash
from syndicate.model import ArticleContent
from syndicate.pipeline.publish import publish
from syndicate.store.articles import number_due
from syndicate.store.engine import Database
from syndicate.store.mirror import apply, mirrored, withdraw

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
KEYS = st.sampled_from([f"story-{number}" for number in range(14)])
SOURCES = st.sampled_from(["stories", "wire"])
FEEDS: list[dict[str, Any]] = [
    {"all": {"max_items": 4, "per": ["category", "tag"]}},
    {"all": {"max_items": 4, "per": ["category"], "archive": True, "formats": ["atom", "json"]}},
    {
        "all": {"max_items": 3, "max_age": "6h", "per": ["author", "source", "language"]},
        "port": {"categories": ["Port"]},
    },
    {
        "all": {"max_items": 5, "max_size": 10_000, "archive": True},
        "port": {"tags": ["quay"], "per": ["tag"], "per_min": 2},
    },
]


class History(RuleBasedStateMachine):
    """A paper whose articles come, change, go, expire and come back, and whose feeds are published now and then."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.now = START
        self.feeds = FEEDS[0]
        self.stale = True
        with self.database.write() as session:
            for table in ("feed_entries", "feed_documents", "feeds", "article_terms", "article_versions", "articles"):
                session.connection().execute(text(f"DELETE FROM {table}"))  # noqa: S608 - our own names

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def configured(self, folder: str) -> Settings:
        told = {
            "base": self.folder,
            "site": {"title": "The Harbour Courier", "url": "https://courier.example"},
            "service": {"public_url": "https://news.courier.example", "min_free_disk": 0, "feeds_dir": folder},
            "feed": self.feeds,
        }
        return Settings.model_validate(told)

    @initialize(number=st.integers(0, len(FEEDS) - 1))
    def begin(self, number: int) -> None:
        self.feeds = FEEDS[number]

    @rule(
        source=SOURCES,
        key=KEYS,
        hours=st.integers(-3, 30),
        category=st.sampled_from([None, "Port", "Town"]),
        tags=st.sets(st.sampled_from(["quay", "Tide", "fish"])),
        author=st.sampled_from(["Ada Lock", "Bo Quay"]),
        language=st.sampled_from([None, "en", "en-GB", "de"]),
        expires=st.none() | st.integers(1, 8),
        size=st.sampled_from([10, 3000, 20_000]),
    )
    def put(self, source: str, key: str, hours: int, expires: int | None, size: int, **given: Any) -> None:
        content = ArticleContent(
            key=key,
            title=f"{key} {hours}",
            html=f"<p>{'x' * size}</p>",
            summary="Short.",
            category=given["category"],
            tags=tuple(sorted(given["tags"])),
            authors=(given["author"],),
            language=given["language"],
            published_at=self.now - timedelta(hours=hours),
            expires_at=self.now + timedelta(hours=expires) if expires else None,
        )
        with self.database.write() as session:
            known = mirrored(session, source, [key]).get(key)
            before, hash_before = (known.article, known.content_hash) if known else (None, None)
            change = decide(before, hash_before, content, content_hash(content), self.now)
            if change:
                apply(session, source, [change], authority="courier.example,2026", now=self.now)
        self.stale = True

    @rule(source=SOURCES, key=KEYS)
    def withdraw(self, source: str, key: str) -> None:
        with self.database.write() as session:
            withdraw(session, source, [key], now=self.now)
        self.stale = True

    @rule(hours=st.integers(1, 7))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        with self.database.write() as session:
            number_due(session, self.now)
        self.stale = True

    @rule(number=st.integers(0, len(FEEDS) - 1))
    def configure(self, number: int) -> None:
        self.feeds = FEEDS[number]
        self.stale = True

    @rule(verify=st.booleans())
    def publish(self, verify: bool) -> None:
        results = publish(self.database, self.configured("feeds"), self.now, verify=verify)
        assert [result.error for result in results if result.error] == []
        self.stale = False

    @invariant()
    def files_are_what_everything_from_nothing_gives(self) -> None:
        if self.stale:
            return
        self.stale = True
        with self.everything_forgotten():
            publish(self.database, self.configured("fresh"), self.now)
            expected = files(self.folder / "fresh")
        shutil.rmtree(self.folder / "fresh")
        assert files(self.folder / "feeds") == expected
        self.windows_are_right()

    @contextmanager
    def everything_forgotten(self) -> Iterator[None]:
        """What stays: names once given, and which page of the archive holds what. All else is as if never built."""
        with self.database.write() as session:
            connection = session.connection()
            kept = {
                table: [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]  # noqa: S608
                for table in ("feeds", "feed_documents", "feed_entries")
            }
            connection.execute(text("DELETE FROM feed_documents"))
            connection.execute(text("DELETE FROM feed_entries WHERE page IS NULL OR page = 0"))
            connection.execute(
                text("UPDATE feeds SET revision = -1, settings_hash = '', oldest_at = NULL, due_at = NULL, entries = 0")
            )
        yield
        with self.database.write() as session:
            connection = session.connection()
            for table in ("feed_entries", "feed_documents", "feeds"):
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
            for table, rows in kept.items():
                for row in rows:
                    names = ", ".join(row)
                    values = ", ".join(f":{name}" for name in row)
                    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)  # noqa: S608

    def windows_are_right(self) -> None:
        """An independent look: the newest published articles, by plain Python."""
        with self.database.read() as session:
            rows = (
                session.connection()
                .execute(
                    text(
                        "SELECT uid, published_at, expires_at, category, id FROM articles"
                        " WHERE seq IS NOT NULL AND withdrawn_at IS NULL ORDER BY published_at DESC, id DESC"
                    )
                )
                .all()
            )
        newest = [row.uid for row in rows if row.expires_at is None or moment(row.expires_at) > self.now]
        shown = [item["id"] for item in json.loads((self.folder / "feeds/all/feed.json").read_text())["items"]]
        first = self.feeds["all"]["max_items"]
        if "max_size" not in self.feeds["all"]:
            assert [uid for uid in shown if uid in newest[:first]] == sorted(newest[:first], key=shown.index)
        assert set(shown) <= set(newest)
        if self.feeds["all"].get("archive"):  # nothing is lost: the window and the pages hold all there is
            for page in (self.folder / "feeds/all/archive").glob("*/feed.json"):
                shown += [item["id"] for item in json.loads(page.read_text())["items"]]
            assert set(shown) == set(newest)


def moment(value: Any) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def files(folder: Path) -> dict[str, bytes]:
    """Every published file but the twins' and their own bytes' sizes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".syndicate.lock"
    }


@pytest.mark.hypothesis
def test_any_history_leaves_what_building_from_nothing_gives(database: Database) -> None:
    class OnThisDatabase(History):
        pass

    OnThisDatabase.database = database
    few = settings(
        max_examples=settings().max_examples // (4 if database.dialect == "sqlite" else 10),
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(OnThisDatabase, settings=few)
