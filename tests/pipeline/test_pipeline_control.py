"""Pause, cancel and stop while a server is slow: what is marked and has not begun to leave is released at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

import pytest
from world import ScriptedSender, World, accept, courier

from syndicate.model import Envelope, IssueState, Keyring, Outcome
from syndicate.pipeline import control
from syndicate.store.engine import Database


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    world = World(database, courier(), keyring, now)
    for number in range(9):
        world.subscriber(f"reader{number}@example.org")
    world.article("story")
    world.poll()
    world.compose()
    return world


def slow_server(world: World, then: Callable[[], object]) -> ScriptedSender:
    """Does something when the first message arrives, and answers it when nothing but it is marked any more."""
    sender = ScriptedSender(connections=1, takes_turns=False)  # its answer blocks, as a file would

    def answer(envelope: Envelope) -> Outcome:
        if not sender.got:
            assert world.counts(1).sending > 1
            then()
            end = time.monotonic() + 30
            while world.counts(1).sending > 1:
                assert time.monotonic() < end, "what had not begun was not released"
                time.sleep(0.02)
        return accept(envelope)

    sender.answer = answer
    return sender


def test_a_pause(world: World) -> None:
    world.deliver(slow_server(world, lambda: control.pause(world.database, 1, world.now)))
    issue = world.issue(1)
    assert (issue.state, issue.counts.accepted, issue.counts.queued) == (IssueState.PAUSED, 1, 8)
    control.resume(world.database, 1, world.now)
    sender = ScriptedSender()
    world.deliver(sender)
    assert (len(sender.got), world.counts(1).accepted) == (8, 9)


def test_a_cancellation(world: World) -> None:
    world.deliver(slow_server(world, lambda: control.cancel(world.database, 1, world.now)))
    issue = world.issue(1)
    assert (issue.state, issue.counts.accepted, issue.counts.cancelled) == (IssueState.CANCELLED, 1, 8)
    assert issue.balanced


def test_a_stop(world: World) -> None:
    stop = threading.Event()
    world.deliver(slow_server(world, stop.set), stop=stop)
    issue = world.issue(1)
    assert (issue.state, issue.counts.accepted, issue.counts.queued) == (IssueState.RUNNING, 1, 8)


def test_a_pause_of_one_issue_keeps_no_other_waiting(world: World) -> None:
    world.article("another")
    world.poll()
    world.compose("daily/2")
    world.deliver(slow_server(world, lambda: control.pause(world.database, 1, world.now)))
    assert world.issue(2).state is IssueState.FINISHED
    assert world.counts(1).queued == 8
