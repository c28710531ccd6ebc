"""Delivering one batch, and what keeps a process that was given up for dead from sending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from frozen_issue import waiting_jobs
from smtp_server import RecordingServer
from sqlalchemy import text
from sqlmodel import col, select
from world import Answer, ScriptedConnection, ScriptedSender, World, accept, courier

from syndicate.core.personal import Personal
from syndicate.errors import DiskFullError, StoreError
from syndicate.io.smtp import SmtpSender
from syndicate.model import DeliveryState, Envelope, IssueState, Keyring, Outcome, OutcomeKind, RetryPlan
from syndicate.pipeline import control
from syndicate.pipeline.deliver import (
    DeliverResult,
    Holder,
    LostHoldError,
    ParkingSender,
    Rules,
    deliver_batch,
    posting,
    tend,
)
from syndicate.pipeline.deliver import lease as leases
from syndicate.pipeline.deliver.envelopes import Envelopes
from syndicate.pipeline.deliver.lease import Lease
from syndicate.pipeline.deliver.parking import NoSeatError
from syndicate.store.batches import claim, still_ours
from syndicate.store.deliveries import take
from syndicate.store.engine import Database
from syndicate.store.holders import DEAD_AFTER, register_holder, remove_holder, touch_holder
from syndicate.store.limits import Limits
from syndicate.store.tables import BatchRow, DeliveryRow, HolderRow, RelaySeatRow

DELAYS = (timedelta(minutes=5), timedelta(hours=1))


@pytest.fixture
def world(postgres_database: Database, keyring: Keyring) -> World:
    # PostgreSQL compares the times of jobs and signs of life with its own clock.
    return World(postgres_database, courier(), keyring, datetime.now(UTC))


def issue_for(world: World, people: int) -> int:
    for number in range(people):
        world.subscriber(f"reader{number}@example.org")
    world.article("story")
    world.poll()
    return world.compose("daily/1").id


def rules(world: World, in_doubt: Any = "ask") -> Rules:
    return Rules(retry=RetryPlan(delays=DELAYS, give_up_after=timedelta(days=2)), in_doubt=in_doubt, clock=world.clock)


def run_batch(
    world: World,
    sender: Any,
    *,
    holder: str = "me",
    stop: threading.Event | None = None,
    may_take: Callable[[], None] = lambda: None,
    turn: float = 60.0,
    batch_id: int | None = None,
    before: str | None = None,
    limits: Limits | None = None,
) -> DeliverResult | None:
    if batch_id is None:
        with world.database.read() as session:
            batch_id = session.exec(select(BatchRow.id)).one()
    assert batch_id is not None
    return deliver_batch(
        world.database,
        [sender],
        Envelopes(world.database, Personal.of(world.settings), world.keyring),
        batch_id,
        holder=Holder(name=holder, host="h", pid=1, alone=False),
        rules=rules(world),
        limits=limits or Limits(widest=sender.connections),
        stop=stop or threading.Event(),
        may_take=may_take,
        turn=turn,
        before=before,
        log=world.told.append,
    )


def forget_jobs(world: World) -> None:
    with world.database.write() as session:
        session.connection().execute(text("DELETE FROM procrastinate_jobs"))


def jobs(world: World) -> list[bool]:
    with world.database.read() as session:
        return [due for _, due in waiting_jobs(session)]


def silence(world: World, holder: str) -> None:
    with world.database.write() as session:
        row = session.exec(select(HolderRow).where(HolderRow.holder == holder)).one()
        row.seen_at -= 2 * DEAD_AFTER
        session.add(row)


def test_a_batch_is_sent_and_its_issue_finished(world: World) -> None:
    issue_id = issue_for(world, 25)
    sender = ScriptedSender()
    result = run_batch(world, sender)
    assert result is not None
    assert (result.outcomes, result.finished) == ({DeliveryState.ACCEPTED: 25}, [issue_id])
    assert len({envelope.recipient for envelope in sender.got}) == 25
    with world.database.read() as session:
        assert session.exec(select(HolderRow)).all() == []


def test_a_batch_that_a_living_process_holds_is_left_alone(world: World) -> None:
    issue_for(world, 5)
    with world.database.write() as session:
        register_holder(session, "other", host="h", pid=2, now=world.now)
        assert claim(session, 1, holder="other", now=world.now) is not None
    sender = ScriptedSender()
    assert run_batch(world, sender) is None
    assert sender.got == []
    silence(world, "other")
    assert run_batch(world, sender) is not None
    assert len(sender.got) == 5


def test_what_a_dead_holder_had_marked_is_in_doubt_and_the_rest_is_sent(world: World) -> None:
    issue_id = issue_for(world, 10)
    with world.database.write() as session:
        register_holder(session, "other", host="h", pid=2, now=world.now)
        claim(session, 1, holder="other", now=world.now)
        take(session, holder="other", now=world.now, limit=3)
    silence(world, "other")
    result = run_batch(world, ScriptedSender())
    assert result is not None
    assert result.taken_over == 3
    assert (world.counts(issue_id).accepted, world.counts(issue_id).in_doubt) == (7, 3)


def test_a_deferred_row_calls_a_worker_at_its_time(world: World) -> None:
    issue_id = issue_for(world, 5)
    forget_jobs(world)

    def later(envelope: Envelope) -> Outcome:
        if envelope.recipient == "reader3@example.org":
            return Outcome(kind=OutcomeKind.DEFERRED, code=450, text="4.2.0 greylisted", relay="scripted")
        return accept(envelope)

    run_batch(world, ScriptedSender(answer=later))
    assert world.counts(issue_id).deferred == 1
    assert jobs(world) == [False]
    forget_jobs(world)
    early = ScriptedSender()
    run_batch(world, early)
    assert early.got == []
    assert jobs(world) == [False]
    world.now += timedelta(minutes=10)
    run_batch(world, ScriptedSender())
    assert world.issue(issue_id).state is IssueState.FINISHED


def test_a_batch_has_its_turn_and_goes_to_the_end_of_the_queue(world: World) -> None:
    issue_id = issue_for(world, 30)
    forget_jobs(world)
    result = run_batch(world, sender := ScriptedSender(connections=1), turn=0.0)
    assert result is not None
    assert result.stopped_by is None
    assert len(sender.got) == world.counts(issue_id).accepted < 30
    assert world.counts(issue_id).sending == 0
    assert jobs(world) == [True]


@pytest.mark.parametrize("trouble", ["relay", "disk", "stop"])
def test_what_stops_a_batch_leaves_it_to_the_next_turn(world: World, trouble: str) -> None:
    issue_id = issue_for(world, 5)
    forget_jobs(world)
    stop = threading.Event()

    def full() -> None:
        raise DiskFullError("only 1 MB is free")

    if trouble == "stop":
        stop.set()
    result = run_batch(
        world,
        ScriptedSender(refuse="refuses connections" if trouble == "relay" else None),
        stop=stop,
        may_take=full if trouble == "disk" else lambda: None,
    )
    assert result is not None
    assert (result.stopped_by is None) == (trouble == "stop")
    assert world.counts(issue_id).queued == 5
    assert jobs(world) == [True]


def test_a_failure_of_the_program_hands_the_batch_on_too(world: World) -> None:
    issue_for(world, 3)
    forget_jobs(world)

    def bug(_envelope: Envelope) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_batch(world, ScriptedSender(answer=bug, connections=1))
    assert jobs(world) == [True]
    with world.database.read() as session:
        assert session.exec(select(HolderRow)).all() == []


def test_a_paused_issue_keeps_its_rows_and_calls_nobody(world: World) -> None:
    issue_id = issue_for(world, 20)
    forget_jobs(world)

    def pausing(envelope: Envelope) -> Outcome:
        if not sender.got:
            control.pause(world.database, issue_id, world.now)
        return accept(envelope)

    sender = ScriptedSender(answer=pausing, connections=1)
    run_batch(world, sender)
    counts = world.counts(issue_id)
    assert counts.accepted == len(sender.got) <= 4
    assert counts.queued == 20 - counts.accepted
    assert jobs(world) == []


def given_up(world: World, sender: ScriptedSender, *, claim_too: bool) -> Answer:
    """After the first message, somebody takes this process for dead and its batch over."""

    def answer(envelope: Envelope) -> Outcome:
        if not sender.got:
            silence(world, "me")
            with world.database.write() as session:
                register_holder(session, "other", host="h", pid=2, now=world.now)
                if claim_too:
                    assert claim(session, 1, holder="other", now=world.now) is not None
            tend(world.database, me="other", rules=rules(world))
        return accept(envelope)

    return answer


@pytest.mark.parametrize("claimed", [False, True])
def test_a_process_that_was_given_up_writes_nothing_takes_nothing_and_stops(world: World, claimed: bool) -> None:
    issue_id = issue_for(world, 20)
    sender = ScriptedSender(connections=1)
    sender.answer = given_up(world, sender, claim_too=claimed)
    result = run_batch(world, sender)
    assert result is not None
    assert isinstance(result.stopped_by, LostHoldError)
    counts = world.counts(issue_id)
    assert (counts.accepted, counts.in_doubt, counts.queued) == (0, 4, 16)
    assert len(sender.got) <= 4
    with world.database.read() as session:
        holder = session.exec(select(BatchRow.holder)).one()
    assert holder == ("other" if claimed else None)


def test_a_process_that_stood_still_sends_nothing_of_what_it_had_marked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_for(world, 20)
    sender = ScriptedSender(connections=1)
    give_up = given_up(world, sender, claim_too=True)

    def frozen(envelope: Envelope) -> Outcome:
        outcome = give_up(envelope)
        monkeypatch.setattr(leases, "_GOOD_FOR", -1.0)  # as if it had stood still for long after this one
        return outcome

    sender.answer = frozen
    result = run_batch(world, sender)
    assert result is not None
    assert isinstance(result.stopped_by, LostHoldError)
    assert len(sender.got) == 1


def test_one_that_stood_still_and_was_not_given_up_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    issue_id = issue_for(world, 5)
    monkeypatch.setattr(leases, "_GOOD_FOR", -1.0)
    run_batch(world, ScriptedSender())
    assert world.counts(issue_id).accepted == 5


def test_a_lease_shows_life_until_it_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "TOUCH_EVERY", timedelta(milliseconds=10))
    with world.database.write() as session:
        register_holder(session, "me", host="h", pid=1, now=world.now)
    silence(world, "me")
    holder = Holder(name="me", host="h", pid=1, alone=False)
    lease = Lease(world.database, holder, clock=world.clock, log=world.told.append)

    def seen() -> datetime:
        with world.database.read() as session:
            return session.exec(select(HolderRow.seen_at)).one()

    before, waiting = seen(), threading.Event()
    lease.start()
    for _ in range(500):
        if seen() > before:
            break
        waiting.wait(0.02)
    lease.end()
    assert seen() > before
    lease.require()


def test_an_unreachable_database_is_told_once_and_ends_the_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "TOUCH_EVERY", timedelta(milliseconds=5))
    monkeypatch.setattr(leases, "_GOOD_FOR", -1.0)
    holder = Holder(name="me", host="h", pid=1, alone=False)
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")
    lease = Lease(nowhere, holder, clock=world.clock, log=world.told.append)
    lease.start()
    with pytest.raises(StoreError):
        lease.require()
    waiting = threading.Event()
    for _ in range(500):
        if world.told:
            break
        waiting.wait(0.02)
    waiting.wait(0.1)
    lease.end()
    nowhere.close()
    assert len(world.told) == 1
    assert world.told[0].startswith("no sign of life could be written: ")


def test_tending_settles_what_the_dead_left_and_calls_workers(world: World) -> None:
    issue_id = issue_for(world, 10)
    forget_jobs(world)
    with world.database.write() as session:
        register_holder(session, "other", host="h", pid=2, now=world.now)
        claim(session, 1, holder="other", now=world.now)
        take(session, holder="other", now=world.now, limit=3)
    assert tend(world.database, me="me", rules=rules(world)).taken_over == 0
    silence(world, "other")
    tended = tend(world.database, me="me", rules=rules(world))
    assert (tended.taken_over, tended.called) == (3, 1)
    assert world.counts(issue_id).in_doubt == 3
    with world.database.read() as session:
        assert session.exec(select(HolderRow)).all() == []


def test_tending_calls_workers_to_what_is_sent_again(world: World) -> None:
    issue_id = issue_for(world, 3)
    with world.database.write() as session:
        take(session, holder="dead", now=world.now, limit=3)
        session.connection().execute(text("UPDATE batches SET finished = true"))
        session.connection().execute(text("DELETE FROM procrastinate_jobs"))
    assert tend(world.database, me="me", rules=rules(world, "resend")).taken_over == 3
    assert world.counts(issue_id).queued == 3
    assert jobs(world) == [True]


def test_tending_finishes_an_issue_that_nobody_waits_for(world: World) -> None:
    issue_id = issue_for(world, 3)
    with world.database.write() as session:
        for row in session.exec(select(DeliveryRow)):
            row.state = DeliveryState.SUPPRESSED
            session.add(row)
    assert tend(world.database, me="me", rules=rules(world)).finished == (issue_id,)


def test_nobody_waits_for_a_process_that_was_frozen_in_a_transaction(world: World) -> None:
    issue_for(world, 10)
    with world.database.write() as session:
        register_holder(session, "frozen", host="h", pid=2, now=world.now)
        claim(session, 1, holder="frozen", now=world.now)
        take(session, holder="frozen", now=world.now, limit=3)
    silence(world, "frozen")
    with world.database.write() as frozen:  # it holds the locks of two of its rows, and of its batch
        frozen.execute(select(DeliveryRow.id).where(col(DeliveryRow.state) == "sending").limit(2).with_for_update())
        frozen.execute(select(BatchRow.id).with_for_update())
        assert tend(world.database, me="me", rules=rules(world)).taken_over == 1
        assert run_batch(world, ScriptedSender()) is None
    assert tend(world.database, me="me", rules=rules(world)).taken_over == 2


def test_a_sign_of_life_does_not_wait_for_the_ledger(world: World) -> None:
    with world.database.write() as session:
        register_holder(session, "me", host="h", pid=1, now=world.now)
    with world.database.write() as ledger:
        assert still_ours(ledger, "me", None)
        with world.database.write() as other:
            other.connection().execute(text("SET LOCAL lock_timeout = '2s'"))
            assert touch_holder(other, "me", world.now)


class Counting(ScriptedSender):
    """Keeps the connections it handed out."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.handed: list[ScriptedConnection] = []

    def connect(self) -> ScriptedConnection:
        self.handed.append(super().connect())
        return self.handed[-1]


