"""Searches of the console walk indexes whatever the number of rows: EXPLAIN on 100,000 says so, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from frozen_issue import frozen, subscribe
from sqlalchemy import text
from sqlmodel import Session

from syndicate.model import DeliveryState
from syndicate.store import ledger_search
from syndicate.store.console import addressed, named, people_like, people_named
from syndicate.store.engine import Database
from syndicate.store.growth import growth
from syndicate.store.ledger_search import SPAN, LedgerPage, Place, Wanted, nameless_after, readers_between, search

MANY = 100_000


def plan(session: Session, query: object) -> str:
    connection = session.connection()
    compiled = str(query.compile(connection.engine, compile_kwargs={"literal_binds": True}))  # type: ignore[attr-defined]
    if connection.dialect.name == "sqlite":
        return "\n".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
    return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {compiled}".replace("%", "%%")))


@pytest.fixture
def full(database: Database, now: datetime) -> Database:
    """One issue to 100,000 readers with names: most accepted, 40 rejected in two ways, ten of them erased."""
    with database.write() as session:
        for start in range(1, MANY, 20_000):
            subscribe(session, 20_000, now, start=start)
        frozen(session, now)
        for statement in (
            "UPDATE subscribers SET name = 'Ann ' || id, name_key = 'ann ' || id",
            "UPDATE deliveries SET state = 'accepted', relay = 'mx1', reply_code = 250",
            "UPDATE deliveries SET state = 'rejected', reply_code = 550 WHERE subscriber_id % 2500 = 0",
            "UPDATE deliveries SET relay = 'mx2' WHERE subscriber_id % 5000 = 0 OR subscriber_id = 99999",
            "DELETE FROM subscribers WHERE id % 10000 = 0",
        ):
            session.connection().execute(text(statement))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    return database


def pages(session: Session, issue: int, wanted: Wanted, limit: int = 50) -> list[LedgerPage]:
    found: list[LedgerPage] = []
    after: Place | None = None
    while True:
        page = search(session, issue, wanted, limit=limit, after=after)
        found.append(page)
        assert len(page.lines) <= limit
        if page.next is None:
            return found
        assert page.next != after
        after = page.next


def test_searches_walk_indexes_and_find_each_row_once(full: Database) -> None:
    with full.read() as session:
        issue = session.connection().scalar(text("SELECT max(id) FROM issues"))
        for query in (
            addressed("r99", 51),
            addressed("r", 51, "r5@example.org"),
            named("ann 7", 51),
            named("ann", 51, ("ann 50", 50)),
            readers_between(issue, 50_000),
            nameless_after(issue, 0),
        ):
            found = plan(session, query)
            assert "SCAN" not in found, found
            assert "Seq Scan" not in found, found
        for what in (Wanted(state=DeliveryState.ACCEPTED), Wanted(relay="mx2"), Wanted(code=599)):
            table = ledger_search._DELIVERIES.c
            span = (table.issue_id == issue, table.subscriber_id > 50_000, table.subscriber_id <= 50_000 + SPAN)
            found = plan(session, ledger_search._wanted(span, what).order_by(table.subscriber_id).limit(51))
            assert "SCAN deliveries" not in found, found
            assert "Seq Scan on deliveries" not in found, found

        rejected = pages(session, issue, Wanted(state=DeliveryState.REJECTED), limit=7)
        lines = [line for page in rejected for line in page.lines]
        assert len({line.id for line in lines}) == len(lines) == 40
        assert sum(line.email is None for line in lines) == 10
        assert not any(page.cut for page in rejected)

        slow = pages(session, issue, Wanted(relay="mx2"))
        lines = [line for page in slow for line in page.lines]
        assert len({line.id for line in lines}) == len(lines) == 21
        assert {line.subscriber_id for line in lines if line.subscriber_id} == {*range(5000, MANY, 10_000), 99_999}
        assert len(slow) >= MANY // SPAN
        assert slow[0].cut

        accepted = search(session, issue, Wanted(state=DeliveryState.ACCEPTED, relay="mx1", code=250), limit=50)
        assert [line.subscriber_id for line in accepted.lines] == list(range(1, 51))
        assert accepted.next == ("s", 50)
        one = search(session, issue, Wanted(email_key="r77@example.org"), limit=50)
        assert [line.subscriber_id for line in one.lines] == [77]
        assert search(session, issue, Wanted(email_key="r77@example.org", code=550), limit=50).lines == []

        assert {each.id for each in people_like(session, "r9999", limit=50)} == {9999, *range(99_990, 100_000)}
        assert {each.id for each, _ in people_named(session, "ANN 7777", limit=50)} == {7777, *range(77_770, 77_780)}


def test_growth_goes_back_from_what_there_is(database: Database, now: datetime) -> None:
    with database.write() as session:
        subscribe(session, 6, now)
        for number, days in ((1, 0), (2, 0), (3, 1), (4, 40), (5, 2)):
            session.connection().execute(
                text("UPDATE subscriptions SET confirmed_at = :at WHERE subscriber_id = :n").bindparams(
                    n=number, at=_moment(database, now - timedelta(days=days))
                )
            )
        session.connection().execute(
            text(
                "UPDATE subscriptions SET state = 'unsubscribed', unsubscribed_at = :at WHERE subscriber_id = 5"
            ).bindparams(at=_moment(database, now - timedelta(days=1)))
        )
        session.connection().execute(text("UPDATE subscriptions SET state = 'unconfirmed' WHERE subscriber_id = 6"))
    with database.read() as session:
        told = growth(session, now, days=4)
        assert [(day.joined, day.left, day.total) for day in told] == [(0, 0, 1), (1, 0, 2), (1, 1, 2), (2, 0, 4)]
        assert told[-1].day == now.date()
        assert [day.total for day in growth(session, now, days=2, digest="other")] == [0, 0]


def _moment(database: Database, at: datetime) -> object:
    return at if database.dialect == "postgresql" else at.strftime("%Y-%m-%d %H:%M:%S.%f")
