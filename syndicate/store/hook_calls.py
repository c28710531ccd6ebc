"""Which calls of providers' webhooks were taken: the same one again is a replay."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlmodel import Session, col

from syndicate.store.statements import insert_new
from syndicate.store.tables import HookCallRow


def was_taken(session: Session, hook: str, key: str) -> bool:
    """Whether a call was taken before."""
    query = select(col(HookCallRow.at)).where(col(HookCallRow.hook) == hook, col(HookCallRow.key) == key)
    return session.execute(query).first() is not None


def keep_call(session: Session, hook: str, key: str, now: datetime) -> None:
    """Remember a call, once all that it told is applied: what was begun and not finished may come again."""
    insert_new(session, HookCallRow, {"hook": hook, "key": key, "at": now}, ("hook", "key"))


def drop_calls(session: Session, before: datetime) -> int:
    """Forget calls that were taken before a time. Returns how many."""
    result: Any = session.execute(delete(HookCallRow).where(col(HookCallRow.at) < before))
    return int(result.rowcount)
