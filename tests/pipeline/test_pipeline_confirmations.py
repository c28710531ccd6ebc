"""Confirmation mails go side by side, over any relay that works, and keep to the limits of digests."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from running import until
from smtp_faults import FaultServer, Silence, say
from smtp_server import RecordingServer
from sqlalchemy import select, text
from sqlmodel import col
from world import ScriptedSender, World, accept, courier

from syndicate.core.limits import Limit
from syndicate.io.smtp import SmtpSender
from syndicate.model import DeliveryState, Envelope, Keyring, Outcome, OutcomeKind, Rate, RetryPlan, SubscriptionState
from syndicate.pipeline.deliver import DeliverResult, Holder, Rules, post_office, send_confirmations
from syndicate.pipeline.deliver import confirmations as sending
from syndicate.store import owed_confirmations
from syndicate.store.confirmations import DueConfirmation
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder, remove_holder
from syndicate.store.limits import Limits, limits_in_force
from syndicate.store.tables import ConfirmationRow, RelaySeatRow, SubscriptionRow

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def owed(world: World, *emails: str) -> None:
    """Readers who asked for a digest, each with a mail that asks them to confirm it."""
    for email in emails:
        subscriber_id = world.subscriber(email, state=SubscriptionState.UNCONFIRMED)
        with world.database.write() as session:
            number = session.execute(
                select(col(SubscriptionRow.id)).where(col(SubscriptionRow.subscriber_id) == subscriber_id)
            ).scalar_one()
            assert number is not None
            assert owed_confirmations.queue(session, number, world.now)


def envelope(confirmation: DueConfirmation, _now: datetime) -> Envelope:
    return Envelope(sender="news@courier.example", recipient=confirmation.email, data=b"Subject: x\r\n\r\nconfirm\r\n")


def send(
    world: World, *senders: Any, alone: bool = True, stop: threading.Event | None = None, **more: Any
) -> DeliverResult:
    return send_confirmations(
        world.database,
        senders,
        envelope,
        holder=Holder(name="me", host="here", pid=1, alone=alone),
        rules=Rules(
            retry=RetryPlan(delays=(5 * MINUTE,), give_up_after=timedelta(days=2)), in_doubt="ask", clock=world.clock
        ),
        stop=stop or threading.Event(),
        may_take=lambda: None,
        log=world.told.append,
        **{"limits": Limits()} | more,
    )


def states(world: World) -> dict[str, int]:
    found: dict[str, int] = {}
    with world.database.read() as session:
        for row in session.execute(select(ConfirmationRow)).scalars():
            found[row.state] = found.get(row.state, 0) + 1
    return found


def readers(count: int) -> list[str]:
    return [f"reader{number}@example.org" for number in range(count)]


def test_a_silent_server_holds_one_up_and_not_the_others(world: World) -> None:
    owed(world, *readers(12))
    with FaultServer({"message": [Silence()]}) as server:
        sender = SmtpSender([server.relay(max_conns=9, wait_timeout=timedelta(minutes=5))])
        work = threading.Thread(target=send, args=(world, sender), daemon=True)
        work.start()
        until(lambda: states(world).get("accepted") == 11, "the others")
        assert work.is_alive(), "one waits for its answer still"
        assert server.seen.connections <= sending.LANES
    work.join(20)  # the server has gone away
    assert states(world) == {"accepted": 11, "deferred": 1}


def test_an_answer_is_not_waited_for_longer_than_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PATIENCE", 0.3)
    owed(world, *readers(3))
    with FaultServer({"rcpt": Silence()}) as silent, RecordingServer() as other:
        relays = [silent.relay(wait_timeout=timedelta(minutes=5)), other.relay()]
        send(world, *(SmtpSender([relay]) for relay in relays))
        world.now += timedelta(hours=1)
        send(world, *(SmtpSender([relay]) for relay in reversed(relays)))
    assert states(world) == {"accepted": 3}


def test_another_relay_takes_over_from_one_that_does_not_work(world: World) -> None:
    owed(world, *readers(5))
    broken, works = ScriptedSender(label="one", refuse="relay one: it is not there"), ScriptedSender(label="two")
    result = send(world, broken, works)
    assert (result.stopped_by, result.outcomes) == (None, {DeliveryState.ACCEPTED: 5})
    assert len(works.got) == 5
    assert any("other relays send" in line for line in world.told)
    with world.database.read() as session:
        assert [each.what for each in limits_in_force(session, world.now, failures=True)] == ["relay one"]


def test_relays_none_of_which_works_cost_nobody_an_attempt(world: World) -> None:
    owed(world, *readers(3))
    result = send(world, ScriptedSender(label="one", refuse="no"), ScriptedSender(label="two", refuse="neither"))
    assert str(result.stopped_by) in {"no", "neither"}
    assert states(world) == {"queued": 3}
    with world.database.read() as session:
        assert set(session.execute(select(col(ConfirmationRow.attempts))).scalars()) == {0}
    again = send(world, ScriptedSender(label="one"), ScriptedSender(label="two"))
    assert again.waits_until is not None, "they are left alone for a moment"
    world.now = again.waits_until + MINUTE
    assert send(world, ScriptedSender(label="one")).outcomes == {DeliveryState.ACCEPTED: 3}


def test_what_exceeds_the_rate_of_a_destination_waits_for_its_turn(world: World) -> None:
    owed(world, *(f"reader{number}@gmail.com" for number in range(6)), "ann@example.org")
    limits = Limits(domains={"gmail.com": "gmail.com"}, destinations={"gmail.com": Limit(rate=Rate(40, MINUTE))})
    sender = ScriptedSender()
    send(world, sender, limits=limits)
    assert sorted(each.recipient.partition("@")[2] for each in sender.got) == ["example.org", "gmail.com"]
    with world.database.read() as session:
        waiting = session.execute(select(ConfirmationRow).where(col(ConfirmationRow.state) == "queued")).scalars().all()
        assert len(waiting) == 5
        assert all(row.due_at > world.now and row.attempts == 0 for row in waiting)
    for _ in range(10):
        world.now += MINUTE
        send(world, sender, limits=limits)
    assert states(world) == {"accepted": 7}


def test_the_warm_up_of_a_relay_counts_them(world: World) -> None:
    owed(world, *readers(5))
    limits = Limits(relays={"scripted": Limit(warm_up=(2, 9))})
    result = send(world, ScriptedSender(), limits=limits)
    assert result.outcomes == {DeliveryState.ACCEPTED: 2}
    assert result.waits_until == world.now + timedelta(days=1)
    world.now += timedelta(days=1)
    assert send(world, ScriptedSender(), limits=limits).outcomes == {DeliveryState.ACCEPTED: 3}


def test_a_destination_that_asks_us_to_slow_down_is_heard(world: World) -> None:
    owed(world, *readers(1))

    def slow(_envelope: Envelope) -> Outcome:
        return Outcome(kind=OutcomeKind.DEFERRED, code=421, enhanced="4.7.0", text="4.7.0 slow down", relay="scripted")

    send(world, ScriptedSender(answer=slow))
    with world.database.read() as session:
        assert [each.what for each in limits_in_force(session, world.now)] == ["domain example.org"]
    owed(world, "late@example.org")
    send(world, sender := ScriptedSender(answer=accept))
    assert sender.got == []


def test_they_keep_to_the_connections_that_other_processes_leave(
    postgres_database: Database, keyring: Keyring, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(postgres_database, courier(), keyring, now)
    owed(world, *readers(3))
    with RecordingServer() as server:
        relay = server.relay(max_conns=2)
        limits = Limits(max_conns={relay.label: 2})
        with world.database.write() as session:
            register_holder(session, "other", host="there", pid=2, now=now)
            session.add(RelaySeatRow(relay=relay.label, holder="other", wanted=2, seats=2))
        monkeypatch.setattr(post_office, "_SEATS_WITHIN", 1.5)
        send(world, SmtpSender([relay]), alone=False, limits=limits)
        assert (server.connections, states(world)) == (0, {"queued": 3})
        with world.database.write() as session:
            session.execute(text("UPDATE relay_seats SET seats = 1"))  # it heard of the wish, and gave one up
        send(world, SmtpSender([relay]), alone=False, limits=limits)
        assert states(world) == {"accepted": 3}
        assert server.connections >= 1
        with world.database.write() as session:
            assert session.execute(select(col(RelaySeatRow.holder))).scalars().all() == ["other"]
            remove_holder(session, "other")


def test_a_stop_ends_it_after_the_answers(world: World) -> None:
    owed(world, *readers(30))
    stop = threading.Event()
    with FaultServer({"message": say("250 2.0.0 taken", pause=0.005)}) as server:
        work = threading.Thread(target=send, args=(world, SmtpSender([server.relay()])), kwargs={"stop": stop})
        work.start()
        until(lambda: len(server.seen.messages) >= 2, "the first messages")
        stop.set()
        work.join(30)
    found = states(world)
    assert found["accepted"] == len(server.seen.messages) < 30
    assert found["queued"] == 30 - found["accepted"]
