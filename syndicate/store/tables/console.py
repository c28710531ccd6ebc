"""Who may use the console: operators, where they are signed in, and the log of what they did."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from syndicate.model import Role
from syndicate.store.columns import one_of
from syndicate.store.tables.fields import NEVER_REUSED, json_field, reference, time_field


class OperatorRow(SQLModel, table=True):
    """Somebody who may sign in. ``password_hash`` is argon2id; ``recovery`` holds hashes of codes not used yet.

    ``totp_step``: the last time step whose code was used, so that none is used twice (RFC 6238 5.2).
    """

    __tablename__ = "operators"
    __table_args__ = (
        UniqueConstraint("name", name="uq_operators_name"),
        one_of("role", Role, "ck_operators_role"),
        CheckConstraint("failures >= 0", name="ck_operators_failures"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    name: str
    role: str
    password_hash: str
    totp_secret: str | None = None
    totp_step: int = 0
    recovery: Any = json_field("[]")
    disabled: bool = False
    failures: int = 0
    locked_until: datetime | None = time_field(optional=True)
    created_at: datetime = time_field()


class OperatorSessionRow(SQLModel, table=True):
    """Where an operator is signed in. ``id`` is the hash of what the cookie holds."""

    __tablename__ = "operator_sessions"
    id: str = Field(primary_key=True)
    operator_id: int = reference("operators.id", index=True)
    created_at: datetime = time_field()
    expires_at: datetime = time_field(index=True)


class AuditRow(SQLModel, table=True):
    """What an operator did, when, about which thing; nothing secret, and readers by their number only."""

    __tablename__ = "audit"
    __table_args__ = (NEVER_REUSED,)
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = time_field()
    operator: str
    action: str
    about: str = ""
