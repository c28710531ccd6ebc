"""Distribute: sends changed documents to the subscribers of our own hub (WebSub 7), signed where they gave a secret."""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.websub import RETRIES, distribution_headers, is_ours, retry_after, retry_delay, topic_path
from syndicate.errors import FetchError
from syndicate.io.guard import Limits, fetch
from syndicate.pipeline.websub.working import work_off
from syndicate.store.engine import Database
from syndicate.store.hub_deliveries import OwedDelivery, delivered, delivery_failed, next_delivery, take_deliveries

log = logging.getLogger(__name__)

_SLOTS = 16
_PER_HOST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What came of one delivery; ``error`` None: the subscriber has it. ``final``: it wants no more."""

    delivery: OwedDelivery
    status: int | None = None
    error: str | None = None
    asked: timedelta | None = None
    final: bool = False


@dataclass(slots=True, kw_only=True)
class Distributed:
    """How many subscribers got a document, how many times one failed, and how many subscriptions ended by that."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0


def distribute(
    database: Database, settings: Settings, *, clock: Callable[[], datetime], stop: threading.Event
) -> Distributed:
    """Send everything that is due. A kill at any moment loses nothing: at worst a subscriber gets a document twice."""
    holder = uuid.uuid4().hex
    limits = Limits(seconds=15, body_bytes=4096, cut=True, redirects=0, networks=settings.service.networks)
    result = Distributed()
    work_off(
        database,
        clock=clock,
        next_due=next_delivery,
        take=lambda session, free, under_way: take_deliveries(
            session, holder, clock(), free, busy=under_way, per_host=_PER_HOST
        ),
        place=lambda delivery: delivery.host,
        perform=lambda delivery: _send(settings, delivery, limits),
        record=lambda session, answer: _record(session, answer, holder, clock(), result),
        slots=_SLOTS,
        stop=stop,
    )
    return result


def _send(settings: Settings, delivery: OwedDelivery, limits: Limits) -> _Answer:
    try:
        body = _document(settings, delivery.topic)
        if body is None:
            return _Answer(delivery=delivery, error="the document is not there now")
        headers = distribution_headers(settings, delivery.topic, secret=delivery.secret, body=body)
        fetched = fetch(delivery.callback, method="POST", headers=headers, content=body, limits=limits)
    except FetchError as error:
        return _Answer(delivery=delivery, error=str(error))
    except Exception as error:
        log.exception("a callback on %s could not be sent %s", delivery.host, delivery.topic)
        return _Answer(delivery=delivery, error=f"{type(error).__name__}: {error}")
    if 200 <= fetched.status < 300:  # noqa: PLR2004 - any 2xx; a redirect is a failure (7)
        return _Answer(delivery=delivery, status=fetched.status)
    return _Answer(
        delivery=delivery,
        status=fetched.status,
        error=f"it answered {fetched.status}",
        asked=retry_after(fetched.headers.get("retry-after")),
        final=fetched.status == HTTPStatus.GONE,
    )


def _document(settings: Settings, topic: str) -> bytes | None:
    """The newest bytes of a topic: what changed again while a subscriber was away goes out once."""
    path = topic_path(settings, topic) if is_ours(settings, topic) else None
    if path is None:
        return None
    try:
        return Path(settings.feeds_path, path).read_bytes()
    except FileNotFoundError:
        return None


def _record(session: Session, answer: _Answer, holder: str, now: datetime, result: Distributed) -> None:
    delivery = answer.delivery
    if answer.error is None:
        delivered(session, delivery, holder, answer.status or 0, now)
        result.delivered += 1
        return
    jitter = random.random()  # noqa: S311 - spreads retries
    delay = retry_delay(RETRIES, attempts=delivery.attempts, jitter=jitter, asked=answer.asked)
    due_at = None if answer.final or delay is None else now + delay
    kept = delivery_failed(session, delivery, holder, status=answer.status, error=answer.error, due_at=due_at)
    result.failed += 1
    if kept and due_at is None:
        result.dropped += 1
        log.warning(
            "hub: the subscription of %s to %s ends after %d attempts: %s",
            delivery.host,
            delivery.topic,
            delivery.attempts,
            answer.error,
        )
