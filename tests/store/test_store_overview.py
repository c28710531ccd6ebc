from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select
from world import World, courier

from syndicate.config.sections import Digest
from syndicate.core.reasons import Reason
from syndicate.model import DeliveryState, Frequency, Keyring, SubscriptionState
from syndicate.store.batches import claim
from syndicate.store.deliveries import take
from syndicate.store.engine import Database
from syndicate.store.facts import clear_failures, failures, keep_keys, known_keys, note_failure
from syndicate.store.holders import DEAD_AFTER, register_holder
from syndicate.store.issues import issue_reasons
from syndicate.store.overview import Unserved, ended_since, unserved
from syndicate.store.senders import sender_statuses, worker_statuses
from syndicate.store.tables import BatchRow, DeliveryRow, HolderRow, RelaySeatRow


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def test_readers_of_what_is_no_longer_configured_are_counted(world: World) -> None:
    for number, frequency in enumerate(["daily", "weekly", "weekly", "instant"]):
        world.subscriber(f"reader{number}@example.org", frequency=Frequency(frequency))
    world.subscriber("asked@example.org", frequency=Frequency.WEEKLY, state=SubscriptionState.UNCONFIRMED)
    with world.database.read() as session:
        assert unserved(session, world.settings.digest) == []
        daily = Digest(frequencies=(Frequency.DAILY,), default_frequency=Frequency.DAILY)
        assert unserved(session, {"morning": daily}) == [
            Unserved(digest="morning", frequency="instant", subscriptions=1),
            Unserved(digest="morning", frequency="weekly", subscriptions=2),
        ]
        assert unserved(session, {"morning": Digest(schedule="0 7 * * *")}) == []
        (gone,) = unserved(session, {"evening": daily})
    assert (gone.digest, gone.frequency, gone.subscriptions) == ("morning", None, 4)
    assert str(gone) == (
        "4 readers of digest morning get nothing: the digest is no longer configured; "
        "they keep their place and get what is new since, once it is again"
    )


def test_a_failure_keeps_its_first_time_until_it_is_cleared(database: Database, now: datetime) -> None:
    with database.write() as session:
        note_failure(session, "morning", "template digest.html, line 3: …", now)
        note_failure(session, "morning", "another", now + timedelta(hours=1))
        note_failure(session, "evening_50%", "another", now)
    with database.read() as session:
        found = failures(session)
        assert (found["morning"].since, found["morning"].error) == (now, "template digest.html, line 3: …")
        assert set(found) == {"morning", "evening_50%"}
    with database.write() as session:
        clear_failures(session, ["morning"])
        assert set(failures(session)) == {"evening_50%"}


def test_the_first_keys_stand(database: Database) -> None:
    with database.write() as session:
        assert known_keys(session) is None
        assert keep_keys(session, "one") == "one"
        assert keep_keys(session, "other") == "one"
        assert failures(session) == {}
    with database.read() as session:
        assert known_keys(session) == "one"


def end(session: Session, row: DeliveryRow, state: DeliveryState, at: datetime, **values: object) -> None:
    row.state, row.finished_at = state.value, at
    for name, value in values.items():
        setattr(row, name, value)
    session.add(row)


def test_what_ended_lately_and_why(world: World, now: datetime) -> None:
    for number in range(7):
        world.subscriber(f"reader{number}@example.org")
    world.article("a")
    world.poll()
    issue_id = world.compose().id
    earlier = now - timedelta(minutes=9)
    with world.database.write() as session:
        rows = session.exec(select(DeliveryRow).order_by(col(DeliveryRow.id))).all()
        end(session, rows[0], DeliveryState.ACCEPTED, earlier, reply="2.0.0 ok", reply_code=250)
        end(session, rows[1], DeliveryState.ACCEPTED, now, reply="2.0.0 ok", reply_code=250)
        for row in rows[2:4]:
            reply = f"5.1.1 <reader{row.subscriber_id}@example.org> unknown"
            end(session, row, DeliveryState.REJECTED, now, reason="hard", reply=reply, reply_code=550)
        end(session, rows[4], DeliveryState.SUPPRESSED, now, reason="unsubscribed")
        end(session, rows[5], DeliveryState.DEFERRED, None, reply="4.2.2 full", reply_code=452)  # type: ignore[arg-type]
    with world.database.read() as session:
        assert ended_since(session, issue_id, now - timedelta(minutes=5)) == {"accepted": 1, "rejected": 2}
        assert issue_reasons(session, issue_id) == [
            Reason(state="deferred", reason=None, code=452, reply="4.2.2 full", count=1),
            Reason(state="rejected", reason="hard", code=550, reply="5.1.1 <…> unknown", count=2),
            Reason(state="suppressed", reason="unsubscribed", code=None, reply=None, count=1),
        ]


def test_who_sends_is_shown_with_what_it_holds(world: World) -> None:
    for number in range(5):
        world.subscriber(f"reader{number}@example.org")
    world.article("story")
    world.poll()
    issue = world.compose()
    now = world.now
    with world.database.write() as session:
        register_holder(session, "busy", host="alpha.example", pid=7, now=now)
        register_holder(session, "gone", host="beta.example", pid=8, now=now + timedelta(seconds=1))
        assert len(take(session, holder="busy", now=now, limit=3)) == 3
        batch_id = session.execute(select(BatchRow.id)).scalar_one()
        assert batch_id is not None
        assert claim(session, batch_id, holder="busy", now=now) is not None
        session.add(RelaySeatRow(relay="main", holder="busy", wanted=9, seats=4))
        session.get_one(HolderRow, "gone").seen_at -= 2 * DEAD_AFTER
    with world.database.read() as session:
        busy, gone = sender_statuses(session, now)
        workers = worker_statuses(session)
    assert (busy.host, busy.pid, busy.since, busy.alive) == ("alpha.example", 7, now, True)
    assert (busy.sending, busy.batch, busy.issue, busy.connections) == (3, batch_id, issue.id, {"main": 4})
    assert (gone.host, gone.alive, gone.sending, gone.batch, gone.connections) == ("beta.example", False, 0, None, {})
    assert workers == []
