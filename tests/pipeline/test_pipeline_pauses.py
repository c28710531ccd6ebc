"""A reader who pauses gets no issue, and afterwards only what is new since the last run of the pause."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from world import World, courier

from syndicate.model import Frequency, Keyring
from syndicate.pipeline.compose import compose
from syndicate.store.engine import Database
from syndicate.store.pauses import set_pause
from syndicate.store.subscribers import subscriptions_of


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def composed(world: World, period: str, frequency: Frequency = Frequency.DAILY) -> int:
    issue = compose(world.database, world.renderer, "morning", period=period, frequencies=[frequency], now=world.now)
    assert issue is not None
    return issue.recipients


def pause(world: World, subscriber: int, until: datetime | None) -> None:
    with world.database.write() as session:
        (subscription,) = subscriptions_of(session, [subscriber])[subscriber]
        set_pause(session, subscription.id, until)


@pytest.mark.parametrize("alone", [True, False])
def test_a_pause(world: World, alone: bool) -> None:
    ann = world.subscriber("ann@example.org")
    if not alone:
        world.subscriber("ben@example.org")
    others = 0 if alone else 1
    pause(world, ann, world.now + timedelta(days=2, hours=1))
    for day in range(3):
        world.article(f"day{day}")
        world.poll()
        assert composed(world, f"daily/{day}") == others
        world.now += timedelta(days=1)
    assert composed(world, "daily/nothing new") == 0  # what was missed is not sent later
    world.article("after")
    world.poll()
    assert composed(world, "daily/after") == others + 1
    with world.database.read() as session:
        (subscription,) = subscriptions_of(session, [ann])[ann]
    assert subscription.paused_until is None
