"""What the store knows that explains one reader's deliveries: for ``why``. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from syndicate.config.sections import Selection
from syndicate.core.editing import Edits
from syndicate.core.happenings import DeliveryFacts
from syndicate.core.selection import Outline, Standing
from syndicate.errors import UnknownNameError
from syndicate.model import Article, DeliveryState, IssueState
from syndicate.store.articles import articles, matching, outlines, to_article
from syndicate.store.tables import CohortRow, DeliveryRow, EditionRow, IssueRow, JointEditionRow, SubscriberRow

_NEAR = 2_000  # addresses that are compared with one that is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFacts:
    """An issue without its sums, which cost a look at every row. ``pruned``: its rows are not kept any more."""

    id: int
    digest: str
    period: str
    state: IssueState
    reason: str | None
    subject: str
    max_seq: int
    composed_at: datetime
    pruned: bool
    recipients: int
    edits: Edits
    made_with: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortFacts:
    """Where a delivery's subscription stood at the freeze. ``recipients``: how many stood alike."""

    id: int
    standing: Standing
    language: str
    left_over: tuple[int, ...]
    recipients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionFacts:
    """The edition of a delivery. ``articles`` are ``{"id", "version", "role"}``; ``kept``: its message is there."""

    id: int
    language: str
    subject: str
    articles: Sequence[dict[str, Any]]
    kept: bool
    plan: Mapping[str, Any] | None
    pruned_at: datetime | None

    @property
    def chosen(self) -> set[int]:
        """The articles that were chosen for it before an editor or a withdrawal changed it."""
        plan = self.plan or {}
        return {*plan.get("articles", ()), *plan.get("headlines", ())}


class SameMail(NamedTuple):
    """One delivery of a mail for several digests."""

    delivery_id: int
    issue_id: int
    edition_id: int | None
    digest: str


class JointFacts(NamedTuple):
    """The rendering of such a mail: its leading issue, its editions in order, its bytes while they are kept."""

    id: int
    issue_id: int
    parts: tuple[int, ...]
    subject: str
    message: bytes | None
    pruned_at: datetime | None


def issues_of(session: Session, digests: Iterable[str], subscriber_id: int, limit: int) -> list[IssueFacts]:
    """The newest issues of these digests, and those with a delivery to the subscriber, newest first."""
    own = select(col(DeliveryRow.issue_id)).where(col(DeliveryRow.subscriber_id) == subscriber_id)
    query = select(IssueRow).where(or_(col(IssueRow.digest).in_(list(digests)), col(IssueRow.id).in_(own)))
    rows = session.execute(query.order_by(col(IssueRow.id).desc()).limit(limit)).scalars()
    return [_issue(row) for row in rows]


def issue_facts(session: Session, issue_id: int) -> IssueFacts:
    """One issue. Raises UnknownNameError."""
    row = session.execute(select(IssueRow).where(col(IssueRow.id) == issue_id)).scalar_one_or_none()
    if row is None:
        raise UnknownNameError(f"there is no issue {issue_id}; `syndicate issues list` names those there are")
    return _issue(row)


def deliveries_to(session: Session, subscriber_id: int, issue_ids: Sequence[int]) -> dict[int, DeliveryFacts]:
    """The subscriber's deliveries of these issues, by issue."""
    query = select(DeliveryRow).where(
        col(DeliveryRow.subscriber_id) == subscriber_id, col(DeliveryRow.issue_id).in_(issue_ids)
    )
    found = {row.issue_id: _delivery(row) for row in session.execute(query).scalars()}
    follow = [row for row in found.values() if row.joined_to not in (None, row.id)]
    due = select(col(DeliveryRow.id), col(DeliveryRow.due_at)).where(
        col(DeliveryRow.id).in_([row.joined_to for row in follow])
    )
    # One that follows is due when the one that leads is.
    leaders = {number: due_at for number, due_at in session.execute(due)} if follow else {}  # noqa: C416
    return found | {row.issue_id: replace(row, due_at=leaders.get(row.joined_to, row.due_at)) for row in follow}


def delivery_by_id(session: Session, issue_id: int, delivery_id: int) -> tuple[DeliveryFacts, int | None] | None:
    """One delivery of an issue, and its reader's number; None when there is none of that number."""
    query = select(DeliveryRow).where(col(DeliveryRow.id) == delivery_id, col(DeliveryRow.issue_id) == issue_id)
    row = session.execute(query).scalar_one_or_none()
    return None if row is None else (_delivery(row), row.subscriber_id)


