"""Single facts about this database, by key: which keys it is used with, which digests cannot be composed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlmodel import Session, col

from syndicate.store.statements import insert_new
from syndicate.store.tables import MetaRow

_KEYS = "keys"
_NOT_COMPOSED = "not_composed/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A digest that cannot be composed: since when, and why at first."""

    since: datetime
    error: str


def known_keys(session: Session) -> str | None:
    """The fingerprint of the keys that this database is used with; None before the first use."""
    return session.execute(select(col(MetaRow.value)).where(col(MetaRow.key) == _KEYS)).scalar_one_or_none()


def keep_keys(session: Session, fingerprint: str) -> str:
    """Remember the keys unless some are known; returns the fingerprint that stands."""
    insert_new(session, MetaRow, {"key": _KEYS, "value": fingerprint}, ("key",))
    return known_keys(session) or fingerprint


def note_failure(session: Session, digest: str, error: str, now: datetime) -> None:
    """Remember that a digest could not be composed; the first failure stays until it could."""
    value = json.dumps({"since": now.isoformat(), "error": error})
    insert_new(session, MetaRow, {"key": _NOT_COMPOSED + digest, "value": value}, ("key",))


def clear_failures(session: Session, digests: Iterable[str]) -> None:
    """Forget the failures of digests that were composed, or are no longer configured."""
    keys = [_NOT_COMPOSED + digest for digest in digests]
    session.execute(delete(MetaRow).where(col(MetaRow.key).in_(keys)).execution_options(synchronize_session=False))


def failures(session: Session) -> dict[str, Failure]:
    """The digests that cannot be composed at present, by name."""
    rows = session.execute(
        select(col(MetaRow.key), col(MetaRow.value)).where(col(MetaRow.key).startswith(_NOT_COMPOSED, autoescape=True))
    )
    return {key.removeprefix(_NOT_COMPOSED): _failure(json.loads(value)) for key, value in rows}


def _failure(value: dict[str, Any]) -> Failure:
    return Failure(since=datetime.fromisoformat(value["since"]), error=value["error"])
