"""Verify: asks subscribers of our own hub whether they meant it (WebSub 5.3), and tells those denied why (5.2)."""

from __future__ import annotations

import hmac
import logging
import random
import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.websub import VERIFICATION_RETRIES, Mode, is_ours, question_address, retry_delay
from syndicate.errors import FetchError, RefusedAddressError
from syndicate.io.guard import Limits, fetch
from syndicate.pipeline.websub.working import work_off
from syndicate.store.engine import Database
from syndicate.store.hub import (
    TakenRequest,
    deny_all,
    drop_expired,
    finish_request,
    next_request,
    retry_request,
    subscribe,
    take_requests,
    unsubscribe,
)

log = logging.getLogger(__name__)

_SLOTS = 8
_PER_HOST = 2
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a subscriber said; ``error`` None: it confirmed, or was told."""

    request: TakenRequest
    error: str | None = None
    final: bool = False  # asking again would give the same


@dataclass(slots=True, kw_only=True)
class Verified:
    """How many subscriptions began or were renewed, how many ended, and how many requests came to nothing."""

    subscribed: int = 0
    ended: int = 0
    refused: int = 0


def verify(database: Database, settings: Settings, *, clock: Callable[[], datetime], stop: threading.Event) -> Verified:
    """Ask for everything that is due. A kill at any moment loses no request: at worst a subscriber is asked twice."""
    holder = uuid.uuid4().hex
    limits = Limits(seconds=15, body_bytes=4096, redirects=0, networks=settings.service.networks)
    result = Verified()
    work_off(
        database,
        clock=clock,
        next_due=next_request,
        take=lambda session, free, under_way: take_requests(
            session, holder, clock(), free, busy=under_way, per_host=_PER_HOST
        ),
        place=lambda request: request.host,
        perform=lambda request: _ask(request, limits),
        record=lambda session, answer: _record(session, answer, holder, clock(), result),
        slots=_SLOTS,
        stop=stop,
    )
    return result


def end_subscriptions(database: Database, settings: Settings, now: datetime) -> Verified:
    """End those whose lease is over, and, with a denial, those to topics that our hub no longer distributes."""
    with database.write() as session:
        ended = drop_expired(session, now)
        ended += deny_all(session, lambda topic: is_ours(settings, topic), "this feed is no longer distributed", now)
    return Verified(ended=ended)


def _ask(request: TakenRequest, limits: Limits) -> _Answer:
    challenge = secrets.token_urlsafe(32)
    parameters = {"hub.mode": request.mode.value, "hub.topic": request.topic}
    if request.mode is Mode.DENIED:
        parameters["hub.reason"] = request.reason or ""
    else:
        parameters["hub.challenge"] = challenge
    if request.mode is Mode.SUBSCRIBE:
        parameters["hub.lease_seconds"] = str(request.lease_seconds)
    try:
        fetched = fetch(question_address(request.callback, parameters), limits=limits)
    except RefusedAddressError as error:
        return _Answer(request=request, error=str(error), final=True)
    except FetchError as error:
        return _Answer(request=request, error=str(error))
    except Exception as error:
        log.exception("a callback on %s could not be asked", request.host)
        return _Answer(request=request, error=f"{type(error).__name__}: {error}")
    if not 200 <= fetched.status < 300:  # noqa: PLR2004 - any 2xx; redirects are a "no" (5.3.1)
        final = fetched.status < _SERVER_ERRORS
        return _Answer(request=request, error=f"it answered {fetched.status}", final=final)
    if request.mode is not Mode.DENIED and not hmac.compare_digest(fetched.body, challenge.encode("ascii")):
        return _Answer(request=request, error="it did not echo the challenge", final=True)
    return _Answer(request=request)


def _record(session: Session, answer: _Answer, holder: str, now: datetime, result: Verified) -> None:
    request = answer.request
    if answer.error is not None and not answer.final:
        jitter = random.random()  # noqa: S311 - spreads retries
        delay = retry_delay(VERIFICATION_RETRIES, attempts=request.attempts, jitter=jitter)
        if delay is not None:
            retry_request(session, request, holder, now + delay)
            return
    if not finish_request(session, request, holder):
        return  # the subscriber has changed its mind meanwhile: the newer request counts
    if answer.error is not None:
        result.refused += 1
        log.info("hub: %s by %s of %s came to nothing: %s", request.mode, request.host, request.topic, answer.error)
    elif request.mode is Mode.SUBSCRIBE:
        subscribe(session, request, now=now, expires_at=now + timedelta(seconds=request.lease_seconds))
        result.subscribed += 1
        log.info("hub: %s subscribes to %s", request.host, request.topic)
    elif request.mode is Mode.UNSUBSCRIBE:
        result.ended += unsubscribe(session, request.topic, request.callback)
        log.info("hub: %s unsubscribes from %s", request.host, request.topic)