def same_mail(session: Session, subscriber_id: int, rows: Iterable[DeliveryFacts]) -> dict[int, list[SameMail]]:
    """The deliveries that shared their mails with these, by the id of each of these."""
    groups = {row.joined_to for row in rows if row.joined_to is not None}
    if not groups:
        return {}
    query = (
        select(
            col(DeliveryRow.id),
            col(DeliveryRow.joined_to),
            col(DeliveryRow.issue_id),
            col(DeliveryRow.edition_id),
            col(IssueRow.digest),
        )
        .join(IssueRow, col(IssueRow.id) == col(DeliveryRow.issue_id))
        .where(col(DeliveryRow.subscriber_id) == subscriber_id, col(DeliveryRow.joined_to).in_(groups))
    )
    of_group: dict[int, list[SameMail]] = {}
    for row in session.execute(query):
        of_group.setdefault(row.joined_to, []).append(SameMail(row.id, row.issue_id, row.edition_id, row.digest))
    for each in of_group.values():
        each.sort()
    return {row.id: of_group[row.joined_to] for row in rows if row.joined_to is not None}


def joint_facts(session: Session, joint_edition_id: int) -> JointFacts | None:
    """The rendering of a mail for several digests."""
    query = select(JointEditionRow).where(col(JointEditionRow.id) == joint_edition_id)
    row = session.execute(query).scalar_one_or_none()
    if row is None or row.id is None:
        return None
    parts = tuple(int(part) for part in row.parts.split("+"))
    return JointFacts(row.id, row.issue_id, parts, row.subject, row.message, row.pruned_at)


def delivery_before(session: Session, subscriber_id: int, issue: IssueFacts) -> tuple[DeliveryFacts, int] | None:
    """The subscriber's delivery of the issue of that digest before this one, and how far that one looked."""
    query = (
        select(DeliveryRow, col(IssueRow.max_seq))
        .join(IssueRow, col(IssueRow.id) == col(DeliveryRow.issue_id))
        .where(
            col(DeliveryRow.subscriber_id) == subscriber_id,
            col(IssueRow.digest) == issue.digest,
            col(IssueRow.id) < issue.id,
            col(IssueRow.given_back).is_(False),
        )
        .order_by(col(IssueRow.id).desc())
        .limit(1)
    )
    row = session.execute(query).first()
    return None if row is None else (_delivery(row[0]), row[1])


def cohorts_by_id(session: Session, ids: Iterable[int]) -> dict[int, CohortFacts]:
    """Cohorts; those whose issue was pruned are left out."""
    rows = session.execute(select(CohortRow).where(col(CohortRow.id).in_(list(ids)))).scalars()
    return {row.id: _cohort(row) for row in rows if row.id is not None}


def editions_by_id(session: Session, ids: Iterable[int]) -> dict[int, EditionFacts]:
    """Editions, without their messages."""
    query = select(
        col(EditionRow.id),
        col(EditionRow.language),
        col(EditionRow.subject),
        col(EditionRow.articles),
        col(EditionRow.message).is_not(None).label("kept"),
        col(EditionRow.plan),
        col(EditionRow.pruned_at),
    ).where(col(EditionRow.id).in_(list(ids)))
    return {row.id: EditionFacts(**row._asdict()) for row in session.execute(query)}


def article_at(session: Session, address: str) -> Article:
    """The article with this web address or tag: URI, the newest if there are more. Raises UnknownNameError."""
    query = select(articles).where(or_(articles.c.url == address, articles.c.uid == address))
    row = session.connection().execute(query.order_by(articles.c.id.desc()).limit(1)).first()
    if row is None:
        raise UnknownNameError(
            f"no article has the address {address}; it must be written as its source gives it (`syndicate poll` reads)"
        )
    return to_article(row)


def outlines_between(session: Session, after_seq: int, up_to: int, selection: Selection) -> list[Outline]:
    """Outline the articles of a selection with numbers after one and up to another, whatever their state is now."""
    numbered = articles.c.seq > after_seq, articles.c.seq <= up_to
    ids = list(session.connection().execute(select(articles.c.id).where(*numbered, *matching(selection))).scalars())
    return outlines(session, ids)


