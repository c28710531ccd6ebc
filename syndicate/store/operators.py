"""Operators of the console: their accounts, their sessions, and the log of what they did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from syndicate.errors import UnknownNameError
from syndicate.model import Role
from syndicate.store.engine import Database
from syndicate.store.statements import insert_new
from syndicate.store.tables import AuditRow, OperatorRow, OperatorSessionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One account, without what it signs in with."""

    id: int
    name: str
    role: Role
    disabled: bool
    totp: bool
    locked_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a sign-in is compared with, and what came of the last ones."""

    operator: Operator
    password_hash: str
    totp_secret: str | None
    totp_step: int
    recovery: tuple[str, ...]
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the log."""

    id: int
    at: datetime
    operator: str
    action: str
    about: str


def add_operator(session: Session, name: str, role: Role, password_hash: str, now: datetime) -> bool:
    """Enter an account. Says whether the name was free."""
    row: dict[str, Any] = {"name": name, "role": role.value, "password_hash": password_hash, "created_at": now}
    row |= {"totp_step": 0, "recovery": [], "disabled": False, "failures": 0}
    return insert_new(session, OperatorRow, row, ("name",))


def operators(session: Session) -> list[Operator]:
    """All accounts, by name."""
    return [_operator(row) for row in session.execute(select(OperatorRow).order_by(col(OperatorRow.name))).scalars()]


def credentials(session: Session, name: str, *, lock: bool = False) -> Credentials | None:
    """What the account of a name signs in with; ``lock`` keeps others from changing it until the commit."""
    query = select(OperatorRow).where(col(OperatorRow.name) == name)
    row = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if row is None:
        return None
    return Credentials(
        operator=_operator(row),
        password_hash=row.password_hash,
        totp_secret=row.totp_secret,
        totp_step=row.totp_step,
        recovery=tuple(row.recovery),
        failures=row.failures,
    )


def change_operator(session: Session, name: str, **values: Any) -> None:
    """Set columns of an account. Raises UnknownNameError."""
    statement = update(OperatorRow).where(col(OperatorRow.name) == name).values(**values)
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    if result.rowcount != 1:
        raise UnknownNameError(f"there is no operator {name!r}; `syndicate admin list` names those there are")


def open_session(session: Session, key: str, operator_id: int, *, now: datetime, until: datetime) -> None:
    """Let a cookie's hash stand for an operator; sessions that are over go."""
    session.execute(delete(OperatorSessionRow).where(col(OperatorSessionRow.expires_at) <= now))
    session.add(OperatorSessionRow(id=key, operator_id=operator_id, created_at=now, expires_at=until))


def close_session(session: Session, key: str) -> None:
    """Sign out."""
    session.execute(delete(OperatorSessionRow).where(col(OperatorSessionRow.id) == key))


def close_sessions_of(session: Session, name: str) -> None:
    """Sign an operator out everywhere."""
    own = select(col(OperatorRow.id)).where(col(OperatorRow.name) == name)
    session.execute(delete(OperatorSessionRow).where(col(OperatorSessionRow.operator_id).in_(own)))


def signed_in(session: Session, key: str, now: datetime) -> Operator | None:
    """Whom a cookie's hash stands for, if that is not over and the account not disabled."""
    query = (
        select(OperatorRow)
        .join(OperatorSessionRow, col(OperatorSessionRow.operator_id) == col(OperatorRow.id))
        .where(
            col(OperatorSessionRow.id) == key,
            col(OperatorSessionRow.expires_at) > now,
            col(OperatorRow.disabled).is_(False),
        )
    )
    row = session.execute(query).scalar_one_or_none()
    return None if row is None else _operator(row)


def note_audit(session: Session, operator: str, action: str, now: datetime, *, about: str = "") -> None:
    """Write one line of the log."""
    session.add(AuditRow(at=now, operator=operator, action=action, about=about))


class Audited(Database):
    """The same database for one action of an operator: the first transaction that writes brings the line of the log.

    So there is no action without its line, and no line of one that failed. ``noted`` says whether it was written.
    """

    def __init__(self, database: Database, operator: str, action: str, now: datetime, *, about: str = "") -> None:
        self.__dict__.update(database.__dict__)
        self._line = (operator, action, now, about)
        self.noted = False

    @contextmanager
    def write(self, *, snapshot: bool = False) -> Iterator[Session]:
        """As of any database, with the line of the log beside what it writes."""
        with super().write(snapshot=snapshot) as session:
            yield session
            if not self.noted:
                operator, action, now, about = self._line
                note_audit(session, operator, action, now, about=about)
        self.noted = True


def audit_log(session: Session, *, limit: int, before: int | None = None) -> Sequence[AuditEntry]:
    """The log, newest first; ``before`` is the id that the page before ended with."""
    query = select(AuditRow).order_by(col(AuditRow.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(AuditRow.id) < before)
    return [
        AuditEntry(id=row.id or 0, at=row.at, operator=row.operator, action=row.action, about=row.about)
        for row in session.execute(query).scalars()
    ]


def _operator(row: OperatorRow) -> Operator:
    return Operator(
        id=row.id or 0,
        name=row.name,
        role=Role(row.role),
        disabled=row.disabled,
        totp=row.totp_secret is not None,
        locked_until=row.locked_until,
        created_at=row.created_at,
    )
