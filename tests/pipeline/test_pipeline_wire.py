"""One thread that leads many connections, with real servers: slow, refusing, ending sessions, losing what was announced."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import pytest
from running import until
from smtp_faults import Close, FaultServer, Silence, Stage, say
from sqlmodel import col, select
from world import World, courier

from syndicate.errors import DiskFullError
from syndicate.io.smtp import SmtpSender
from syndicate.model import DeliveryState, IssueState, Keyring
from syndicate.pipeline.deliver import wire as wires
from syndicate.pipeline.deliver.supply import AHEAD
from syndicate.store.engine import Database
from syndicate.store.tables import DeliveryRow

CONNECTIONS = 3


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def issue_for(world: World, people: int) -> int:
    for number in range(people):
        world.subscriber(f"reader{number}@example.org")
    world.article("story-1")
    world.poll()
    return world.compose("daily/1").id


def sender(server: FaultServer, **settings: object) -> SmtpSender:
    return SmtpSender([server.relay(**({"max_conns": CONNECTIONS} | settings))], "mail.courier.example")


def test_each_message_leaves_once_whatever_ends_the_sessions(world: World) -> None:
    issue_id = issue_for(world, 40)
    faults = {"message": [say("250 2.0.0 taken"), say("421 4.3.2 enough", then_close=True)] * 3}
    with FaultServer(faults) as server:  # type: ignore[arg-type]
        world.deliver(sender(server, messages_per_connection=4))
        world.now += timedelta(minutes=10)
        world.deliver(sender(server, messages_per_connection=4))
    assert world.counts(issue_id).accepted == 40
    assert world.issue(issue_id).state is IssueState.FINISHED
    ids = [message.partition(b"Message-ID: ")[2].partition(b"\r\n")[0] for message in server.seen.messages]
    assert len(set(ids)) == 40
    assert len(ids) == 43, "the three that were refused came again"


def test_a_silent_server_holds_one_connection_and_no_other(world: World) -> None:
    issue_id = issue_for(world, 30)
    with FaultServer({"message": [Silence()]}) as server:
        result = world.deliver(sender(server, wait_timeout=timedelta(seconds=1)))
    assert result.outcomes == {DeliveryState.ACCEPTED: 29, DeliveryState.IN_DOUBT: 1}
    assert world.counts(issue_id).in_doubt == 1


def test_never_more_is_marked_than_four_for_each_connection(world: World) -> None:
    issue_for(world, 60)
    most, ended = 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not ended.is_set():
            with world.database.read() as session:
                found = session.execute(select(col(DeliveryRow.id)).where(col(DeliveryRow.state) == "sending")).all()
            most = max(most, len(found))
            time.sleep(0.005)

    watcher = threading.Thread(target=look)
    with FaultServer({"message": say("250 2.0.0 taken", pause=0.001)}) as server:
        watcher.start()
        world.deliver(sender(server))
        ended.set()
        watcher.join()
    assert len(server.seen.messages) == 60
    assert 0 < most <= AHEAD * CONNECTIONS


def test_a_relay_that_refuses_some_connections_delivers_by_the_others(world: World) -> None:
    issue_id = issue_for(world, 30)
    with FaultServer(
        {"banner": [say("220 hello"), *[say("421 4.7.0 too many connections", then_close=True)] * 4]}
    ) as server:
        result = world.deliver(sender(server))
    assert result.stopped_by is None
    assert world.counts(issue_id).accepted == 30


def test_a_relay_that_goes_away_for_good_leaves_nothing_marked(world: World) -> None:
    issue_id = issue_for(world, 30)
    faults = {
        "message": [say("250 2.0.0 taken")] * 5 + [Close()] * 30,
        "banner": [say("220 hello")] * CONNECTIONS + [Close()] * 40,
    }
    with FaultServer(faults) as server:  # type: ignore[arg-type]
        result = world.deliver(sender(server))
    assert result.stopped_by is not None
    counts = world.counts(issue_id)
    assert (counts.accepted, counts.sending) == (5, 0)
    assert counts.in_doubt <= CONNECTIONS, "one message of each connection had left"
    assert counts.total == 30


QUEUED, IN_DOUBT = DeliveryState.QUEUED, DeliveryState.IN_DOUBT
CUT_BY_A_STOP: list[tuple[Stage, DeliveryState]] = [
    # where the server was silent when we had to go -> state of the delivery, beside tests/io/test_io_smtp_faults.py
    ("banner", QUEUED),
    ("ehlo", QUEUED),
    ("mail", QUEUED),
    ("rcpt", QUEUED),
    ("data", QUEUED),
    ("message", IN_DOUBT),
]


@pytest.mark.parametrize("features", [(), ("PIPELINING",)], ids=["plain", "pipelining"])
@pytest.mark.parametrize(("stage", "state"), CUT_BY_A_STOP)
def test_what_a_stop_cuts_off_is_queued_as_if_it_had_never_been_begun(
    world: World, monkeypatch: pytest.MonkeyPatch, stage: Stage, state: DeliveryState, features: tuple[str, ...]
) -> None:
    issue_id = issue_for(world, 5)
    monkeypatch.setattr(wires, "LAST_WORDS", 0.2)
    stop = threading.Event()
    with FaultServer({stage: Silence()}, features=features) as server:
        work = threading.Thread(target=world.deliver, args=(sender(server),), kwargs={"stop": stop})
        work.start()
        until(lambda: server.seen.connections >= CONNECTIONS, "connections")
        if stage not in {"banner", "ehlo"}:
            until(lambda: sum(line.startswith("MAIL") for line in server.seen.commands) >= CONNECTIONS, "commands")
        if stage == "message":
            until(lambda: len(server.seen.messages) == CONNECTIONS, "messages")
        stop.set()
        work.join(20)
        assert not work.is_alive()
    counts = world.counts(issue_id)
    if state is QUEUED:
        assert counts.queued == 5
        with world.database.read() as session:
            rows = session.exec(select(DeliveryRow)).all()
        assert {(row.attempts, row.first_marked_at, row.holder, row.reply) for row in rows} == {(0, None, None, None)}
    else:
        assert (counts.in_doubt, counts.queued) == (CONNECTIONS, 5 - CONNECTIONS)
    with FaultServer() as healthy:
        world.deliver(sender(healthy))
    assert len(healthy.seen.messages) == world.counts(issue_id).accepted == 5 - counts.in_doubt


def test_a_full_disk_cuts_nobody_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more is begun; but a slow server is heard out, or what it took would stand in doubt."""
    issue_id = issue_for(world, 12)
    monkeypatch.setattr(wires, "LAST_WORDS", 0.1)
    looked = 0

    def fills_up() -> None:
        nonlocal looked
        looked += 1
        if looked > 1:
            raise DiskFullError("only 1 MB is free")

    with FaultServer({"message": say("250 2.0.0 taken", pause=0.08)}) as server:
        result = world.deliver(sender(server), may_take=fills_up)
    assert isinstance(result.stopped_by, DiskFullError)
    counts = world.counts(issue_id)
    assert (counts.in_doubt, counts.sending) == (0, 0)
    assert 0 < counts.accepted == len(server.seen.messages) < 12
