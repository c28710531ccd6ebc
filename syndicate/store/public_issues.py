"""The issues that everybody may read, with their largest editions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, SQLModel

from syndicate.model import IssueState
from syndicate.store.statements import upsert
from syndicate.store.tables import EditionRow, IssueRow, MetaRow

PUBLIC_STATES = (IssueState.RUNNING, IssueState.PAUSED, IssueState.FINISHED)

_issues = SQLModel.metadata.tables[str(IssueRow.__tablename__)]
_editions = SQLModel.metadata.tables[str(EditionRow.__tablename__)]
_meta = SQLModel.metadata.tables[str(MetaRow.__tablename__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicIssue:
    """One issue with its largest edition: ``message`` is MIME with slots (None once pruned), ``articles`` their ids."""

    id: int
    digest: str
    subject: str
    composed_at: datetime
    edition_id: int
    language: str
    message: bytes | None
    articles: Sequence[int]


def public_issue_ids(session: Session, digest: str, limit: int) -> list[int]:
    """The newest public issues of a digest, newest first: one small query."""
    query = (
        select(_issues.c.id)
        .where(_issues.c.digest == digest, _issues.c.state.in_([state.value for state in PUBLIC_STATES]))
        .order_by(_issues.c.composed_at.desc(), _issues.c.id.desc())
        .limit(limit)
    )
    return list(session.connection().execute(query).scalars())


def editions_mark(session: Session, ids: Sequence[int]) -> int:
    """A number that changes when another edition takes the place of one of these issues'."""
    query = select(func.count(), func.coalesce(func.max(_editions.c.id), 0)).where(
        _editions.c.issue_id.in_(list(ids)), _editions.c.current.is_(False)
    )
    count, last = session.connection().execute(query).one()
    return int(count) + int(last)


def public_issues(session: Session, ids: Sequence[int]) -> list[PublicIssue]:
    """These issues, newest first, each with the edition that most readers got. One without editions is left out."""
    found: dict[int, Any] = {}
    query = (
        select(
            _issues.c.id,
            _issues.c.digest,
            _issues.c.composed_at,
            _editions.c.id.label("edition_id"),
            _editions.c.subject,
            _editions.c.language,
            _editions.c.message,
            _editions.c.articles,
        )
        .join(_editions, _editions.c.issue_id == _issues.c.id)
        .where(_issues.c.id.in_(list(ids)), _editions.c.current)
        .order_by(_issues.c.composed_at.desc(), _issues.c.id.desc(), _editions.c.recipients.desc(), _editions.c.id)
    )
    for row in session.connection().execute(query):
        found.setdefault(row.id, row)
    return [
        PublicIssue(
            id=row.id,
            digest=row.digest,
            subject=row.subject,
            composed_at=row.composed_at,
            edition_id=row.edition_id,
            language=row.language,
            message=row.message,
            articles=tuple(article["id"] for article in row.articles),
        )
        for row in found.values()
    ]


def first_told(session: Session, key: str, value: str) -> str:
    """What this fact was when it was told first: ids are made of it, and must outlive a change of the settings."""
    connection = session.connection()
    connection.execute(upsert(session, _meta).values(key=key, value=value).on_conflict_do_nothing())
    told: str = connection.execute(select(_meta.c.value).where(_meta.c.key == key)).scalar_one()
    return told
