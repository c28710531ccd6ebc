"""Announce: turns topics that changed into what is owed for them, to hubs elsewhere and to our own subscribers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from syndicate.config import Settings
from syndicate.core.websub import PING_AFTER, hub_address, hubs_of_topic
from syndicate.store.engine import Database
from syndicate.store.hub_deliveries import owe_deliveries
from syndicate.store.websub import changes_wait, owe_ping, take_changes

_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """How many topics had changed, and what is owed for them now."""

    topics: int = 0
    pings: int = 0
    deliveries: int = 0


def announce(database: Database, settings: Settings, now: datetime) -> Announced:
    """Owe what follows from the changes since the last time; one transaction, so that none is lost or told twice."""
    topics = pings = deliveries = 0
    while True:
        with database.read() as session:
            if not changes_wait(session):
                return Announced(topics=topics, pings=pings, deliveries=deliveries)
        with database.write() as session:
            changed = take_changes(session, _AT_ONCE)
            for topic in changed:
                for hub in hubs_of_topic(settings, topic):
                    if hub == hub_address(settings):
                        deliveries += owe_deliveries(session, topic, now)
                    else:
                        owe_ping(session, hub, topic, now, due_at=now + PING_AFTER)
                        pings += 1
        topics += len(changed)
        if not changed:  # another process holds what waits
            return Announced(topics=topics, pings=pings, deliveries=deliveries)
