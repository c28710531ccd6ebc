"""The verb ``call``: hands over what a webhook is owed, signed, and tries again later what was not taken.

A kill loses nothing: a message that was under way is due again two minutes later, under the same webhook-id. Each
webhook is called by itself, so that one that is slow or down holds up no other.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from syndicate.config import Settings
from syndicate.config.sections import Webhook
from syndicate.config.values import signing_key
from syndicate.core.webhooks import message_body, retry_after, signed_headers
from syndicate.core.websub import retry_after as seconds_asked
from syndicate.errors import FetchError, UnknownNameError
from syndicate.io.guard import Limits, fetch
from syndicate.store import outbox
from syndicate.store.engine import Database
from syndicate.store.outbox import WebhookMessage
from syndicate.store.subscribers import subscriber_by_id

log = logging.getLogger(__name__)
_AT_ONCE = 4  # to one webhook
_SECONDS = 15.0
_LONGEST_ERROR = 300


@dataclass(slots=True, kw_only=True)
class Called:
    """How many messages were taken, not taken for now, and given up; ``error``: the last thing that went wrong."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of one attempt; ``error`` None: it was taken."""

    message: WebhookMessage
    milliseconds: int
    status: int | None = None
    error: str | None = None
    asked: timedelta | None = None


def call(
    database: Database,
    settings: Settings,
    name: str,
    *,
    clock: Callable[[], datetime],
    stop: threading.Event,
) -> Called:
    """Hand over what is due to one webhook of the configuration, a few messages at once.

    It ends when nothing is due, and as soon as nothing of what was tried at once is taken: a webhook that is down is
    not asked for everything that waits for it.
    """
    result = Called()
    with database.read() as session:
        due_at = outbox.next_message(session, name)
    if due_at is None or due_at > clock():
        return result
    holder = uuid.uuid4().hex
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=f"webhook {name}") as pool:
        while not stop.is_set():
            with database.write() as session:
                taken = outbox.take_messages(session, holder, clock(), _AT_ONCE, name)
            before = result.delivered
            tries = [pool.submit(try_once, database, settings, message, clock()) for message in taken]
            for done in as_completed(tries):
                _record(database, done.result(), holder, clock(), result)
            if result.delivered == before:
                break
    return result


def test(database: Database, settings: Settings, name: str, *, clock: Callable[[], datetime]) -> Tried:
    """Hand a message of the type ``test`` to a webhook now. Raises UnknownNameError."""
    named_webhook(settings, name)
    holder, now = uuid.uuid4().hex, clock()
    with database.write() as session:
        number = outbox.emit(session, "test", {"webhook": name}, now, only=name)[0]
        message = outbox.take_message(session, holder, number, now)
    tried = try_once(database, settings, message, clock())
    # Its answer is seen at once; another try would tell nobody anything.
    with database.write() as session:
        outbox.tried(
            session,
            message,
            holder,
            state="given_up" if tried.error else "delivered",
            due_at=None,
            status=tried.status,
            error=tried.error,
            milliseconds=tried.milliseconds,
            now=clock(),
        )
    return tried


def named_webhook(settings: Settings, name: str) -> Webhook:
    """The webhook of that name. Raises UnknownNameError naming those there are."""
    try:
        return settings.webhook[name]
    except KeyError:
        known = ", ".join(sorted(settings.webhook)) or "none"
        raise UnknownNameError(f"there is no webhook {name!r} in the configuration; there is: {known}") from None


def try_once(database: Database, settings: Settings, message: WebhookMessage, now: datetime) -> Tried:
    """One attempt to hand a message over; nothing is recorded."""
    hook = settings.webhook[message.webhook]
    data = dict(message.payload)
    if hook.email and message.subscriber_id is not None:
        with database.read() as session:
            person = subscriber_by_id(session, message.subscriber_id)
        data["email"] = None if person is None else person.email
    body = message_body(message.event, message.created_at, data)
    secret = hook.secret.get_secret_value() if hook.secret is not None else ""
    headers = signed_headers(signing_key(secret), message.id, body, now)
    limits = Limits(
        seconds=_SECONDS,
        body_bytes=4096,
        cut=True,
        redirects=0,
        allow_private=hook.allow_private,
        networks=settings.service.networks,
    )
    began = time.monotonic()
    try:
        answer = fetch(hook.url, method="POST", headers=headers, content=body, limits=limits)
    except FetchError as error:
        return Tried(message=message, milliseconds=_since(began), error=_short(hook, str(error)))
    except Exception as error:
        log.exception("webhook %s: message %d could not be sent", message.webhook, message.id)
        return Tried(message=message, milliseconds=_since(began), error=type(error).__name__)
    if 200 <= answer.status < 300:  # noqa: PLR2004 - any 2xx; a redirect is a failure (Standard Webhooks)
        return Tried(message=message, milliseconds=_since(began), status=answer.status)
    return Tried(
        message=message,
        milliseconds=_since(began),
        status=answer.status,
        error=f"it answered {answer.status}",
        asked=seconds_asked(answer.headers.get("retry-after")),
    )


def _record(database: Database, tried: Tried, holder: str, now: datetime, result: Called) -> None:
    message = tried.message
    state, due_at = "delivered", None
    if tried.error is not None:
        delay = retry_after(message.attempts, jitter=random.random(), asked=tried.asked)  # noqa: S311 - spreads retries
        if tried.status == HTTPStatus.GONE:
            delay = None  # it wants no more of this
        state, due_at = ("given_up", None) if delay is None else ("owed", now + delay)
    with database.write() as session:
        kept = outbox.tried(
            session,
            message,
            holder,
            state=state,
            due_at=due_at,
            status=tried.status,
            error=tried.error,
            milliseconds=tried.milliseconds,
            now=now,
        )
    if not kept:
        return
    result.delivered += tried.error is None
    result.failed += tried.error is not None
    result.error = tried.error or result.error
    if state == "given_up":
        result.given_up += 1
        log.error(
            "webhook %s: message %d (%s) is given up after %d attempts: %s; `syndicate webhooks retry %s` tries again",
            message.webhook,
            message.id,
            message.event,
            message.attempts,
            tried.error,
            message.webhook,
        )


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _short(hook: Webhook, error: str) -> str:
    # The address may hold a secret of its own.
    return error.replace(hook.url, "the address")[:_LONGEST_ERROR]
