"""Makes tokens of the API, and knows them again."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from syndicate.config.durations import parse_duration
from syndicate.core.api_scopes import read_scopes
from syndicate.errors import UsageError
from syndicate.service.pushing import push_sources
from syndicate.service.wiring import Services
from syndicate.store import api_tokens
from syndicate.store.api_tokens import ApiToken

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new token: the one time that it can be seen."""

    token: str
    scopes: tuple[str, ...]
    expires_at: datetime | None


def add_token(services: Services, name: str, scopes: Sequence[str], *, expires_in: str | None = None) -> Made:
    """Make a token. Raises UsageError for a name that is taken or odd, a scope that does not exist, an odd time."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"expected a name of letters, digits, dots, - and _, not {name!r}")
    wanted = read_scopes(scopes, push_sources(services))
    now = services.clock()
    try:
        expires_at = None if expires_in is None else now + parse_duration(expires_in)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--expires-in: {error}") from error
    token = f"syn_{secrets.token_urlsafe(32)}"
    with services.database.write() as session:
        if not api_tokens.add_token(session, name, hashed(token), wanted, now=now, expires_at=expires_at):
            raise UsageError(f"there is a token {name!r} already; `syndicate tokens revoke {name}` ends it")
    return Made(token=token, scopes=wanted, expires_at=expires_at)


def known_token(services: Services, token: str) -> ApiToken | None:
    """The token, if it is one of ours and its time is not over; that it was used is kept, to the hour."""
    now = services.clock()
    with services.database.read() as session:
        found = api_tokens.find_token(session, hashed(token))
    if found is None or found.expired(now):
        return None
    if api_tokens.use_is_due(found, now):
        with services.database.write() as session:
            api_tokens.note_use(session, found.id, now)
    return found


def hashed(token: str) -> str:
    """What is kept of a token. It has 256 random bits: nothing slower than one hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()
