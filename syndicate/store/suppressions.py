"""Addresses and domains never to be written to, and why. Addresses stand here as keyed hashes only.

So the list survives the erasure of a person without keeping the person. Imports and issues ask for many at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import bindparam, delete, literal_column, select
from sqlmodel import Session, SQLModel, col

from syndicate.core.addresses import parent_domains
from syndicate.store.compiled import Compiled, as_time
from syndicate.store.statements import among_in, insert_new, key_list
from syndicate.store.tables import SuppressionRow

Scope = Literal["address", "domain"]
_TABLE = SQLModel.metadata.tables[str(SuppressionRow.__tablename__)]


class SuppressionReason(StrEnum):
    """Why an address or a domain is never written to."""

    UNSUBSCRIBED = "unsubscribed"
    HARD = "hard"
    COMPLAINT = "complaint"
    MANUAL = "manual"
    ERASURE = "gdpr-erasure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One entry. ``value`` is a keyed hash (scope address) or an A-label domain."""

    id: int
    scope: Scope
    value: str
    reason: SuppressionReason
    note: str
    created_at: datetime


def add(
    session: Session, scope: Scope, value: str, reason: SuppressionReason, *, now: datetime, note: str = ""
) -> bool:
    """Enter an address hash or a domain; one that stands already keeps its first reason. Says whether it is new."""
    row = {"scope": scope, "value": value, "reason": reason.value, "note": note, "created_at": now}
    return insert_new(session, SuppressionRow, row, ("scope", "value"))


def remove(session: Session, scope: Scope, value: str) -> bool:
    """Take an entry out. Says whether there was one."""
    statement = delete(SuppressionRow).where(col(SuppressionRow.scope) == scope, col(SuppressionRow.value) == value)
    result: Any = session.execute(statement)
    return bool(result.rowcount)


def suppression_of(session: Session, email_hash: str, domain: str) -> Suppression | None:
    """The entry that covers an address: its own, else that of its domain or of a domain above it."""
    parents = list(parent_domains(domain))
    rows = _COVERS.rows(session, {"hash": email_hash, "domains": key_list(session, parents)})
    found = {row[1:3]: row for row in rows}
    for place in (("address", email_hash), *(("domain", parent) for parent in parents)):
        if place in found:
            number, scope, value, reason, note, created_at = found[place]
            at = as_time(created_at)
            assert at is not None  # noqa: S101 - the column is never empty
            return Suppression(
                id=number, scope=scope, value=value, reason=SuppressionReason(reason), note=note, created_at=at
            )
    return None


def is_suppressed(session: Session, email_hash: str, domain: str) -> bool:
    """Whether an address may not be written to."""
    return suppression_of(session, email_hash, domain) is not None


def suppressed_hashes(session: Session, hashes: Iterable[str]) -> dict[str, str]:
    """Those of the address hashes that stand on the list, with the reason."""
    return _reasons(session, "address", hashes)


def suppressed_domains(session: Session, domains: Iterable[str]) -> dict[str, str]:
    """Those of the domains that stand on the list, or a domain above them, with the reason."""
    asked = {domain: tuple(parent_domains(domain)) for domain in domains}
    listed = _reasons(session, "domain", {parent for parents in asked.values() for parent in parents})
    found = {}
    for domain, parents in asked.items():
        for parent in parents:
            if parent in listed:
                found[domain] = listed[parent]
                break
    return found


def suppressions(session: Session, *, limit: int = 100, before: int | None = None) -> list[Suppression]:
    """Entries, newest first; ``before`` is the id that the page before ended with."""
    query = select(SuppressionRow).order_by(col(SuppressionRow.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(SuppressionRow.id) < before)
    return [_suppression(row) for row in session.execute(query).scalars()]


def entry_by_id(session: Session, number: int) -> Suppression | None:
    """The entry of that number."""
    row = session.get(SuppressionRow, number)
    return None if row is None else _suppression(row)


def entry(session: Session, scope: Scope, value: str) -> Suppression | None:
    """The entry of an address hash or of a domain itself."""
    query = select(SuppressionRow).where(col(SuppressionRow.scope) == scope, col(SuppressionRow.value) == value)
    row = session.execute(query).scalar_one_or_none()
    return None if row is None else _suppression(row)


def _reasons(session: Session, scope: Scope, values: Iterable[str]) -> dict[str, str]:
    rows = _LISTED.rows(session, {"scope": scope, "values": key_list(session, list(values))})
    return {row[0]: row[1] for row in rows}


_LISTED = Compiled(
    lambda dialect: select(_TABLE.c.value, _TABLE.c.reason).where(
        _TABLE.c.scope == bindparam("scope"), among_in(dialect, _TABLE.c.value, bindparam("values"))
    )
)


_COLUMNS = (_TABLE.c.id, _TABLE.c.scope, _TABLE.c.value, _TABLE.c.reason, _TABLE.c.note, _TABLE.c.created_at)
# Two halves and no OR: each is found by the index.
_COVERS = Compiled(
    lambda dialect: (
        select(*_COLUMNS)
        .where(_TABLE.c.scope == literal_column("'address'"), _TABLE.c.value == bindparam("hash"))
        .union_all(
            select(*_COLUMNS).where(
                _TABLE.c.scope == literal_column("'domain'"), among_in(dialect, _TABLE.c.value, bindparam("domains"))
            )
        )
    )
)


def _suppression(row: SuppressionRow) -> Suppression:
    assert row.id is not None  # noqa: S101 - read from the table
    scope: Scope = "domain" if row.scope == "domain" else "address"
    return Suppression(
        id=row.id,
        scope=scope,
        value=row.value,
        reason=SuppressionReason(row.reason),
        note=row.note,
        created_at=row.created_at,
    )
