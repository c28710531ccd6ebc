"""Issues that wait for their approval: reading and rewriting their editions, letting them go, giving them back.

A draft is frozen like any issue, deliveries and cursors included; nothing of it leaves before it runs. What does not go
is given back: its readers stand again where they stood, or carry its articles to their next issue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, select, update
from sqlmodel import Session, col

from syndicate.core.editing import Edits
from syndicate.errors import TransitionError
from syndicate.model import DeliveryState, IssueState
from syndicate.store.articles import articles, chunks
from syndicate.store.batches import slice_issue
from syndicate.store.issue_events import note_event
from syndicate.store.issues import change_state
from syndicate.store.jobs import call_workers
from syndicate.store.owing import owe_withdrawn, shown_for_the_first_time
from syndicate.store.reopening import lock_issue
from syndicate.store.tables import CohortRow, DeliveryRow, EditionRow, IssueRow, SubscriptionRow

_OPEN = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEdition:
    """An edition as it stands: what it shows, and what was chosen for its readers. ``empty``: nothing is left of it."""

    id: int
    key: str
    language: str
    subject: str
    articles: Sequence[dict[str, Any]]
    plan: Mapping[str, Any]
    recipients: int
    empty: bool

    @property
    def chosen(self) -> set[int]:
        """The ids of all articles that were chosen for it."""
        plan = self.plan
        return {*plan["articles"], *plan["headlines"], *plan["corrections"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An issue with what it is made of: an editor's changes and its current editions, the widest first."""

    id: int
    digest: str
    period: str
    state: IssueState
    edits: Edits
    composed_at: datetime
    local_day: date | None
    editions: tuple[KeptEdition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """An edition made anew. Without a message nothing is left of it."""

    id: int
    subject: str
    articles: Sequence[Mapping[str, Any]]
    message: bytes | None


def read_made(session: Session, issue_id: int, *, lock: bool = False) -> Made:
    """The issue with its current editions; ``lock``: nobody changes it before this transaction ends.

    Raises UnknownNameError.
    """
    issue = lock_issue(session, issue_id, lock=lock)
    rows = session.execute(
        select(
            col(EditionRow.id),
            col(EditionRow.key),
            col(EditionRow.language),
            col(EditionRow.subject),
            col(EditionRow.articles),
            col(EditionRow.plan),
            col(EditionRow.recipients),
            col(EditionRow.message).is_(None).label("empty"),
        )
        .where(col(EditionRow.issue_id) == issue_id, col(EditionRow.current))
        .order_by(col(EditionRow.recipients).desc(), col(EditionRow.id))
    )
    return Made(
        id=issue_id,
        digest=issue.digest,
        period=issue.period,
        state=IssueState(issue.state),
        edits=Edits.of(issue.edits),
        composed_at=issue.composed_at,
        local_day=None if issue.local_day is None else date.fromisoformat(issue.local_day),
        editions=tuple(KeptEdition(**row._asdict() | {"plan": row.plan or planned_from(row.articles)}) for row in rows),
    )


def planned_from(articles: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was chosen, for editions of before that was kept: what they show."""
    ids: dict[str, list[int]] = {"full": [], "headline": [], "correction": []}
    for entry in articles:
        ids[entry["role"]].append(entry["id"])
    return {"articles": ids["full"], "headlines": ids["headline"], "corrections": ids["correction"], "more": 0}


def require_draft(made: Made) -> None:
    """Raise TransitionError unless the issue waits for its approval."""
    if made.state is not IssueState.DRAFT:
        raise TransitionError(f"issue {made.id} is {made.state}; only a draft can be edited or approved")


def rewrite(session: Session, made: Made, edits: Edits, editions: Sequence[Rewritten]) -> None:
    """Put editions made anew in the place of a draft's own, with the changes that made them. Nothing of it has left."""
    for edition in editions:
        session.execute(
            update(EditionRow)
            .where(col(EditionRow.id) == edition.id, col(EditionRow.issue_id) == made.id)
            .values(subject=edition.subject, articles=list(edition.articles), message=edition.message)
            .execution_options(synchronize_session=False)
        )
    subject = next((edition.subject for edition in editions if edition.message is not None), "")
    session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == made.id)
        .values(edits=edits.document() if edits.any else None, subject=subject)
        .execution_options(synchronize_session=False)
    )


def let_go(session: Session, issue_id: int, now: datetime) -> None:
    """Let a draft run: what is due of it may leave. Readers of whose edition nothing is left get nothing.

    What was chosen for them and withdrawn meanwhile is owed to them, should it come back. Raises TransitionError unless
    it is a draft.
    """
    change_state(session, issue_id, expected=[IssueState.DRAFT], to=IssueState.RUNNING, now=now)
    made = read_made(session, issue_id)
    for edition in made.editions:
        missing = {*edition.plan["articles"], *edition.plan["headlines"]} - shown_for_the_first_time(edition.articles)
        open_rows = col(DeliveryRow.state).in_(_OPEN)
        owe_withdrawn(session, edition.id, missing - set(made.edits.dropped), open_rows)
    empty = select(col(EditionRow.id)).where(col(EditionRow.issue_id) == issue_id, col(EditionRow.message).is_(None))
    session.execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.issue_id) == issue_id,
            col(DeliveryRow.state).in_(_OPEN),
            col(DeliveryRow.edition_id).in_(empty),
        )
        .values(
            state=DeliveryState.CANCELLED.value,
            reason="nothing is left of it: its articles were dropped or withdrawn",
            finished_at=now,
        )
        .execution_options(synchronize_session=False)
    )
    slice_issue(session, issue_id)
    call_workers(session, issue_id)


