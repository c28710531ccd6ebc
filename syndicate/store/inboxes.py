"""Where bounces arrive: how far each mailbox was read, whether that works; and which notices operators had today.

Facts of ``meta``, changed only from what was seen, so that of several processes one does it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session, col

from syndicate.store.statements import insert_new
from syndicate.store.tables import MetaRow

_INBOX, _NOTICE = "inbox/", "notice/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """A mailbox, Maildir or listener. ``uid`` of ``validity`` is the last message that was looked at (IMAP).

    ``applied`` counts what was ours, over all time; ``broken_since`` and ``error`` when it cannot be read.
    """

    name: str
    next_at: datetime | None = None
    read_at: datetime | None = None
    validity: int = 0
    uid: int = 0
    applied: int = 0
    broken_since: datetime | None = None
    error: str | None = None


def inboxes(session: Session) -> list[Inbox]:
    """All that were ever looked into, by name."""
    query = (
        select(col(MetaRow.key), col(MetaRow.value))
        .where(col(MetaRow.key).startswith(_INBOX, autoescape=True))
        .order_by(col(MetaRow.key))
    )
    return [_inbox(key, value) for key, value in session.execute(query)]


def inbox(session: Session, name: str) -> Inbox:
    """One of them, or a fresh one."""
    value = _value(session, _INBOX + name)
    return Inbox(name=name) if value is None else _inbox(_INBOX + name, value)


def claim_inbox(session: Session, name: str, *, interval: timedelta, now: datetime) -> Inbox | None:
    """Claim the look into a mailbox that is due; None when it is not, or another process has it."""
    insert_new(session, MetaRow, {"key": _INBOX + name, "value": _text(Inbox(name=name))}, ("key",))
    seen = _value(session, _INBOX + name)
    before = _inbox(_INBOX + name, seen or "{}")
    if before.next_at is not None and before.next_at > now:
        return None
    after = replace(before, next_at=now + interval)
    return after if _swap(session, _INBOX + name, seen, _text(after)) else None


def keep_inbox(session: Session, after: Inbox) -> None:
    """Remember how far it was read, and how that went."""
    insert_new(session, MetaRow, {"key": _INBOX + after.name, "value": "{}"}, ("key",))
    session.execute(update(MetaRow).where(col(MetaRow.key) == _INBOX + after.name).values(value=_text(after)))


def claim_notice(session: Session, cause: str, *, every: timedelta, now: datetime) -> bool:
    """Claim the one notice of a cause that operators may get in so long. False when they had it."""
    key = _NOTICE + cause
    if insert_new(session, MetaRow, {"key": key, "value": now.isoformat()}, ("key",)):
        return True
    seen = _value(session, key)
    if seen is not None and datetime.fromisoformat(seen) > now - every:
        return False
    return _swap(session, key, seen, now.isoformat())


def put_back_notice(session: Session, cause: str, at: datetime) -> None:
    """It could not be sent: it may be tried again once ``at`` is as long ago as notices wait."""
    session.execute(update(MetaRow).where(col(MetaRow.key) == _NOTICE + cause).values(value=at.isoformat()))


def _value(session: Session, key: str) -> str | None:
    return session.execute(select(col(MetaRow.value)).where(col(MetaRow.key) == key)).scalar_one_or_none()


def _swap(session: Session, key: str, seen: str | None, value: str) -> bool:
    result: Any = session.execute(
        update(MetaRow)
        .where(col(MetaRow.key) == key, col(MetaRow.value) == seen)
        .values(value=value)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount == 1)


_TIMES = ("next_at", "read_at", "broken_since")


def _text(inbox: Inbox) -> str:
    fields = {key: value for key, value in asdict(inbox).items() if key != "name" and value is not None}
    return json.dumps({key: value.isoformat() if key in _TIMES else value for key, value in fields.items()})


def _inbox(key: str, text: str) -> Inbox:
    fields = json.loads(text)
    times = {name: datetime.fromisoformat(fields[name]) for name in _TIMES if name in fields}
    return Inbox(name=key.removeprefix(_INBOX), **(fields | times))
