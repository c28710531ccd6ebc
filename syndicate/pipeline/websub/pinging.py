"""Ping: tells the hubs that are configured which topics changed (WebSub 6), until each has said that it knows."""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.websub import PING_AFTER, RETRIES, outside_hubs, retry_after, retry_delay, worth_retrying
from syndicate.errors import FetchError
from syndicate.io.guard import GuardedSession, Limits, session
from syndicate.pipeline.websub.working import is_due, work_off
from syndicate.store.engine import Database
from syndicate.store.websub import (
    OwedPing,
    forget_pings,
    next_ping,
    ping_failed,
    ping_told,
    release_ping,
    take_pings,
)

log = logging.getLogger(__name__)

_SLOTS = 8  # hubs at once; there are hardly ever more than two
_GROUP = 50  # topics told over one connection
# An operator names hubs, so they may be on the same machine. Their answers say nothing beyond the status.
_LIMITS = Limits(seconds=20, body_bytes=4096, cut=True, redirects=0, allow_private=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What came of one ping; ``error`` None: told. ``untried``: the group's time was over before its turn."""

    ping: OwedPing
    status: int | None = None
    error: str | None = None
    asked: timedelta | None = None
    untried: bool = False


@dataclass(slots=True, kw_only=True)
class Pinged:
    """How many topics hubs were told of, and how many times one failed."""

    told: int = 0
    failed: int = 0


def ping_hubs(
    database: Database,
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    stop: threading.Event,
    news: Callable[[], object] = lambda: None,
) -> Pinged:
    """Tell hubs what is due. A kill at any moment loses no ping: at worst a hub is told twice.

    ``news`` is called before each look at what is owed: while one hub is slow, the others must hear of later changes.
    """
    holder = uuid.uuid4().hex
    result = Pinged()
    with database.read() as reading:
        if not is_due(next_ping(reading), clock()):
            return result
    with database.write() as writing:
        forget_pings(writing, outside_hubs(settings))

    def take(writing: Session, _free: int, under_way: Counter[str]) -> Sequence[list[OwedPing]]:
        group = take_pings(writing, holder, clock(), _GROUP, busy=list(under_way))
        return [group] if group else []

    def record(writing: Session, answers: Sequence[_Answer]) -> None:
        for answer in answers:
            _record(writing, answer, holder, clock(), result)

    work_off(
        database,
        clock=clock,
        next_due=next_ping,
        take=take,
        place=lambda group: group[0].hub,
        perform=_tell_hub,
        record=record,
        slots=_SLOTS,
        stop=stop,
        before_look=news,
    )
    return result


def _tell_hub(group: list[OwedPing]) -> list[_Answer]:
    """One POST for each topic, over one connection.

    Several topics in a POST are not in the Recommendation: a hub that reads one of them would lose the others silently.
    """
    answers: list[_Answer] = []
    try:
        with session(_LIMITS) as guarded:
            for place, ping in enumerate(group):
                if guarded.seconds_left < _LIMITS.seconds / 4:
                    return answers + [_Answer(ping=each, untried=True) for each in group[place:]]
                answers.append(_tell_one(guarded, ping))
    except FetchError as error:  # the hub as a whole: the others would wait as long, one after the other
        return answers + [_Answer(ping=each, error=str(error)) for each in group[len(answers) :]]
    except Exception as error:
        log.exception("hub %s could not be told", group[0].hub)
        return answers + [
            _Answer(ping=each, error=f"{type(error).__name__}: {error}") for each in group[len(answers) :]
        ]
    return answers


def _tell_one(guarded: GuardedSession, ping: OwedPing) -> _Answer:
    form = urlencode({"hub.mode": "publish", "hub.url": ping.topic, "hub.topic": ping.topic})
    fetched = guarded.fetch(
        ping.hub,
        method="POST",
        headers={"content-type": "application/x-www-form-urlencoded"},
        content=form.encode("ascii"),
    )
    if 200 <= fetched.status < 300:  # noqa: PLR2004 - any 2xx
        return _Answer(ping=ping, status=fetched.status)
    said = " ".join(fetched.body[:200].decode("utf-8", "replace").split())
    return _Answer(
        ping=ping,
        status=fetched.status,
        error=f"it answered {fetched.status}{f' ({said})' if said else ''}",
        asked=retry_after(fetched.headers.get("retry-after")),
    )


def _record(writing: Session, answer: _Answer, holder: str, now: datetime, result: Pinged) -> None:
    if answer.untried:
        release_ping(writing, answer.ping, holder, now)
    elif answer.error is None:
        ping_told(writing, answer.ping, holder, answer.status or 0, now, again_at=now + PING_AFTER)
        result.told += 1
    else:
        due_at = _next_attempt(answer, now)
        kept = ping_failed(writing, answer.ping, holder, status=answer.status, error=answer.error, due_at=due_at)
        result.failed += 1
        if kept:
            _tell(answer, due_at)


def _next_attempt(answer: _Answer, now: datetime) -> datetime | None:
    if answer.status is not None and not worth_retrying(answer.status):
        return None
    jitter = random.random()  # noqa: S311 - spreads retries
    delay = retry_delay(RETRIES, attempts=answer.ping.attempts, jitter=jitter, asked=answer.asked)
    return None if delay is None else now + delay


def _tell(answer: _Answer, due_at: datetime | None) -> None:
    ping = answer.ping
    if due_at is None:
        log.error(
            "hub %s was not told of %s and is not asked again for this change: %s", ping.hub, ping.topic, answer.error
        )
    else:
        log.warning(
            "hub %s could not be told of %s: %s; again at %s", ping.hub, ping.topic, answer.error, f"{due_at:%H:%M:%S}"
        )
