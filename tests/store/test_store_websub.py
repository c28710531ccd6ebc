"""Rows of WebSub: owed with the transaction that owes them, taken by one, found by index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlmodel import Session

from syndicate.core.websub import HubRequest, Mode
from syndicate.store.engine import Database
from syndicate.store.hub import put_request, reason_against, take_requests
from syndicate.store.hub_deliveries import owe_deliveries, take_deliveries
from syndicate.store.tables import HubSubscriptionRow
from syndicate.store.websub import (
    changes_wait,
    next_ping,
    owe_ping,
    owe_pings,
    ping_failed,
    ping_told,
    release_ping,
    take_changes,
    take_pings,
)

HUB = "https://hub.example/"
TOPIC = "https://news.courier.example/feeds/all/rss.xml"


def test_what_is_rolled_back_is_not_owed(database: Database, now: datetime) -> None:
    with pytest.raises(RuntimeError), database.write() as session:  # noqa: PT012 - the publication that fails
        owe_pings(session, [TOPIC], now)
        raise RuntimeError
    with database.read() as session:
        assert not changes_wait(session)


def test_a_topic_that_changed_twice_is_owed_once(database: Database, now: datetime) -> None:
    with database.write() as session:
        owe_pings(session, [TOPIC, TOPIC + "2", TOPIC], now)
        owe_pings(session, [], now)
    with database.write() as session:
        owe_pings(session, [TOPIC], now + timedelta(seconds=1))
        assert changes_wait(session)
        assert take_changes(session, 10) == [TOPIC, TOPIC + "2"]
        assert take_changes(session, 10) == []
        assert not changes_wait(session)


def test_what_was_taken_and_rolled_back_is_still_owed(database: Database, now: datetime) -> None:
    with database.write() as session:
        owe_pings(session, [TOPIC], now)
    with pytest.raises(RuntimeError), database.write() as session:  # noqa: PT012 - killed before the commit
        assert take_changes(session, 10) == [TOPIC]
        owe_ping(session, HUB, TOPIC, now)
        raise RuntimeError
    with database.write() as session:
        assert next_ping(session) is None
        assert take_changes(session, 10) == [TOPIC]


def test_a_ping_belongs_to_who_took_it(database: Database, now: datetime) -> None:
    with database.write() as session:
        owe_ping(session, HUB, TOPIC, now)
        assert take_pings(session, "one", now, 10, busy=[HUB]) == []
        (ping,) = take_pings(session, "one", now, 10)
        assert (ping.hub, ping.topic, ping.changes, ping.attempts, ping.owed_at) == (HUB, TOPIC, 1, 1, now)
        assert take_pings(session, "two", now, 10) == []
        assert not ping_told(session, ping, "two", 200, now)
        assert not ping_failed(session, ping, "two", status=500, error="x", due_at=now)
        release_ping(session, ping, "one", now)
        (again,) = take_pings(session, "two", now, 10)
        assert again.attempts == 1
        assert ping_told(session, again, "two", 200, now)
        assert next_ping(session) is None


def test_a_change_while_it_is_told_stays_owed(database: Database, now: datetime) -> None:
    with database.write() as session:
        owe_ping(session, HUB, TOPIC, now)
        (ping,) = take_pings(session, "one", now, 10)
        owe_ping(session, HUB, TOPIC, now)
        assert take_pings(session, "two", now, 10) == []  # not two at once for one topic
        assert ping_told(session, ping, "one", 200, now)
        assert next_ping(session) == now


def request(number: int = 0, *, host: str = "reader.example", secret: str | None = None) -> HubRequest:
    return HubRequest(
        mode=Mode.SUBSCRIBE,
        topic=TOPIC,
        callback=f"https://{host}/{number}",
        host=host,
        lease=timedelta(days=1),
        secret=secret,
    )


def test_requests_are_taken_in_turn_and_few_of_each_host(database: Database, now: datetime) -> None:
    with database.write() as session:
        for number in range(5):
            put_request(session, request(number, host="busy.example"), now)
        put_request(session, request(host="other.example"), now + timedelta(seconds=1))
        later = now + timedelta(seconds=2)
        taken = take_requests(session, "me", later, 9, busy={"busy.example": 1}, per_host=3)
        assert sorted(each.host for each in taken) == ["busy.example", "busy.example", "other.example"]
        assert take_requests(session, "me", later, 9, busy={"busy.example": 3}, per_host=3) == []
        assert len(take_requests(session, "me", later, 1, busy={}, per_host=3)) == 1


def test_there_is_room_at_first(database: Database, now: datetime) -> None:
    with database.read() as session:
        assert reason_against(session, request()) is None


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT min(due_at) FROM hub_pings WHERE due_at IS NOT NULL", "ix_hub_pings_due"),
        ("SELECT min(due_at) FROM hub_deliveries WHERE due_at IS NOT NULL", "ix_hub_deliveries_due"),
        ("SELECT min(due_at) FROM hub_requests", "ix_hub_requests_due"),
        ("SELECT id FROM hub_subscriptions WHERE topic = 't' AND expires_at > '2026-01-01'", "topic_callback"),
        ("DELETE FROM hub_subscriptions WHERE expires_at <= '2026-01-01'", "ix_hub_subscriptions_expires_at"),
    ],
)
def test_what_the_clock_asks_every_second_is_found_by_index(
    sqlite_database: Database, statement: str, index: str
) -> None:
    with sqlite_database.read() as session:
        plan = " ".join(row.detail for row in session.connection().execute(text(f"EXPLAIN QUERY PLAN {statement}")))
    assert "INDEX" in plan
    assert index in plan or "autoindex_hub_subscriptions" in plan


def test_constraints(database: Database, now: datetime) -> None:
    with database.write() as session:
        put_request(session, request(secret="x" * 199), now)
    bad = "INSERT INTO hub_subscriptions (topic, callback, host, secret, created_at, verified_at, expires_at) VALUES ('t', 'c', 'h', :secret, '2026-01-01', '2026-01-01', '2026-01-01')"
    with pytest.raises(Exception, match="ck_hub_subscriptions_secret"), database.write() as session:
        session.connection().execute(text(bad), {"secret": "x" * 200})


def test_the_deliveries_that_are_owed_are_counted(database: Database, now: datetime) -> None:
    with database.write() as session:
        for number in range(3):
            subscribe(session, f"c{number}", now)
        assert owe_deliveries(session, TOPIC, now) == 3
        assert owe_deliveries(session, TOPIC, now) == 3, "they stand there already, and are owed anew"
        assert owe_deliveries(session, TOPIC + "2", now) == 0


def test_who_takes_rows_up_does_not_wait_for_another_who_does(postgres_database: Database, now: datetime) -> None:
    """Two that lock the same rows, each in an order of its own, would end in a deadlock."""
    with postgres_database.write() as session:
        put_request(session, request(), now)
        owe_ping(session, HUB, TOPIC, now)
        subscribe(session, "c", now)
        owe_deliveries(session, TOPIC, now)
    with postgres_database.write() as one, postgres_database.write() as other:
        other.connection().execute(text("SET LOCAL lock_timeout = '10s'"))
        assert [len(taken) for taken in everything_due(one, now)] == [1, 1, 1]
        assert [len(taken) for taken in everything_due(other, now)] == [0, 0, 0]


def subscribe(session: Session, callback: str, now: datetime) -> None:
    session.add(
        HubSubscriptionRow(
            topic=TOPIC,
            callback=callback,
            host="h",
            created_at=now,
            verified_at=now,
            expires_at=now + timedelta(days=1),
        )
    )
    session.flush()


def everything_due(session: Session, now: datetime) -> list[Sequence[object]]:
    return [
        take_requests(session, "me", now, 9, busy={}, per_host=3),
        take_pings(session, "me", now, 9),
        take_deliveries(session, "me", now, 9, busy={}, per_host=3),
    ]
