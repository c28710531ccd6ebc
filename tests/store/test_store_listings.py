"""Pages of long lists walk indexes: EXPLAIN on 100,000 rows says so, on both databases."""

from __future__ import annotations

from datetime import datetime

import pytest
from frozen_issue import frozen, subscribe
from sqlalchemy import text
from sqlmodel import Session

from syndicate.model import DeliveryState, SubscriptionState
from syndicate.store.engine import Database
from syndicate.store.listings import (
    articles_by_date,
    deliveries_of,
    deliveries_page,
    nameless_of,
    readers_of,
    rows_in,
    subscribers_page,
)

MANY = 100_000


def plan(session: Session, query: object) -> str:
    connection = session.connection()
    compiled = str(query.compile(connection.engine, compile_kwargs={"literal_binds": True}))  # type: ignore[attr-defined]
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        return "\n".join(row[-1] for row in found)
    return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {compiled}".replace("%", "%%")))


@pytest.fixture
def full(database: Database, now: datetime) -> Database:
    """One issue to 100,000 readers: most accepted, one in a thousand rejected."""
    with database.write() as session:
        for start in range(1, MANY, 20_000):
            subscribe(session, 20_000, now, start=start)
        frozen(session, now)
        session.connection().execute(text("UPDATE deliveries SET state = 'accepted'"))
        session.connection().execute(
            text("UPDATE deliveries SET state = 'rejected', reason = 'hard' WHERE subscriber_id % 1000 = 0")
        )
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    return database


def test_pages_walk_indexes(full: Database, now: datetime) -> None:
    with full.read() as session:
        issue = session.connection().scalar(text("SELECT max(id) FROM issues"))
        confirmed = SubscriptionState.CONFIRMED
        plans = {
            "ix_subscriptions_readers": plan(session, readers_of("morning", confirmed, 50, 70_000)),
            "uq_deliveries_issue_subscriber": plan(session, deliveries_of(issue, 50, None, 70_000)),
            "ix_deliveries_issue_state": plan(session, rows_in(issue, DeliveryState.REJECTED)),
        }
        accepted = plan(session, deliveries_of(issue, 50, DeliveryState.ACCEPTED, 70_000))
        nameless = plan(session, nameless_of(issue, 50, None, 0))
        articles = plan(session, articles_by_date(50, None, (now, 1)))
    for index, found in plans.items():
        # PostgreSQL may find another index as good; it must be one.
        assert index in found or "autoindex_deliveries" in found or "Index Scan" in found, found
        assert "Seq Scan" not in found, found
        assert "TEMP B-TREE" not in found, found  # nothing is sorted
        assert "Sort" not in found, found
    assert "SCAN deliveries" not in accepted, accepted
    assert "Seq Scan" not in accepted, accepted
    assert "Seq Scan" not in nameless, nameless
    if full.dialect == "sqlite":  # PostgreSQL reads an empty table as it lies
        assert "ix_articles_published" in articles, articles


def test_each_delivery_stands_on_one_page(full: Database) -> None:
    with full.read() as session:
        issue = session.connection().scalar(text("SELECT max(id) FROM issues"))
        for state, count in ((DeliveryState.REJECTED, 100), (DeliveryState.QUEUED, 0)):
            seen: list[int] = []
            after: tuple[str, int] | None = None
            while page := deliveries_page(session, issue, limit=30, after=after, state=state):
                seen += [each.subscriber_id or 0 for each in page]
                after = ("s", seen[-1])
            assert seen == sorted(set(seen))
            assert len(seen) == count
        last = deliveries_page(session, issue, limit=200, after=("s", MANY - 100), state=DeliveryState.ACCEPTED)
        assert len(last) == 99


def test_readers_of_a_digest_come_newest_first(full: Database) -> None:
    with full.read() as session:
        page = subscribers_page(session, limit=3, before=50_001, digest="morning", state=None)
        assert [each.id for each in page] == [50_000, 49_999, 49_998]
        assert subscribers_page(session, limit=3, before=None, digest="other", state=None) == []
