"""Requests that may come twice (Idempotency-Key): who works on one, and what it was answered.

A row whose worker died is taken over after ``HELD_FOR``; its work is such that doing it again does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlmodel import Session, SQLModel

from syndicate.store.statements import insert_new
from syndicate.store.tables import ApiRequestRow

requests = SQLModel.metadata.tables[str(ApiRequestRow.__tablename__)]
HELD_FOR: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """``began_at``: of the first try. ``ours``: this process does the work.

    Else ``status`` and ``answer`` say what it came to; they are None while another is at it.
    """

    fingerprint: str
    began_at: datetime
    ours: bool
    status: int | None = None
    answer: str | None = None


def claim(session: Session, token_id: int, key: str, fingerprint: str, now: datetime) -> Claimed:
    """Take a request up, unless it was answered or is being worked on."""
    row = {
        "token_id": token_id,
        "key": key,
        "fingerprint": fingerprint,
        "began_at": now,
        "held_until": now + HELD_FOR,
    }
    if insert_new(session, ApiRequestRow, row, ("token_id", "key")):
        return Claimed(fingerprint=fingerprint, began_at=now, ours=True)
    found: Any = session.connection().execute(select(requests).where(*_is(token_id, key))).one()
    ours = False
    if found.status is None and found.fingerprint == fingerprint:
        taken = (
            update(requests)
            .where(*_is(token_id, key), requests.c.status.is_(None), requests.c.held_until <= now)
            .values(held_until=now + HELD_FOR)
        )
        ours = session.connection().execute(taken).rowcount == 1
    return Claimed(
        fingerprint=found.fingerprint, began_at=found.began_at, ours=ours, status=found.status, answer=found.answer
    )


def answered(session: Session, token_id: int, key: str, *, status: int, answer: str) -> None:
    """Keep what a request was answered."""
    session.connection().execute(update(requests).where(*_is(token_id, key)).values(status=status, answer=answer))


def let_go(session: Session, token_id: int, key: str) -> None:
    """Forget a request that failed: the next try is a new one."""
    session.connection().execute(delete(requests).where(*_is(token_id, key), requests.c.status.is_(None)))


def drop_requests(session: Session, before: datetime, limit: int) -> int:
    """Delete requests that began before a time. Returns how many."""
    key = select(requests.c.token_id, requests.c.key).where(requests.c.began_at < before).limit(limit)
    gone = 0
    for token_id, name in session.connection().execute(key).all():
        gone += session.connection().execute(delete(requests).where(*_is(token_id, name))).rowcount
    return gone


def _is(token_id: int, key: str) -> tuple[Any, Any]:
    return requests.c.token_id == token_id, requests.c.key == key