def issue_with(session: Session, subscriber_id: int, before: IssueFacts, article_id: int) -> int | None:
    """The last issue of a digest before this one whose edition for the subscriber had the article."""
    query = (
        select(col(DeliveryRow.issue_id), col(EditionRow.articles))
        .join(EditionRow, col(EditionRow.id) == col(DeliveryRow.edition_id))
        .join(IssueRow, col(IssueRow.id) == col(DeliveryRow.issue_id))
        .where(
            col(DeliveryRow.subscriber_id) == subscriber_id,
            col(IssueRow.digest) == before.digest,
            col(IssueRow.id) < before.id,
        )
        .order_by(col(IssueRow.id).desc())
    )
    for issue_id, shown in session.execute(query):
        if any(entry["id"] == article_id for entry in shown):
            return int(issue_id)
    return None


def is_of(session: Session, article_id: int, selection: Selection) -> bool:
    """Whether a selection takes an article, whatever its state."""
    query = select(articles.c.id).where(articles.c.id == article_id, *matching(selection))
    return session.connection().execute(query).first() is not None


def titles(session: Session, ids: Iterable[int]) -> dict[int, tuple[str, str | None]]:
    """Title and address of articles."""
    table = articles.c
    rows = session.connection().execute(select(table.id, table.title, table.url).where(table.id.in_(list(ids))))
    return {row.id: (row.title, row.url) for row in rows}


def addresses_of(session: Session, ids: Iterable[int]) -> dict[str, int]:
    """Articles by web address and by ``tag:`` URI."""
    table = articles.c
    query = select(table.id, table.uid, table.url).where(table.id.in_(list(ids))).order_by(table.id)
    found: dict[str, int] = {}
    for row in session.connection().execute(query):
        found.update({address: row.id for address in (row.uid, row.url) if address})
    return found


def addresses_near(session: Session, email_key: str) -> list[str]:
    """Addresses that begin like this one: those to look for a slip of the pen in."""
    start = email_key[:2]
    query = select(col(SubscriberRow.email)).where(col(SubscriberRow.email_key).startswith(start, autoescape=True))
    return list(session.execute(query.order_by(col(SubscriberRow.email_key)).limit(_NEAR)).scalars())


def nameless(session: Session, issue_id: int | None) -> int:
    """How many deliveries (of one issue) have no reader any more: those of people who were erased."""
    query = select(func.count()).select_from(DeliveryRow).where(col(DeliveryRow.subscriber_id).is_(None))
    if issue_id is not None:
        query = query.where(col(DeliveryRow.issue_id) == issue_id)
    return int(session.execute(query).scalar_one())


def _issue(row: IssueRow) -> IssueFacts:
    assert row.id is not None  # noqa: S101 - read from the table
    return IssueFacts(
        id=row.id,
        digest=row.digest,
        period=row.period,
        state=IssueState(row.state),
        reason=row.reason,
        subject=row.subject,
        max_seq=row.max_seq,
        composed_at=row.composed_at,
        pruned=row.final_counts is not None,
        recipients=row.recipients,
        edits=Edits.of(row.edits),
        made_with=row.made_with,
    )


def _delivery(row: DeliveryRow) -> DeliveryFacts:
    assert row.id is not None  # noqa: S101 - read from the table
    return DeliveryFacts(
        id=row.id,
        issue_id=row.issue_id,
        edition_id=row.edition_id,
        cohort_id=row.cohort_id,
        state=DeliveryState(row.state),
        reason=row.reason,
        attempts=row.attempts,
        due_at=row.due_at,
        first_marked_at=row.first_marked_at,
        marked_at=row.marked_at,
        finished_at=row.finished_at,
        relay=row.relay,
        code=row.reply_code,
        reply=row.reply,
        resolved=row.resolved,
        joined_to=row.joined_to,
        joint_edition_id=row.joint_edition_id,
    )


def _cohort(row: CohortRow) -> CohortFacts:
    assert row.id is not None  # noqa: S101 - read from the table
    return CohortFacts(
        id=row.id,
        standing=Standing(
            cursor=row.cursor,
            first=row.first,
            joined_seq=row.joined_seq,
            topics=row.topics,
            carry=tuple(row.carry),
        ),
        language=row.language,
        left_over=tuple(row.left_over),
        recipients=row.recipients,
    )
