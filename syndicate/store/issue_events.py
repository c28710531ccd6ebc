"""What was done to an issue beside sending it, in order: edited, approved, cancelled, lapsed; by whom, if known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from syndicate.store.tables import IssueEventRow


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueEvent:
    """One thing done to an issue. Of ``edited`` and ``undone``, ``detail`` holds the changes before and after it."""

    event: str
    at: datetime
    by: str | None
    detail: Mapping[str, Any]


def note_event(
    session: Session,
    issue_id: int,
    event: str,
    now: datetime,
    *,
    by: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Keep that something was done to an issue, in the transaction that does it."""
    session.add(IssueEventRow(issue_id=issue_id, at=now, event=event, by=by, detail=dict(detail or {})))
    session.flush()


def events_of(session: Session, issue_id: int) -> list[IssueEvent]:
    """All that was done to an issue, oldest first."""
    rows = session.execute(
        select(IssueEventRow).where(col(IssueEventRow.issue_id) == issue_id).order_by(col(IssueEventRow.id))
    ).scalars()
    return [IssueEvent(event=row.event, at=row.at, by=row.by, detail=row.detail) for row in rows]
