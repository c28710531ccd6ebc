"""The pass of calls: reads now the feeds that their hubs say have changed. Asking hubs: ``websub.py``."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from syndicate.core.following import READ_AGAIN, follows
from syndicate.errors import SyndicateError
from syndicate.pipeline.websub.working import work_off
from syndicate.service.passes import poll_source
from syndicate.service.wiring import Services
from syndicate.store.feed_calls import FeedCall, next_call, settle, take_calls

log = logging.getLogger(__name__)

_SLOTS = 4  # sources at once


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The calls of one source, and whether its feeds had changed."""

    calls: Sequence[FeedCall]
    changed: bool


def read_called(services: Services, *, stop: threading.Event) -> None:
    """Read the feeds that hubs called. One that still reads as before is read again a little later, a few times.

    A source whose server is slow keeps no other waiting, neither those called with it nor those called meanwhile.
    """
    holder = uuid.uuid4().hex

    def take(session: Session, free: int, under_way: Counter[str]) -> list[list[FeedCall]]:
        by_source: dict[str, list[FeedCall]] = {}
        for each in take_calls(session, holder, services.clock(), free, busy=list(under_way)):
            by_source.setdefault(each.source, []).append(each)
        return list(by_source.values())

    def record(session: Session, answer: _Answer) -> None:
        now = services.clock()
        for each in answer.calls:
            again = None if answer.changed or each.attempts > len(READ_AGAIN) else now + READ_AGAIN[each.attempts - 1]
            settle(session, each, holder, due_at=again, now=now)

    work_off(
        services.database,
        clock=services.clock,
        next_due=next_call,
        take=take,
        place=lambda calls: calls[0].source,
        perform=lambda calls: _Answer(calls=calls, changed=_read(services, calls)),
        record=record,
        slots=_SLOTS,
        stop=stop,
    )


def _read(services: Services, calls: Sequence[FeedCall]) -> bool:
    """Read the called feeds of a source; whether something changed. What is no longer followed is not read either."""
    name = calls[0].source
    try:
        if not follows(services.settings, name):
            return True
        (source,) = services.sources([name], called=frozenset(each.feed for each in calls))
        return poll_source(services, source).changed
    except SyndicateError as error:
        log.error("source %s: %s", name, error)
    except Exception:
        log.exception("source %s could not be read when its hub called", name)
    return False