def test_connections_are_parked_between_batches_and_ended_when_idle() -> None:
    inner = Counting(connections=7)
    sender = ParkingSender(inner, connections=2)
    assert (sender.connections, sender.label) == (2, "scripted")
    first, second = sender.connect(), sender.connect()
    first.close()
    second.close()
    assert [connection.usable for connection in inner.handed] == [True, True]
    third = sender.connect()
    assert inner.opened == 2
    inner.handed[1].usable = False
    third.close()  # used up: nothing to park
    sender.end_idle()
    assert [connection.usable for connection in inner.handed] == [True, False]
    sender.end_idle(older_than=0)
    assert [connection.usable for connection in inner.handed] == [False, False]
    sender.connect()
    assert inner.opened == 3


def test_a_parked_connection_that_the_server_ended_is_not_handed_out() -> None:
    inner = Counting()
    sender = ParkingSender(inner)
    sender.connect().close()
    inner.handed[0].usable = False
    assert sender.connect().usable
    assert inner.opened == 2


class Turnstile(RecordingServer):
    """Knows how many connections were open at once at most."""

    open = most = 0

    def _protocol(self) -> Any:
        protocol: Any = super()._protocol()
        made, lost = protocol.connection_made, protocol.connection_lost

        def connection_made(transport: Any) -> None:
            self.open += 1
            self.most = max(self.most, self.open)
            made(transport)

        def connection_lost(error: Exception | None) -> None:
            self.open -= 1
            lost(error)

        protocol.connection_made, protocol.connection_lost = connection_made, connection_lost
        return protocol


