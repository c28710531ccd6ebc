"""Follow: asks the hubs of feeds that we read for news of them, renews leases, and takes leave (WebSub 5.1)."""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urljoin

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.config.sources import FeedSource
from syndicate.core.following import ATTEMPTS, REFUSED_FOR, callback_address, follows, request_form
from syndicate.core.websub import Mode, retry_after, retry_delay, worth_retrying
from syndicate.errors import FetchError, RefusedAddressError
from syndicate.io.guard import Fetched, Limits, fetch
from syndicate.pipeline.websub.working import is_due, work_off
from syndicate.store import following as store
from syndicate.store.engine import Database
from syndicate.store.following import FollowedFeed, FollowState

log = logging.getLogger(__name__)

_SLOTS = 8
_PER_HUB = 2
_REDIRECTS = frozenset({307, 308})  # 5.1: the only ones that repeat a POST
_MOST_REDIRECTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a hub said; ``error`` None: it took the request and will ask whether we meant it."""

    feed: FollowedFeed
    error: str | None = None
    asked: timedelta | None = None
    final: bool = False  # asking again would give the same


@dataclass(slots=True, kw_only=True)
class Followed:
    """How many requests hubs took, how many failed for now, and how many were given up."""

    asked: int = 0
    failed: int = 0
    refused: int = 0


def follow(database: Database, settings: Settings, *, clock: Callable[[], datetime], stop: threading.Event) -> Followed:
    """Ask for everything that is due. A kill at any moment loses no request: at worst a hub is asked twice."""
    holder = uuid.uuid4().hex
    result = Followed()
    with database.read() as session:
        if not is_due(store.next_follow(session), clock()):
            return result
    with database.write() as session:
        store.forget_over(session, clock())
    work_off(
        database,
        clock=clock,
        next_due=store.next_follow,
        take=lambda session, free, under_way: store.take_due(
            session, holder, clock(), free, busy=under_way, per_hub=_PER_HUB
        ),
        place=lambda feed: feed.hub,
        perform=lambda feed: _ask(settings, feed),
        record=lambda session, answer: _record(session, answer, holder, clock(), result),
        slots=_SLOTS,
        stop=stop,
    )
    return result


def leave_unwanted(database: Database, settings: Settings, now: datetime) -> int:
    """Take leave of the hubs of feeds that the configuration no longer names or follows. Returns how many."""

    def is_wanted(source: str, feed: str) -> bool:
        config = settings.source.get(source)
        return isinstance(config, FeedSource) and feed in config.addresses and follows(settings, source)

    with database.read() as session:
        if all(is_wanted(each.source, each.feed) for each in store.all_followed(session)):
            return 0
    with database.write() as session:
        return store.leave(session, is_wanted, now)


def _ask(settings: Settings, feed: FollowedFeed) -> _Answer:
    mode = Mode.UNSUBSCRIBE if feed.state is FollowState.LEAVING else Mode.SUBSCRIBE
    callback = callback_address(settings, feed.token)
    form = request_form(mode, topic=feed.topic, callback=callback, secret=feed.secret)
    config = settings.source.get(feed.source)
    limits = Limits(
        seconds=20,
        body_bytes=4096,
        cut=True,
        redirects=0,
        # The feed names its hub: who may read the one on a private network may be told of it by the other.
        allow_private=isinstance(config, FeedSource) and config.allow_private,
        networks=settings.service.networks,
    )
    try:
        fetched = _post(feed.hub, form, limits)
    except RefusedAddressError as error:
        return _Answer(feed=feed, error=str(error), final=True)
    except FetchError as error:
        return _Answer(feed=feed, error=str(error))
    except Exception as error:
        log.exception("hub %s could not be asked", feed.hub)
        return _Answer(feed=feed, error=f"{type(error).__name__}: {error}")
    if 200 <= fetched.status < 300:  # noqa: PLR2004 - 202 is what it should be, older hubs say 204
        return _Answer(feed=feed)
    said = " ".join(fetched.body[:200].decode("utf-8", "replace").split())
    return _Answer(
        feed=feed,
        error=f"it answered {fetched.status}{f' ({said})' if said else ''}",
        asked=retry_after(fetched.headers.get("retry-after")),
        final=not worth_retrying(fetched.status),
    )


def _post(hub: str, form: bytes, limits: Limits) -> Fetched:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    fetched = fetch(hub, method="POST", headers=headers, content=form, limits=limits)
    for _ in range(_MOST_REDIRECTS):
        target = fetched.headers.get("location")
        if fetched.status not in _REDIRECTS or not target:
            break
        fetched = fetch(urljoin(fetched.url, target), method="POST", headers=headers, content=form, limits=limits)
    return fetched


def _record(session: Session, answer: _Answer, holder: str, now: datetime, result: Followed) -> None:
    feed = answer.feed
    jitter = random.random()  # noqa: S311 - spreads retries
    delay = retry_delay(ATTEMPTS, attempts=feed.attempts, jitter=jitter, asked=answer.asked)
    if delay is None and feed.state is FollowState.ACTIVE and feed.expires_at is not None and now < feed.expires_at:
        delay = ATTEMPTS[-1]  # as long as we are told of changes, nothing is lost by asking on
    if answer.final or delay is None:
        error = answer.error or "it never asked us whether we meant it"
        if store.refused(session, feed, holder, until=now + REFUSED_FOR, error=error):
            result.refused += 1
            verb = "unsubscribed from" if feed.state is FollowState.LEAVING else "subscribed to"
            log.warning("source %s: %s could not be %s at hub %s: %s", feed.source, feed.topic, verb, feed.hub, error)
        return
    if store.asked(session, feed, holder, due_at=now + delay, error=answer.error) and answer.error:
        result.failed += 1
        log.info("hub %s could not be asked for %s: %s", feed.hub, feed.topic, answer.error)
    elif answer.error is None:
        result.asked += 1
