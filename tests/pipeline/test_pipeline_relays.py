"""Several relays: shares by weight, failover, pauses that outlive the process, rates and warm-up plans."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from smtp_faults import FaultServer, say
from smtp_server import relay_to
from sqlmodel import col, select
from world import ScriptedSender, World, accept, courier

from syndicate.core.limits import DAY, Limit
from syndicate.errors import RelayError
from syndicate.io.smtp import SmtpSender
from syndicate.model import DeliveryState, Envelope, IssueState, Keyring, Outcome, OutcomeKind, Rate
from syndicate.pipeline.deliver.dealing import Dealer
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder
from syndicate.store.limits import Limits, limits_in_force
from syndicate.store.tables import DeliveryRow, RelaySeatRow

SECOND = timedelta(seconds=1)


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


@pytest.fixture
def sqlite_world(sqlite_database: Database, keyring: Keyring, now: datetime) -> World:
    return World(sqlite_database, courier(), keyring, now)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, kept so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def issue_for(world: World, people: int) -> int:
    for number in range(people):
        world.subscriber(f"reader{number}@example.org")
    world.article("story")
    world.poll()
    return world.compose().id


def smtp(server: FaultServer, name: str, **settings: Any) -> SmtpSender:
    return SmtpSender([server.relay(name=name, max_conns=2, **settings)], "mail.courier.example")


def attempts(world: World) -> set[int]:
    with world.database.read() as session:
        return set(session.execute(select(col(DeliveryRow.attempts))).scalars())


def by_relay(world: World) -> dict[str | None, int]:
    found: dict[str | None, int] = {}
    with world.database.read() as session:
        for relay in session.execute(select(col(DeliveryRow.relay))).scalars():
            found[relay] = found.get(relay, 0) + 1
    return found


def in_force(world: World, now: datetime | None = None) -> dict[str, str | None]:
    with world.database.read() as session:
        return {each.what: each.usage.reason for each in limits_in_force(session, now or world.now)}


def test_a_relay_that_refuses_connections_loses_its_share_to_the_other(world: World, closed_port: int) -> None:
    issue_id = issue_for(world, 20)
    with FaultServer() as server:
        down = SmtpSender([relay_to(closed_port, name="down", max_conns=2)], "mail.courier.example")
        result = world.deliver(down, smtp(server, "up"))
        assert len(server.seen.messages) == 20
    assert result.stopped_by is None
    assert world.issue(issue_id).state is IssueState.FINISHED
    assert attempts(world) == {1}
    assert by_relay(world) == {"up": 20}
    assert list(in_force(world)) == ["relay down"]
    (line,) = [line for line in world.told if "left alone until" in line]
    assert line.startswith("relay down: no connection to 127.0.0.1")


def test_a_relay_that_refuses_the_log_in_does_too(sqlite_world: World) -> None:
    world = sqlite_world
    issue_for(world, 10)
    with (
        FaultServer({"auth": say("535 5.7.8 wrong password")}, features=["AUTH PLAIN"]) as refusing,
        FaultServer() as server,
    ):
        result = world.deliver(
            smtp(refusing, "locked", username="u", password="p", auth_protocol="plain"), smtp(server, "open")
        )
    assert result.stopped_by is None
    assert by_relay(world) == {"open": 10}
    assert "535" in (in_force(world)["relay locked"] or "")
    assert refusing.seen.recipients == []


def test_a_relay_that_dies_in_the_middle_is_replaced(sqlite_world: World) -> None:
    world = sqlite_world
    issue_id = issue_for(world, 120)
    with FaultServer({"mail": say("250 2.1.0 OK", pause=0.001)}) as server, FaultServer() as dying:

        def end() -> None:
            while len(dying.seen.messages) < 8:
                time.sleep(0.001)
            dying.__exit__()

        killer = threading.Thread(target=end)
        killer.start()
        result = world.deliver(smtp(dying, "dying"), smtp(server, "steady"))
        killer.join()
    counts = world.counts(issue_id)
    assert result.stopped_by is None
    assert counts.queued == counts.sending == counts.rejected == 0
    assert counts.deferred + counts.in_doubt <= 2  # what was on its two connections
    assert counts.total == 120
    assert by_relay(world)["steady"] > 60
    assert "relay dying" in in_force(world)


def test_when_no_relay_works_the_pass_stops_and_nothing_is_lost(world: World) -> None:
    issue_id = issue_for(world, 12)
    result = world.deliver(ScriptedSender(label="a", refuse="relay a: down"), ScriptedSender(label="b", refuse="b too"))
    assert isinstance(result.stopped_by, RelayError)
    assert result.waits_until == world.now + 5 * SECOND
    assert world.counts(issue_id).queued == 12
    assert attempts(world) == {0}


def test_a_paused_relay_is_left_alone_after_a_restart_and_tried_when_its_time_comes(
    world: World, database_url: str
) -> None:
    issue_id = issue_for(world, 6)
    sender = ScriptedSender(refuse="relay scripted: down")
    world.deliver(sender)
    sender.refuse = None
    world.database.close()
    world.database = Database(database_url)
    result = world.deliver(sender, insist=False)
    assert (sender.opened, result.stopped_by, result.waits_until) == (0, None, world.now + 5 * SECOND)
    world.now += 5 * SECOND
    assert world.deliver(sender, insist=False).waits_until is None
    assert world.counts(issue_id).accepted == 6
    assert in_force(world) == {}
    assert world.told[-1] == "relay scripted works again"
    world.database.close()


def test_an_operator_need_not_wait(world: World) -> None:
    issue_id = issue_for(world, 6)
    sender = ScriptedSender(refuse="relay scripted: down")
    world.deliver(sender)
    sender.refuse = None
    world.deliver(sender, insist=True)
    assert world.counts(issue_id).accepted == 6


def test_one_connection_tries_whether_a_relay_works_again(sqlite_world: World) -> None:
    world = sqlite_world
    issue_for(world, 40)
    down = ScriptedSender(label="down", refuse="relay down: refused", connections=5)
    world.deliver(down)
    assert world.deliver(ScriptedSender(label="other"), down).stopped_by is None
    tries: list[str] = []

    class Counting(ScriptedSender):
        def connect(self) -> Any:
            tries.append(self.label)
            return super().connect()

    world.article("another")
    world.poll()
    world.compose("daily/2")
    world.now += timedelta(minutes=10)
    world.deliver(ScriptedSender(label="other"), Counting(label="down", refuse="still", connections=5), insist=False)
    assert tries == ["down"]


def slowly(envelope: Envelope) -> Outcome:
    time.sleep(0.002)
    return accept(envelope)


def test_weights_are_shares_of_the_messages(sqlite_world: World) -> None:
    issue_for(sqlite_world, 240)
    small = ScriptedSender(label="small", answer=slowly)
    large = ScriptedSender(label="large", answer=slowly, weight=3)
    sqlite_world.deliver(small, large)
    assert len(small.got) + len(large.got) == 240
    assert 50 <= len(small.got) <= 75


def test_a_relay_that_hangs_holds_nobody_up(sqlite_world: World) -> None:
    world = sqlite_world
    issue_for(world, 60)
    hung = threading.Event()

    def hang(envelope: Envelope) -> Outcome:
        hung.wait(30)
        return accept(envelope)

    slow, quick = ScriptedSender(label="slow", answer=hang, connections=1), ScriptedSender(label="quick")
    work = threading.Thread(target=world.deliver, args=(slow, quick))
    work.start()
    try:
        deadline = time.monotonic() + 30
        while len(quick.got) < 56 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(quick.got) == 56
    finally:
        hung.set()
        work.join()
    assert len(slow.got) == 4


def test_a_rate_of_a_relay_holds_and_the_pass_waits_for_it(world: World) -> None:
    issue_for(world, 8)
    sender = ScriptedSender()
    limits = Limits(relays={"scripted": Limit(rate=Rate(5, SECOND))})
    began = time.monotonic()
    result = world.deliver(sender, limits=limits, clock=world.ticking())
    assert (len(sender.got), result.stopped_by) == (8, None)
    assert time.monotonic() - began > 1.2  # the eighth after 7/5 seconds


def test_a_warm_up_bounds_the_days_of_a_new_relay(world: World) -> None:
    issue_id = issue_for(world, 12)
    new = ScriptedSender(label="new")
    limits = Limits(relays={"new": Limit(warm_up=(5, 6))})
    first = world.deliver(new, limits=limits)
    assert (len(new.got), first.stopped_by, first.waits_until) == (5, None, world.now + DAY)
    world.now += DAY
    world.deliver(new, limits=limits)
    assert len(new.got) == 11
    world.now += DAY
    assert world.deliver(new, limits=limits).finished == [issue_id]


def test_what_a_new_relay_may_not_have_goes_through_the_old_one(world: World) -> None:
    issue_for(world, 30)
    new, old = ScriptedSender(label="new"), ScriptedSender(label="old")
    limits = Limits(relays={"new": Limit(warm_up=(5,))})
    assert world.deliver(new, old, limits=limits).outcomes == {DeliveryState.ACCEPTED: 30}
    # How many of its five the new one gets depends on who asks first.
    assert len(new.got) <= 5
    assert len(new.got) + len(old.got) == 30


def test_a_relay_that_does_not_work_uses_nothing_of_its_warm_up(world: World) -> None:
    issue_for(world, 6)
    new = ScriptedSender(label="new", refuse="relay new: down")
    limits = Limits(relays={"new": Limit(warm_up=(5,))})
    world.deliver(new, limits=limits)
    new.refuse = None
    world.now += DAY / 2
    assert world.deliver(new, limits=limits).waits_until == world.now + DAY
    assert len(new.got) == 5


def test_a_relay_that_asks_us_to_slow_down_is_left_alone_and_the_other_does_its_work(world: World) -> None:
    issue_for(world, 20)

    def enough(envelope: Envelope) -> Outcome:
        return Outcome(
            kind=OutcomeKind.DEFERRED, code=421, enhanced="4.7.0", text="4.7.0 slow", relay="a", about_relay=True
        )

    asked = ScriptedSender(label="a", answer=enough, connections=1)
    world.deliver(asked, ScriptedSender(label="b"))
    assert in_force(world) == {"relay a": "421 4.7.0"}
    assert "relay a asked us to slow down (421 4.7.0): nothing goes there until 08:01:00 UTC" in world.told
    counts = world.counts(1)
    assert counts.accepted + counts.deferred == 20
    assert counts.deferred <= 4


def test_processes_share_the_connections_of_a_relay(
    postgres_database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(postgres_database, courier(), keyring, now)
    issue_for(world, 160)
    open_now: list[str] = []
    seen: list[int] = []
    lock = threading.Lock()

    def counted(envelope: Envelope) -> Outcome:
        with lock:
            open_now.append(envelope.recipient)
            seen.append(len(open_now))
        time.sleep(0.01)
        with lock:
            open_now.remove(envelope.recipient)
        return accept(envelope)

    def work(name: str) -> None:
        world.deliver(ScriptedSender(answer=counted, connections=4), alone=False, holder=name)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.counts(1).accepted == 160
    assert max(seen) <= 4
    with world.database.read() as session:
        assert session.execute(select(RelaySeatRow)).all() == []


@pytest.mark.parametrize(("wanted", "given"), [(5, [5, 5]), (15, [10, 10]), (50, [10, 10])])
def test_workers_may_want_fewer_or_more_connections_than_a_relay_allows(
    postgres_database: Database, now: datetime, wanted: int, given: list[int]
) -> None:
    limits = Limits(max_conns={"scripted": 20})
    dealers = {
        name: Dealer([ScriptedSender(connections=wanted)], limits, holder=name, alone=False, log=print)
        for name in ("one", "two")
    }
    with postgres_database.write() as session:
        for name in dealers:
            register_holder(session, name, host="here", pid=1, now=now)
        for _ in range(2):  # who has too many gives them up, then the other takes them
            for dealer in dealers.values():
                dealer.renew(session, now)
    assert [dealer.connections("scripted", now) for dealer in dealers.values()] == given
