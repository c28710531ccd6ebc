"""Confirmation mails: owed once, taken up by one process, recorded by that one only."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from syndicate.core.addresses import hash_address, parse_address
from syndicate.model import DeliveryState, Frequency, Subscription, SubscriptionState
from syndicate.store import confirmations, newcomers, owed_confirmations, suppressions
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder

HASH_KEY = b"h" * 32


def subscription(database: Database, email: str, now: datetime, digest: str = "morning") -> Subscription:
    address = parse_address(email)
    with database.write() as session:
        subscriber, _ = newcomers.ensure_subscriber(session, address, hash_address(address.key, HASH_KEY), now=now)
        found = newcomers.add_subscription(
            session,
            subscriber.id,
            digest,
            state=SubscriptionState.UNCONFIRMED,
            frequency=Frequency.DAILY,
            topics={"*": 0},
            now=now,
        )
    assert found is not None
    return found


def owe(database: Database, number: int, now: datetime) -> bool:
    with database.write() as session:
        return owed_confirmations.queue(session, number, now)


def due(database: Database, now: datetime) -> list[confirmations.DueConfirmation]:
    with database.write() as session:
        return confirmations.due(session, now, 100)


def test_one_at_a_time_and_three_in_a_day(database: Database, now: datetime) -> None:
    morning = subscription(database, "ann@example.org", now)
    weekend = subscription(database, "ann@example.org", now, "weekend")
    given = []
    for hour in range(6):
        at = now + timedelta(hours=hour)
        given.append(owe(database, (morning if hour % 2 else weekend).id, at))
        assert not owe(database, (morning if hour % 2 else weekend).id, at)
        for one in due(database, at):
            with database.write() as session:
                assert confirmations.mark_sending(session, one.id, "me", at)
                assert confirmations.record(session, one.id, DeliveryState.ACCEPTED, "250 ok", holder="me", now=at)
    assert given == [True, True, True, False, False, False]
    assert owe(database, morning.id, now + timedelta(days=1, hours=1))


def test_the_life_of_one(database: Database, now: datetime) -> None:
    number = subscription(database, "ann@example.org", now).id
    assert owe(database, number, now)
    (one,) = due(database, now)
    assert (one.subscription_id, one.digest, one.email, one.attempts) == (number, "morning", "ann@example.org", 0)
    later = now + timedelta(minutes=5)
    with database.write() as session:
        assert confirmations.mark_sending(session, one.id, "me", now)
        assert not confirmations.mark_sending(session, one.id, "other", now)
    assert due(database, now) == []
    with database.write() as session:
        assert not confirmations.record(session, one.id, DeliveryState.ACCEPTED, "250", holder="other", now=now)
        with pytest.raises(ValueError, match="next attempt"):
            confirmations.record(session, one.id, DeliveryState.DEFERRED, "451", holder="me", now=now)
        assert confirmations.record(session, one.id, DeliveryState.DEFERRED, "451", holder="me", now=now, due_at=later)
        assert not confirmations.mark_sending(session, one.id, "me", now)
        assert confirmations.next_due(session) == later
    (again,) = due(database, later)
    assert again.attempts == 1
    with database.write() as session:
        assert confirmations.mark_sending(session, one.id, "me", later)
        assert confirmations.release(session, one.id, holder="me")
    (released,) = due(database, later)
    assert released.attempts == 1


def test_what_a_dead_process_held_is_sent_again(database: Database, now: datetime) -> None:
    for email in ("ann@example.org", "bo@example.org", "cy@example.org"):
        owe(database, subscription(database, email, now).id, now)
    with database.write() as session:
        for one, holder in zip(confirmations.due(session, now, 3), ("dead", "alive", "gone"), strict=True):
            confirmations.mark_sending(session, one.id, holder, now)
        register_holder(session, "gone", host="there", pid=2, now=now)
        assert confirmations.take_over(session, me="alive", alone=False, now=now) == 1  # "gone" has just shown life
        assert confirmations.take_over(session, me="alive", alone=True, now=now) == 1
    assert [one.email for one in due(database, now)] == ["ann@example.org", "cy@example.org"]


@pytest.mark.parametrize("state", [SubscriptionState.CONFIRMED, SubscriptionState.UNSUBSCRIBED])
def test_nobody_is_asked_who_has_answered(database: Database, now: datetime, state: SubscriptionState) -> None:
    number = subscription(database, "ann@example.org", now).id
    owe(database, number, now)
    (one,) = due(database, now)
    with database.write() as session:
        session.connection().execute(text("UPDATE subscriptions SET state = :state"), {"state": state.value})
        assert not confirmations.mark_sending(session, one.id, "me", now)
        assert confirmations.due(session, now, 100) == []
        assert owed_confirmations.cancel(session, [number], now) == 1
        assert owed_confirmations.cancel(session, [number], now) == 0


def test_suppressed_addresses_are_ended_not_asked(database: Database, now: datetime) -> None:
    for email in ("ann@example.org", "bo@mail.blocked.example", "cy@example.org"):
        owe(database, subscription(database, email, now).id, now)
    with database.write() as session:
        hashed = hash_address("ann@example.org", HASH_KEY)
        suppressions.add(session, "address", hashed, suppressions.SuppressionReason.HARD, now=now)
        suppressions.add(session, "domain", "blocked.example", suppressions.SuppressionReason.MANUAL, now=now)
    assert [one.email for one in due(database, now)] == ["cy@example.org"]
    with database.read() as session:
        found = session.connection().execute(text("SELECT state, reply FROM confirmations ORDER BY id")).all()
    assert [tuple(row) for row in found] == [("suppressed", "hard"), ("suppressed", "manual"), ("queued", None)]


def test_of_many_processes_one_takes_it_up(database: Database, now: datetime) -> None:
    owe(database, subscription(database, "ann@example.org", now).id, now)
    (one,) = due(database, now)
    taken = []
    start = threading.Barrier(4)

    def take(holder: str) -> None:
        start.wait()
        with database.write() as session:
            if confirmations.mark_sending(session, one.id, holder, now):
                taken.append(holder)

    threads = [threading.Thread(target=take, args=(f"h{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