@pytest.mark.parametrize("kept_for", [0.0, 5.0])
def test_two_processes_never_open_more_connections_than_the_relay_allows(
    world: World, monkeypatch: pytest.MonkeyPatch, kept_for: float
) -> None:
    """Also while one of them has some parked after its batch, and when the other ones want them."""
    monkeypatch.setattr(posting, "TOUCH_EVERY", 0.1)  # shares are dealt anew so often
    issue_id = issue_for(world, 300)
    with world.database.write() as session:
        session.execute(text("DELETE FROM batches"))
        first, last = session.execute(text("SELECT min(id), max(id) FROM deliveries")).one()
        for begin in range(first, last + 1, 50):
            session.add(BatchRow(issue_id=issue_id, first_id=begin, last_id=min(last, begin + 49)))
    with world.database.read() as session:
        batches = [number for number in session.exec(select(BatchRow.id).order_by(col(BatchRow.id))) if number]
    with Turnstile() as server:
        server.delay = 0.03
        relay = server.relay(max_conns=4)

        def process(name: str) -> None:
            parking, before, number = ParkingSender(SmtpSender([relay])), None, 0
            while world.counts(issue_id).accepted < 300 and number < 200:
                number += 1
                run_batch(
                    world,
                    parking,
                    batch_id=batches[(number + (name == "one")) % len(batches)],
                    holder=f"{name}-{number}",
                    before=before,
                    limits=Limits(max_conns={relay.label: 4}),
                )
                before = f"{name}-{number}"
                with world.database.read() as session:
                    held = session.execute(
                        text("SELECT sum(seats) FROM relay_seats WHERE holder = :me"), {"me": before}
                    )
                    assert (held.scalar_one() or 0) >= parking.open
                time.sleep(0.1)
            time.sleep(kept_for / 10)
            parking.end_idle(older_than=0)
            with world.database.write() as session:
                remove_holder(session, str(before))

        threads = [threading.Thread(target=process, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert world.counts(issue_id).accepted == 300
    assert 2 <= server.most <= 4


def test_who_has_no_seat_waits_for_one(world: World) -> None:
    issue_id = issue_for(world, 5)
    with RecordingServer() as server:
        relay = server.relay(max_conns=2)
        with world.database.write() as session:
            register_holder(session, "other", host="there", pid=2, now=world.now)
            session.add(RelaySeatRow(relay=relay.label, holder="other", wanted=2, seats=2))
        limits = Limits(max_conns={relay.label: 2})
        assert run_batch(world, ParkingSender(SmtpSender([relay])), limits=limits) is not None
        assert (server.connections, world.counts(issue_id).queued) == (0, 5)
        with world.database.write() as session:
            remove_holder(session, "other")
        parking = ParkingSender(SmtpSender([relay]))
        run_batch(world, parking, limits=limits)
        assert (server.accepted, world.counts(issue_id).accepted) == (5, 5)
        parking.bound(0)
        taken = [parking.connect() for _ in range(parking.open)]
        with pytest.raises(NoSeatError, match="max_conns"):
            parking.connect()
        for connection in taken:
            connection.close()
        parking.end_idle(older_than=0)
        assert parking.open == 0
