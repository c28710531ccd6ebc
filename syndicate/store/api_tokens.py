"""Tokens of the API: kept as hashes, found by them, counted as used to the hour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, or_, select, update
from sqlmodel import Session, SQLModel

from syndicate.store.statements import insert_new
from syndicate.store.tables import ApiTokenRow

tokens = SQLModel.metadata.tables[str(ApiTokenRow.__tablename__)]
USED_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token as it may be shown: never the token itself."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


def add_token(
    session: Session, name: str, token_hash: str, scopes: Iterable[str], *, now: datetime, expires_at: datetime | None
) -> bool:
    """Keep a token. False when the name is taken."""
    row = {
        "name": name,
        "token_hash": token_hash,
        "scopes": sorted(set(scopes)),
        "created_at": now,
        "expires_at": expires_at,
    }
    return insert_new(session, ApiTokenRow, row, ("name",))


def find_token(session: Session, token_hash: str) -> ApiToken | None:
    """The token of a hash, also one whose time is over."""
    row = session.connection().execute(select(tokens).where(tokens.c.token_hash == token_hash)).one_or_none()
    return None if row is None else _token(row)


def list_tokens(session: Session) -> list[ApiToken]:
    """All of them, by name."""
    return [_token(row) for row in session.connection().execute(select(tokens).order_by(tokens.c.name))]


def revoke_token(session: Session, name: str) -> bool:
    """Remove a token and what is kept of its requests. Says whether there was one."""
    return session.connection().execute(delete(tokens).where(tokens.c.name == name)).rowcount == 1


def note_use(session: Session, token_id: int, now: datetime) -> None:
    """Keep that it was used, unless that was done within the hour."""
    old = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at <= now - USED_EVERY)
    hour = now.replace(minute=0, second=0, microsecond=0)
    session.connection().execute(update(tokens).where(tokens.c.id == token_id, old).values(last_used_at=hour))


def use_is_due(token: ApiToken, now: datetime) -> bool:
    """Whether ``note_use`` would write: asked first, so that a request that reads does not."""
    return token.last_used_at is None or token.last_used_at <= now - USED_EVERY


def _token(row: Any) -> ApiToken:
    return ApiToken(
        id=row.id,
        name=row.name,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
