"""Issues as everybody may read them: a list without a ledger's sums, and the message of the widest edition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, exists, select
from sqlmodel import Session, SQLModel

from syndicate.model import IssueState
from syndicate.store.statements import among
from syndicate.store.tables import ArticleRow, EditionRow, IssueRow

_issues = SQLModel.metadata.tables[str(IssueRow.__tablename__)]
_editions = SQLModel.metadata.tables[str(EditionRow.__tablename__)]
_articles = SQLModel.metadata.tables[str(ArticleRow.__tablename__)]
# A draft is nobody's yet, and what was cancelled or skipped is no news.
_SHOWN = (IssueState.RUNNING.value, IssueState.PAUSED.value, IssueState.FINISHED.value)


@dataclass(frozen=True, slots=True)
class ShownIssue:
    """One issue of a digest. ``readable``: its message is still kept."""

    id: int
    digest: str
    subject: str
    composed_at: datetime
    readable: bool


def shown_issues(
    session: Session, digests: Sequence[str], *, limit: int, before: int | None = None
) -> list[ShownIssue]:
    """Read the issues of some digests, newest first; with ``before``, those older than that id."""
    # One that was replaced shows an article that was withdrawn.
    kept = exists().where(_editions.c.issue_id == _issues.c.id, _editions.c.message.is_not(None), _editions.c.current)
    query = (
        select(_issues.c.id, _issues.c.digest, _issues.c.subject, _issues.c.composed_at, kept.label("readable"))
        .where(_issues.c.digest.in_(digests), _issues.c.state.in_(_SHOWN))
        .order_by(_issues.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(_issues.c.id < before)
    return [
        ShownIssue(row.id, row.digest, row.subject, row.composed_at, bool(row.readable))
        for row in session.connection().execute(query)
    ]


def shown_message(
    session: Session, digests: Sequence[str], issue_id: int, language: str, edition_id: int | None = None
) -> bytes | None:
    """Read the message (with slots) of one edition, or of that most readers got; None when there is none to be shown.

    One that was replaced, since an article in it was withdrawn, is shown as what took its place.
    Of several with as many readers, the one in ``language`` comes first.
    """
    query = (
        select(_editions.c.message)
        .join(_issues, _issues.c.id == _editions.c.issue_id)
        .where(
            _issues.c.id == issue_id,
            _issues.c.digest.in_(digests),
            _issues.c.state.in_(_SHOWN),
            _editions.c.message.is_not(None),
            _editions.c.current,
        )
        .order_by(_editions.c.recipients.desc(), _editions.c.language != language, _editions.c.id)
        .limit(1)
    )
    if edition_id is not None:
        query = query.where(_editions.c.id == _successor(session, edition_id))
    found: bytes | None = session.connection().execute(query).scalar_one_or_none()
    return found


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What an issue showed of an article that was withdrawn since."""

    title: str
    url: str | None
    summary: str | None


def taken_back(session: Session, issue_ids: Sequence[int], *, widest: bool = False) -> dict[int, list[TakenBack]]:
    """Read, by issue, the articles of its editions (``widest``: of that most readers got) that were withdrawn since."""
    query = select(_editions.c.issue_id, _editions.c.articles).where(
        among(session, _editions.c.issue_id, issue_ids), _editions.c.current
    )
    if widest:
        one = _editions.alias("one")
        first = select(one.c.id).where(one.c.issue_id == _editions.c.issue_id, one.c.current)
        query = query.where(
            _editions.c.id == first.order_by(one.c.recipients.desc(), one.c.id).limit(1).scalar_subquery()
        )
    shown: dict[int, set[int]] = {}
    for row in session.connection().execute(query):
        shown.setdefault(row.issue_id, set()).update(each["id"] for each in row.articles)
    ids = sorted(set().union(*shown.values()))
    gone = select(_articles.c.id, _articles.c.title, _articles.c.url, _articles.c.summary).where(
        among(session, _articles.c.id, ids), _articles.c.withdrawn_at.is_not(None)
    )
    found = {row.id: TakenBack(row.title, row.url, row.summary) for row in session.connection().execute(gone)}
    return {issue: [found[each] for each in sorted(those) if each in found] for issue, those in shown.items()}


def _successor(session: Session, edition_id: int) -> int:
    """The edition itself, or what took its place in the end."""
    query = select(_editions.c.replaced_by).where(_editions.c.id == bindparam("of"))
    while (found := session.connection().execute(query, {"of": edition_id}).scalar_one_or_none()) is not None:
        edition_id = found
    return edition_id
