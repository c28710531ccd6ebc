"""The accounts of operators: add, change the password or the second factor, disable."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from threading import BoundedSemaphore
from typing import Final

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from syndicate.errors import UsageError
from syndicate.model import Role
from syndicate.store import operators
from syndicate.store.engine import Database

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LEAST, _MOST = 12, 1024  # characters of a password; length, not rules about characters (NIST SP 800-63B 5.1.1.2)
_RECOVERY_CODES = 8
_HASHER: Final = PasswordHasher()  # argon2id with the second of RFC 9106's recommended parameters
# Each takes 64 MiB: a crowd at the door must not take the machine's memory.
_AT_ONCE: Final = BoundedSemaphore(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactor:
    """What an operator's authenticator is set up with, shown once. ``uri``: for a QR code (otpauth)."""

    secret: str
    uri: str
    recovery: tuple[str, ...]


def add_operator(database: Database, name: str, password: str, role: Role, now: datetime) -> None:
    """Add an account. Raises UsageError for a bad or taken name, or a password that is too short."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be an operator's name: letters, digits and . _ @ -, at most 64")
    hashed = _hashed(password)
    with database.write() as session:
        if not operators.add_operator(session, name, role, hashed, now):
            raise UsageError(f"there is an operator {name!r} already; `syndicate admin password {name}` changes it")
        operators.note_audit(session, "command line", "operator added", now, about=f"{name} ({role})")


def set_password(database: Database, name: str, password: str, now: datetime) -> None:
    """Change a password, lift a lock-out, and sign the operator out everywhere. Raises UsageError, UnknownNameError."""
    hashed = _hashed(password)
    with database.write() as session:
        operators.change_operator(session, name, password_hash=hashed, failures=0, locked_until=None)
        operators.close_sessions_of(session, name)
        operators.note_audit(session, "command line", "password changed", now, about=name)


def set_disabled(database: Database, name: str, now: datetime, *, disabled: bool) -> None:
    """Keep an operator out, at once, or let one in again. Raises UnknownNameError."""
    with database.write() as session:
        operators.change_operator(session, name, disabled=disabled)
        operators.close_sessions_of(session, name)
        action = "operator disabled" if disabled else "operator enabled"
        operators.note_audit(session, "command line", action, now, about=name)


def set_second_factor(database: Database, name: str, issuer: str, now: datetime) -> SecondFactor:
    """Ask for a code at each sign-in from now on; an earlier secret and its codes end. Raises UnknownNameError."""
    secret = pyotp.random_base32()
    codes = tuple(f"{secrets.token_hex(4)}-{secrets.token_hex(4)}" for _ in range(_RECOVERY_CODES))
    with database.write() as session:
        kept = [recovery_hash(code) for code in codes]
        operators.change_operator(session, name, totp_secret=secret, totp_step=0, recovery=kept)
        operators.note_audit(session, "command line", "second factor set", now, about=name)
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)
    return SecondFactor(secret=secret, uri=uri, recovery=codes)


def drop_second_factor(database: Database, name: str, now: datetime) -> None:
    """Ask for the password only. Raises UnknownNameError."""
    with database.write() as session:
        operators.change_operator(session, name, totp_secret=None, recovery=[])
        operators.note_audit(session, "command line", "second factor dropped", now, about=name)


def recovery_hash(code: str) -> str:
    """A recovery code as it is kept. Its 64 bits are random: no slow hash is needed."""
    return hashlib.sha256(code.strip().lower().encode()).hexdigest()


def verified(password_hash: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed; without a hash it takes as long and is not."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(password_hash or _nobody(), password[: _MOST + 1]) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


_NOBODY: list[str] = []


def _nobody() -> str:
    if not _NOBODY:
        _NOBODY.append(_HASHER.hash(secrets.token_hex(16)))
    return _NOBODY[0]


def _hashed(password: str) -> str:
    if not _LEAST <= len(password) <= _MOST:
        raise UsageError(f"a password has {_LEAST} to {_MOST} characters; this one has {len(password)}")
    with _AT_ONCE:
        return _HASHER.hash(password)
