"""What a delivery signs: every copy holds, and a later attempt has the very same octets, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from signatures import signer, tags, verdicts
from world import ScriptedSender, World, courier

from syndicate.model import Envelope, Keyring, Outcome, OutcomeKind
from syndicate.store.engine import Database


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def test_each_copy_holds_and_a_later_attempt_is_the_same_message(world: World) -> None:
    names = ["Ann Brand", "Zoë  Ünal", "山田 花子", ""]
    for number, name in enumerate(names):
        world.subscriber(f"reader{number}@example.org", name=name)
    world.article("storm")
    world.poll()
    world.compose()
    began = world.now
    refused: dict[str, bytes] = {}

    def greylist(envelope: Envelope) -> Outcome:
        refused[envelope.recipient] = envelope.data
        return Outcome(kind=OutcomeKind.DEFERRED, code=450, text="4.2.0 greylisted", relay="scripted")

    world.deliver(ScriptedSender(answer=greylist), sign=signer())
    assert len(refused) == len(names)
    world.now += timedelta(minutes=10)
    later = ScriptedSender()
    world.deliver(later, sign=signer())
    assert {envelope.recipient: envelope.data for envelope in later.got} == refused
    for data in refused.values():
        assert verdicts(data) == [True, True]
        assert int(tags(data)["t"]) == int(began.timestamp())
        assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in data


def test_without_a_signer_nothing_is_added(world: World) -> None:
    world.subscriber("ann@example.org")
    world.article("storm")
    world.poll()
    world.compose()
    sender = ScriptedSender()
    world.deliver(sender)
    assert [verdicts(envelope.data) for envelope in sender.got] == [[]]
    assert sender.got[0].data.startswith(b"From: ")
