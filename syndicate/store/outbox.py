"""What webhooks are owed: written in the transaction of what it tells of, taken up by whoever sends, kept as a log.

Messages name a subscriber by number only; an address is put in when one is sent, if its webhook is to have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import Session, SQLModel

from syndicate.model import WebhookEvent
from syndicate.store.engine import WEBHOOKS
from syndicate.store.statements import free
from syndicate.store.tables import WebhookAttemptRow, WebhookMessageRow

messages = SQLModel.metadata.tables[str(WebhookMessageRow.__tablename__)]
attempts = SQLModel.metadata.tables[str(WebhookAttemptRow.__tablename__)]
HELD_FOR: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """A message as it stands. ``attempts`` counts one that is under way."""

    id: int
    webhook: str
    event: str
    payload: Mapping[str, Any]
    subscriber_id: int | None
    state: str
    created_at: datetime
    due_at: datetime | None
    attempts: int
    finished_at: datetime | None
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookBacklog:
    """How many messages a webhook is owed and how many were given up; ``oldest_at`` of those owed."""

    webhook: str
    owed: int
    given_up: int
    oldest_at: datetime | None


def wanted(session: Session, event: WebhookEvent) -> bool:
    """Whether any webhook wants such events."""
    return any(event in events for events in session.info.get(WEBHOOKS, {}).values())


def emit(
    session: Session,
    event: WebhookEvent | str,
    payload: Mapping[str, Any],
    now: datetime,
    *,
    subscriber_id: int | None = None,
    only: str | None = None,
) -> list[int]:
    """Owe a message to every webhook that wants this event; it goes with the caller's transaction, or not at all.

    ``only``: to this one, whether it wants such events or not. Returns the numbers of the messages.
    """
    hooks: Mapping[str, Sequence[str]] = session.info.get(WEBHOOKS, {})
    names = [only] if only is not None else [name for name, events in hooks.items() if event in events]
    if not names:
        return []
    rows = [
        {
            "webhook": name,
            "event": str(event),
            "payload": dict(payload),
            "subscriber_id": subscriber_id,
            "state": "owed",
            "created_at": now,
            "due_at": now,
            "attempts": 0,
        }
        for name in names
    ]
    statement = insert(messages).returning(messages.c.id)
    return [int(number) for number in session.connection().execute(statement, rows).scalars()]


def take_messages(session: Session, holder: str, now: datetime, limit: int, webhook: str) -> list[WebhookMessage]:
    """Take up due messages of a webhook, oldest first; who dies with one gives it back after ``HELD_FOR``."""
    due = (
        select(messages.c.id)
        .where(messages.c.webhook == webhook, messages.c.state == "owed", messages.c.due_at <= now)
        .order_by(messages.c.id)
        .limit(limit)
    )
    statement = (
        update(messages)
        .where(messages.c.id.in_(free(session, due)))
        .values(holder=holder, due_at=now + HELD_FOR, attempts=messages.c.attempts + 1)
        .returning(*messages.c)
    )
    return sorted(map(_message, session.connection().execute(statement)), key=lambda message: message.id)


def take_message(session: Session, holder: str, message_id: int, now: datetime) -> WebhookMessage:
    """Take up one message."""
    statement = (
        update(messages)
        .where(messages.c.id == message_id)
        .values(holder=holder, due_at=now + HELD_FOR, attempts=messages.c.attempts + 1)
        .returning(*messages.c)
    )
    return _message(session.connection().execute(statement).one())


def tried(
    session: Session,
    message: WebhookMessage,
    holder: str,
    *,
    state: str,
    due_at: datetime | None,
    status: int | None,
    error: str | None,
    milliseconds: int,
    now: datetime,
) -> bool:
    """Record an attempt and what follows from it. False when another process has taken the message over."""
    statement = (
        update(messages)
        .where(messages.c.id == message.id, messages.c.holder == holder)
        .values(
            holder=None,
            state=state,
            due_at=due_at,
            status=status,
            error=error,
            finished_at=None if due_at is not None else now,
        )
    )
    connection = session.connection()
    if connection.execute(statement).rowcount != 1:
        return False
    row = {"message_id": message.id, "at": now, "milliseconds": milliseconds, "status": status, "error": error}
    connection.execute(insert(attempts).values(row))
    return True


def next_message(session: Session, webhook: str | None = None) -> datetime | None:
    """When the earliest owed message is due, of all webhooks or of one."""
    query = select(func.min(messages.c.due_at)).where(messages.c.due_at.is_not(None))
    if webhook is not None:
        query = query.where(messages.c.webhook == webhook, messages.c.state == "owed")
    found: datetime | None = session.connection().execute(query).scalar_one()
    return found


def list_messages(
    session: Session, *, webhook: str | None = None, state: str | None = None, limit: int, before: int | None = None
) -> list[WebhookMessage]:
    """Messages, newest first."""
    query = select(messages).order_by(messages.c.id.desc()).limit(limit)
    if webhook is not None:
        query = query.where(messages.c.webhook == webhook)
    if state is not None:
        query = query.where(messages.c.state == state)
    if before is not None:
        query = query.where(messages.c.id < before)
    return [_message(row) for row in session.connection().execute(query)]


def message_by_id(session: Session, message_id: int) -> WebhookMessage | None:
    """The message of that number."""
    row = session.connection().execute(select(messages).where(messages.c.id == message_id)).one_or_none()
    return None if row is None else _message(row)


def owe_again(session: Session, webhook: str, now: datetime, *, message_id: int | None = None) -> int:
    """Owe what was given up once more, all of a webhook or one message; what waits for its next try is tried now.

    Returns how many.
    """
    which = [messages.c.webhook == webhook, messages.c.state.in_(("given_up", "owed"))]
    if message_id is not None:
        which.append(messages.c.id == message_id)
    statement = update(messages).where(*which).values(state="owed", due_at=now, attempts=0, finished_at=None)
    return session.connection().execute(statement).rowcount


def backlogs(session: Session) -> list[WebhookBacklog]:
    """How each webhook stands."""
    states = messages.c.state
    query = (
        select(messages.c.webhook, states, func.count(), func.min(messages.c.created_at))
        .where(states.in_(("owed", "given_up")))
        .group_by(messages.c.webhook, states)
    )
    found: dict[str, dict[str, tuple[int, datetime]]] = {}
    for webhook, state, count, oldest in session.connection().execute(query):
        found.setdefault(webhook, {})[state] = (count, oldest)
    return [
        WebhookBacklog(
            webhook=webhook,
            owed=by_state.get("owed", (0, None))[0],
            given_up=by_state.get("given_up", (0, None))[0],
            oldest_at=by_state["owed"][1] if "owed" in by_state else None,
        )
        for webhook, by_state in sorted(found.items())
    ]


def attempts_of(session: Session, message_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The attempts of each of some messages, oldest first."""
    found: dict[int, list[dict[str, Any]]] = {number: [] for number in message_ids}
    columns = (attempts.c.message_id, attempts.c.at, attempts.c.milliseconds, attempts.c.status, attempts.c.error)
    query = select(*columns).where(attempts.c.message_id.in_(message_ids)).order_by(attempts.c.id)
    for row in session.connection().execute(query):
        one = row._asdict()
        found[one.pop("message_id")].append(one)
    return found


def drop_messages(session: Session, before: datetime, limit: int) -> int:
    """Delete messages made before a time, whatever became of them, with their attempts. Returns how many."""
    chunk = select(messages.c.id).where(messages.c.created_at < before).limit(limit)
    return session.connection().execute(delete(messages).where(messages.c.id.in_(chunk))).rowcount


def _message(row: Any) -> WebhookMessage:
    names = WebhookMessage.__dataclass_fields__
    return WebhookMessage(**{name: getattr(row, name) for name in names})
