"""The pass of calls: reads now the feeds that their hubs say have changed. Asking hubs: ``websub.py``."""

from __future__ import annotations

import threading
import uuid

from syndicate.core.following import READ_AGAIN, follows
from syndicate.service.passes import poll_source
from syndicate.service.wiring import Services
from syndicate.store.feed_calls import FeedCall, next_call, settle, take_calls


def read_called(services: Services, *, stop: threading.Event) -> None:
    """Read the feeds that hubs called. One that still reads as before is read again a little later, a few times."""
    now = services.clock()
    with services.database.read() as session:
        due_at = next_call(session)
    if due_at is None or due_at > now:
        return
    holder = uuid.uuid4().hex
    with services.database.write() as session:
        calls = take_calls(session, holder, now)
    by_source: dict[str, list[FeedCall]] = {}
    for each in calls:
        by_source.setdefault(each.source, []).append(each)
    for name, waiting in by_source.items():
        if stop.is_set():
            return  # they are due again by themselves
        changed = _read(services, name, frozenset(each.feed for each in waiting))
        now = services.clock()
        with services.database.write() as session:
            for each in waiting:
                again = None if changed or each.attempts > len(READ_AGAIN) else now + READ_AGAIN[each.attempts - 1]
                settle(session, each, holder, due_at=again, now=now)


def _read(services: Services, name: str, feeds: frozenset[str]) -> bool:
    """Read these feeds of a source; whether something changed. What is no longer followed is not read either."""
    if not follows(services.settings, name):
        return True
    (source,) = services.sources([name], called=feeds)
    return poll_source(services, source).changed
