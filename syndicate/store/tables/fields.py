"""Fields that many tables share: times, JSON, references, and ids that never come back."""

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String
from sqlmodel import Field

from syndicate.store.columns import CanonicalJson, UtcDateTime

# Ids stand in signed links and Message-IDs: a number must never come back for somebody else, as SQLite's rowids do.
NEVER_REUSED = {"sqlite_autoincrement": True}
BIG_ID = BigInteger().with_variant(Integer, "sqlite")
# In the order of bytes whatever the locale is, so that a beginning is a range; SQLite has no other.
BYTEWISE = String().with_variant(String(collation="C"), "postgresql")


def time_field(*, optional: bool = False, index: bool = False) -> Any:
    return Field(sa_column=Column(UtcDateTime, nullable=optional, index=index), default=None if optional else ...)


def json_field(default: str = "{}") -> Any:
    return Field(sa_column=Column(CanonicalJson, nullable=False, server_default=default))


def reference(target: str, *, ondelete: str = "CASCADE", optional: bool = False, index: bool = False) -> Any:
    column: Column[int] = Column(Integer, ForeignKey(target, ondelete=ondelete), nullable=optional, index=index)
    return Field(sa_column=column, default=None if optional else ...)
