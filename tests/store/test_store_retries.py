"""Rejected deliveries queued again by the operator's wish."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select, text
from sqlmodel import col
from world import ScriptedSender, World, courier

from syndicate.core.outcomes import BounceClass
from syndicate.errors import TransitionError, UnknownNameError
from syndicate.model import Envelope, IssueState, Keyring, Outcome, OutcomeKind
from syndicate.pipeline import control
from syndicate.pipeline.members.erasing import erase
from syndicate.store.engine import Database
from syndicate.store.tables import DeliveryRow

ANSWERS = {
    "soft": "552 5.2.2 mailbox full",
    "block": "554 5.7.1 rejected as spam",
    "hard": "550 5.1.1 no such user",
    "fine": "250 2.0.0 Ok",
}


def answer(envelope: Envelope) -> Outcome:
    said = ANSWERS[envelope.recipient.partition("@")[0]]
    code, enhanced, _ = said.split(maxsplit=2)
    kind = OutcomeKind.ACCEPTED if code == "250" else OutcomeKind.REJECTED
    return Outcome(kind=kind, code=int(code), enhanced=enhanced, text=said[4:], relay="mx")


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    world = World(database, courier(), keyring, now)
    for name in ANSWERS:
        world.subscriber(f"{name}@example.org")
    world.article("story")
    world.poll()
    world.compose()
    world.deliver(ScriptedSender(answer=answer))
    assert world.issue(1).state is IssueState.FINISHED
    return world


def queued(world: World) -> list[str]:
    sender = ScriptedSender()
    world.deliver(sender)
    return sorted(envelope.recipient.partition("@")[0] for envelope in sender.got)


@pytest.mark.parametrize(
    ("only", "expected"),
    [(None, ["block", "soft"]), (BounceClass.SOFT, ["soft"]), (BounceClass.BLOCK, ["block"])],
)
def test_what_is_rejected_is_sent_again_and_nothing_else(
    world: World, only: BounceClass | None, expected: list[str]
) -> None:
    issue, count = control.retry(world.database, 1, only=only, now=world.now)
    assert (issue.state, count, issue.balanced) == (IssueState.RUNNING, len(expected), True)
    assert queued(world) == expected
    issue = world.issue(1)
    assert (issue.state, issue.counts.accepted) == (IssueState.FINISHED, 1 + len(expected))
    assert control.retry(world.database, 1, only=only, now=world.now)[1] == 0
    assert world.issue(1).state is IssueState.FINISHED


def test_a_retry_has_all_its_time_before_it(world: World) -> None:
    control.retry(world.database, 1, only=None, now=world.now)
    with world.database.read() as session:
        rows = session.execute(select(DeliveryRow).where(col(DeliveryRow.state) == "queued")).scalars().all()
    assert {(row.first_marked_at, row.due_at, row.finished_at) for row in rows} == {(None, world.now, None)}


def test_whoever_was_erased_or_suppressed_since_gets_nothing(world: World, keyring: Keyring) -> None:
    erase(world.database, keyring, "soft@example.org", now=world.now)
    erase(world.database, keyring, "block@example.org", now=world.now, block=True)
    assert control.retry(world.database, 1, only=None, now=world.now)[1] == 0


def test_what_cannot_be_sent_again_is_told(world: World) -> None:
    with pytest.raises(UnknownNameError):
        control.retry(world.database, 9, only=None, now=world.now)
    with world.database.write() as session:
        session.execute(text("UPDATE editions SET message = NULL"))
    with pytest.raises(TransitionError, match="keep_editions"):
        control.retry(world.database, 1, only=None, now=world.now)
    with world.database.write() as session:
        session.execute(text("UPDATE issues SET state = 'cancelled'"))
    with pytest.raises(TransitionError, match="is cancelled"):
        control.retry(world.database, 1, only=None, now=world.now)
