"""Limits of destinations while mail is sent: rates, connections, 421 and 4.7.x."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import pytest
from world import ScriptedSender, World, accept, courier

from syndicate.core.limits import Limit
from syndicate.model import Envelope, IssueState, Keyring, Outcome, OutcomeKind, Rate
from syndicate.pipeline import control
from syndicate.store.engine import Database
from syndicate.store.limits import Limits, limits_in_force

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def issue_for(world: World, **readers: int) -> int:
    """So many readers at each domain; ``gmail_com=3``."""
    for name, count in readers.items():
        for number in range(count):
            world.subscriber(f"reader{number}@{name.replace('_', '.')}")
    world.article("story")
    world.poll()
    return world.compose().id


def limits(rate: Rate | None = None, connections: int | None = None) -> Limits:
    return Limits(
        domains={"gmail.com": "gmail.com"},
        destinations={"gmail.com": Limit(rate=rate, connections=connections)},
        widest=3,
    )


def test_a_pass_waits_for_turns_that_are_near_and_keeps_to_the_rate(world: World) -> None:
    issue_id = issue_for(world, gmail_com=40, example_org=10)
    went: list[tuple[float, str]] = []

    def timed(envelope: Envelope) -> Outcome:
        went.append((time.monotonic(), envelope.recipient))
        return accept(envelope)

    result = world.deliver(ScriptedSender(answer=timed), limits=limits(Rate(20, SECOND)), clock=world.ticking())
    assert (result.stopped_by, world.issue(issue_id).state) == (None, IssueState.FINISHED)
    assert len({recipient for _, recipient in went}) == 50
    gmail = [at for at, recipient in went if recipient.endswith("gmail.com")]
    assert gmail[-1] - gmail[0] > 1.8
    # What does not go to the slow destination is not held up by it.
    others = [place for place, (_, recipient) in enumerate(went) if recipient.endswith("example.org")]
    assert max(others) < 25


def test_turns_far_away_end_the_pass(world: World) -> None:
    issue_id = issue_for(world, gmail_com=5)
    result = world.deliver(ScriptedSender(), limits=limits(Rate(1, MINUTE)), clock=world.ticking())
    assert result.stopped_by is None
    assert (world.counts(issue_id).accepted, world.counts(issue_id).queued) == (1, 4)
    world.now += 61 * SECOND
    world.deliver(ScriptedSender(), limits=limits(Rate(1, MINUTE)))
    assert world.counts(issue_id).accepted == 2


def test_connections_of_a_destination_hold_and_it_is_kept_busy(world: World) -> None:
    issue_for(world, gmail_com=40)
    lock, now, seen = threading.Lock(), 0, []

    def counted(envelope: Envelope) -> Outcome:
        nonlocal now
        with lock:
            now += 1
            seen.append(now)
        time.sleep(0.005)
        with lock:
            now -= 1
        return accept(envelope)

    sender = ScriptedSender(answer=counted, connections=5)
    world.deliver(sender, limits=limits(connections=2), clock=world.ticking())
    assert len(sender.got) == 40
    assert max(seen) <= 2


def slow_down(envelope: Envelope) -> Outcome:
    if not envelope.recipient.endswith("@mail.example"):
        return accept(envelope)
    return Outcome(kind=OutcomeKind.DEFERRED, code=421, enhanced="4.7.0", text="4.7.0 enough", relay="scripted")


def test_421_slows_its_destination_and_nobody_else(world: World) -> None:
    issue_id = issue_for(world, mail_example=20, example_org=20)
    world.deliver(ScriptedSender(answer=slow_down))
    counts = world.counts(issue_id)
    assert counts.accepted == 20
    assert counts.deferred + counts.queued == 20
    assert counts.queued > 0  # these were not even tried
    assert [line for line in world.told if "mail.example" in line] == [
        "domain mail.example asked us to slow down (421 4.7.0): nothing goes there until 08:01:00 UTC"
    ]
    world.now += 10 * MINUTE
    world.deliver(ScriptedSender())
    assert world.issue(issue_id).state is IssueState.FINISHED


@pytest.mark.parametrize(
    ("code", "enhanced", "words"),
    [(450, "4.2.0", "greylisted"), (451, "4.7.1", "Greylisting in action, please come back in 00:05:00")],
)
def test_greylisting_slows_nobody(world: World, code: int, enhanced: str, words: str) -> None:
    issue_id = issue_for(world, mail_example=10)

    def greylist(envelope: Envelope) -> Outcome:
        text = f"{enhanced} {words}"
        return Outcome(kind=OutcomeKind.DEFERRED, code=code, enhanced=enhanced, text=text, relay="scripted")

    world.deliver(ScriptedSender(answer=greylist))
    assert world.counts(issue_id).deferred == 10
    with world.database.read() as session:
        assert limits_in_force(session, world.now) == []


def test_a_stop_sends_those_home_who_wait_for_a_turn(world: World) -> None:
    issue_id = issue_for(world, gmail_com=40)
    stop = threading.Event()
    sender = ScriptedSender()
    work = threading.Thread(
        target=world.deliver,
        args=(sender,),
        kwargs={"limits": limits(Rate(2, SECOND)), "clock": world.ticking(), "stop": stop},
    )
    work.start()
    while not sender.got:
        time.sleep(0.01)
    stop.set()
    work.join(8)
    assert not work.is_alive()
    assert world.counts(issue_id).sending == 0


def test_pause_and_resume_cause_no_burst(world: World) -> None:
    issue_id = issue_for(world, gmail_com=30)
    slow = limits(Rate(30, MINUTE))
    world.deliver(ScriptedSender(), limits=slow)
    control.pause(world.database, issue_id, world.now)
    world.now += timedelta(hours=1)
    control.resume(world.database, issue_id, world.now)
    sender = ScriptedSender()
    world.deliver(sender, limits=slow)
    assert len(sender.got) == 1
