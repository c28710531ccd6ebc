"""Signing in to the console and out of it: password, one-time code, lock-out after failures, sessions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

import pyotp
from sqlmodel import Session

from syndicate.pipeline.operators.accounts import recovery_hash, verified
from syndicate.store import operators
from syndicate.store.engine import Database
from syndicate.store.operators import Credentials, Operator

FAILURES: Final = 5  # in a row, after which an account is locked
LOCKED_FOR: Final = timedelta(minutes=15)
_STEP: Final = 30  # seconds (RFC 6238 4.1)


def sign_in(
    database: Database, name: str, password: str, code: str, *, lifetime: timedelta, now: datetime
) -> str | None:
    """The secret for the cookie of a new session; None for whatever is wrong, which is not told apart.

    A locked account refuses also what is right.
    """
    with database.read() as session:
        found = operators.credentials(session, name)
    right = verified(None if found is None else found.password_hash, password)
    if found is None:
        return None
    with database.write() as session:
        kept = operators.credentials(session, name, lock=True)
        if kept is None or kept.operator.disabled or _locked(kept, now):
            return None
        if not (right and kept.password_hash == found.password_hash and _second(session, kept, code, now)):
            _count_failure(session, kept, now)
            return None
        operators.change_operator(session, name, failures=0, locked_until=None)
        token = secrets.token_urlsafe(32)
        operators.open_session(session, session_key(token), kept.operator.id, now=now, until=now + lifetime)
        operators.note_audit(session, name, "signed in", now)
    return token


def sign_out(database: Database, token: str, operator: Operator, now: datetime) -> None:
    """End a session."""
    with database.write() as session:
        operators.close_session(session, session_key(token))
        operators.note_audit(session, operator.name, "signed out", now)


def who(database: Database, token: str, now: datetime) -> Operator | None:
    """Whose session a cookie's secret is, while it lasts."""
    with database.read() as session:
        return operators.signed_in(session, session_key(token), now)


def log_action(database: Database, operator: Operator, action: str, now: datetime, *, about: str = "") -> None:
    """Write down what an operator did."""
    with database.write() as session:
        operators.note_audit(session, operator.name, action, now, about=about)


def session_key(token: str) -> str:
    """A session's name in the database; nobody who reads it there can sign in with it."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(token: str) -> str:
    """What each form of a session carries: only our own pages know it, so only they can send it (CSRF)."""
    return hmac.new(token.encode(), b"console form", hashlib.sha256).hexdigest()


def _locked(kept: Credentials, now: datetime) -> bool:
    until = kept.operator.locked_until
    return until is not None and until > now


def _count_failure(session: Session, kept: Credentials, now: datetime) -> None:
    failures = kept.failures + 1
    if failures < FAILURES:
        operators.change_operator(session, kept.operator.name, failures=failures)
        return
    operators.change_operator(session, kept.operator.name, failures=0, locked_until=now + LOCKED_FOR)
    operators.note_audit(session, kept.operator.name, "locked after failures", now)


def _second(session: Session, kept: Credentials, code: str, now: datetime) -> bool:
    """Whether the second factor is right, or none is asked for; a code that was used is spent."""
    if kept.totp_secret is None:
        return True
    name, code = kept.operator.name, code.replace(" ", "")
    step = int(now.timestamp()) // _STEP
    for each in (step - 1, step, step + 1):
        right = hmac.compare_digest(pyotp.TOTP(kept.totp_secret).at(each * _STEP).encode(), code.encode())
        if right and each > kept.totp_step:
            operators.change_operator(session, name, totp_step=each)
            return True
    hashed = recovery_hash(code)
    if hashed not in kept.recovery:
        return False
    operators.change_operator(session, name, recovery=[each for each in kept.recovery if each != hashed])
    operators.note_audit(session, name, "recovery code used", now)
    return True
