"""A paper with many readers for benchmarks: articles of some topics, subscriptions in so many combinations of these."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from syndicate.config import Settings
from syndicate.io.sources import Known, Reading
from syndicate.model import SourceItem
from syndicate.pipeline.ingest import ingest
from syndicate.store.columns import canonical_json
from syndicate.store.engine import Database

TOPICS = 20
ARTICLES = 60

_NUMBERS = "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :people)"
_SUBSCRIBERS = (
    "INSERT INTO subscribers (id, email, email_key, email_hash, domain, name, created_at) "
    f"{_NUMBERS} SELECT i, 'reader' || i || '@example.org', 'reader' || i || '@example.org', "
    "'JpmTFwvS0yhXb7BfMdQ2tKcGnZ5aL8rUeVoH1iYxW' || i, 'example.org', 'Reader ' || i, "
    ":now FROM numbers"
)
_SUBSCRIPTIONS = (
    "INSERT INTO subscriptions (subscriber_id, digest, state, frequency, topics, cursor, first, joined_seq, carry, "
    "created_at, confirmed_at) "
    f"{_NUMBERS} SELECT i, 'morning', 'confirmed', 'daily', c.topics, 0, false, 0, '[]', :now, :now "
    "FROM numbers JOIN combinations c ON c.number = i % :combinations"
)


def settings_for(url: str) -> Settings:
    """The paper with one digest."""
    return Settings.model_validate(
        {
            "site": {
                "title": "The Harbour Courier",
                "url": "https://courier.example",
                "postal_address": "1 Quay Street",
            },
            "service": {"database": url},
            "source": {"stories": {"type": "folder", "path": "articles"}},
            "digest": {"morning": {}},
            "delivery": {"from": "The Harbour Courier <news@courier.example>"},
        }
    )


class Stories:
    """A source without a disk: articles of a kilobyte, each of one topic, an hour apart."""

    name = "stories"

    def __init__(self, now: datetime) -> None:
        self._now = now

    def read(self, known: Known, state: Any, now: datetime) -> Reading:  # noqa: ARG002 - the protocol's
        page = [
            SourceItem(
                item=str(number),
                stamp="1",
                fields={
                    "id": str(number),
                    "title": f"What the tide brought to quay {number}",
                    "url": f"https://courier.example/{number}",
                    "category": f"topic {number % TOPICS}",
                    "date": self._now - timedelta(hours=number + 1),
                },
                body=f"<p>{'The crane and the ferry waited at the old quay. ' * 20}</p>",
            )
            for number in range(ARTICLES)
        ]
        return Reading(pages=iter([page]), seen=len(page), removed=frozenset())


def combinations(count: int) -> Sequence[str]:
    """So many choices of topics as they are kept, each another; the first is everything."""
    # The bits of the number, so that no two are alike; twenty topics are enough for a million.
    some = [{f"topic {bit}": 0 for bit in range(TOPICS) if number >> bit & 1} for number in range(1, count)]
    return [canonical_json(each) for each in ({"*": 0}, *some)]


def fill(
    database: Database, settings: Settings, people: int, combined: int, now: datetime, *, languages: bool = True
) -> None:
    """Write articles, readers and subscriptions; with ``languages`` every fifth reader has chosen one of three."""
    ingest(database, Stories(now), settings, now)
    with database.write() as session:
        connection = session.connection()
        connection.execute(text("CREATE TABLE combinations (number integer PRIMARY KEY, topics text)"))
        rows = [{"number": number, "topics": topics} for number, topics in enumerate(combinations(combined))]
        connection.execute(text("INSERT INTO combinations VALUES (:number, :topics)"), rows)
        values = {"people": people, "now": now.replace(tzinfo=None) if database.dialect == "sqlite" else now}
        connection.execute(text(_SUBSCRIBERS), values)
        connection.execute(text(_SUBSCRIPTIONS), values | {"combinations": combined})
        connection.execute(text("DROP TABLE combinations"))
        if languages:
            chosen = "CASE id % 15 WHEN 0 THEN 'de' WHEN 1 THEN 'fr' WHEN 2 THEN 'es' END"
            connection.execute(text(f"UPDATE subscribers SET language = {chosen}"))


def peak_mb() -> float:
    """The most memory that this process has had so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