def take_back(
    session: Session, issue_id: int, *, to: IssueState, reason: str, now: datetime, by: str | None = None
) -> None:
    """End a draft: it is ``cancelled`` or ``skipped`` with its reason, and its articles are given back.

    Raises TransitionError unless it is a draft.
    """
    change_state(session, issue_id, expected=[IssueState.DRAFT], to=to, now=now)
    session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == issue_id)
        .values(reason=reason, finished_at=now, given_back=True)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.state).in_(_OPEN))
        .values(state=DeliveryState.CANCELLED.value, reason=reason, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    _give_back(session, issue_id)
    note_event(session, issue_id, "cancelled" if to is IssueState.CANCELLED else "lapsed", now, by=by)


def overdue(session: Session, now: datetime) -> list[tuple[int, str]]:
    """The drafts whose deadline has come, oldest first, with what shall become of them."""
    query = select(col(IssueRow.id), col(IssueRow.deadline_action)).where(
        col(IssueRow.state) == IssueState.DRAFT.value,
        col(IssueRow.deadline_at) <= now,
        col(IssueRow.deadline_action).is_not(None),
    )
    return [(row.id, row.deadline_action) for row in session.execute(query.order_by(col(IssueRow.id)))]


def miss_deadline(session: Session, issue_id: int, reason: str) -> bool:
    """Leave a draft as it is that could not go at its deadline: from now on it waits for somebody.

    False when it is no draft any more.
    """
    result: Any = session.execute(
        update(IssueRow)
        .where(col(IssueRow.id) == issue_id, col(IssueRow.state) == IssueState.DRAFT.value)
        .values(deadline_action=None, reason=reason)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount)


def _give_back(session: Session, issue_id: int) -> None:
    """Put the readers of a draft where they stood, if nothing moved them since; else they carry what it held for them.

    ``first`` is true again only for who joined anew since: a first issue looks back by itself.
    """
    row = session.execute(select(col(IssueRow.max_seq), col(IssueRow.digest)).where(col(IssueRow.id) == issue_id)).one()
    own = [
        col(SubscriptionRow.digest) == row.digest,
        col(SubscriptionRow.first).is_(False),
        col(DeliveryRow.issue_id) == issue_id,
        col(DeliveryRow.subscriber_id) == col(SubscriptionRow.subscriber_id),
        col(CohortRow.id) == col(DeliveryRow.cohort_id),
    ]
    unmoved = and_(col(SubscriptionRow.cursor) == row.max_seq, col(SubscriptionRow.carry) == col(CohortRow.left_over))
    groups = session.execute(
        select(
            col(SubscriptionRow.carry),
            col(CohortRow.id),
            col(CohortRow.carry),
            col(EditionRow.plan),
            col(EditionRow.articles),
        )
        .select_from(SubscriptionRow)
        .join(DeliveryRow, col(DeliveryRow.subscriber_id) == col(SubscriptionRow.subscriber_id))
        .join(CohortRow, col(CohortRow.id) == col(DeliveryRow.cohort_id))
        .join(EditionRow, col(EditionRow.id) == col(CohortRow.edition_id))
        .where(*own, ~unmoved)
        .distinct()
    ).all()
    for carry, cohort_id, _, plan, shown in groups:
        chosen = plan or planned_from(shown)
        held = {*chosen["articles"], *chosen["headlines"], *(-each for each in chosen["corrections"])}
        session.execute(
            update(SubscriptionRow)
            .where(*own, ~unmoved, col(CohortRow.id) == cohort_id, col(SubscriptionRow.carry) == carry)
            .values(carry=sorted({*carry, *held}))
            .execution_options(synchronize_session=False)
        )
    session.execute(
        update(SubscriptionRow)
        .where(*own, unmoved)
        .values(
            cursor=col(CohortRow.cursor),
            first=col(CohortRow.first),
            joined_seq=col(CohortRow.joined_seq),
            carry=col(CohortRow.carry),
        )
        .execution_options(synchronize_session=False)
    )


def versions_of(session: Session, ids: Iterable[int]) -> dict[int, tuple[int, bool]]:
    """The version of articles, and whether they are withdrawn: what an edition was made of may have changed since."""
    found = {}
    for chunk in chunks(ids):
        query = select(articles.c.id, articles.c.version, articles.c.withdrawn_at).where(articles.c.id.in_(chunk))
        found.update(
            {row.id: (row.version, row.withdrawn_at is not None) for row in session.connection().execute(query)}
        )
    return found
