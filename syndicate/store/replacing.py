"""Editions of issues under way that hold a withdrawn article: finding them, and putting others in their place.

A row that was never attempted gets the new edition. One that was attempted keeps its own: the same Message-ID must mean
the same bytes. The old edition stays for those rows, and for ``replay``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlmodel import Session, col

from syndicate.model import DeliveryState, IssueState
from syndicate.store.owing import owe_withdrawn, shown_for_the_first_time
from syndicate.store.tables import DeliveryRow, EditionRow, IssueRow

_UNDER_WAY = (
    IssueState.DRAFT.value,
    IssueState.SCHEDULED.value,
    IssueState.RUNNING.value,
    IssueState.PAUSED.value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """An edition of an issue under way. ``current``: no other took its place yet."""

    id: int
    issue_id: int
    state: IssueState
    current: bool
    replaced_by: int | None
    shown: frozenset[int]


def under_way(session: Session) -> list[Touched]:
    """The editions of all issues that are not over."""
    query = (
        select(
            col(EditionRow.id),
            col(EditionRow.issue_id),
            col(IssueRow.state),
            col(EditionRow.current),
            col(EditionRow.replaced_by),
            col(EditionRow.articles),
        )
        .join(IssueRow, col(IssueRow.id) == col(EditionRow.issue_id))
        .where(col(IssueRow.state).in_(_UNDER_WAY))
        .order_by(col(EditionRow.id))
    )
    return [
        Touched(
            id=row.id,
            issue_id=row.issue_id,
            state=IssueState(row.state),
            current=row.current,
            replaced_by=row.replaced_by,
            shown=frozenset(entry["id"] for entry in row.articles),
        )
        for row in session.execute(query)
    ]


def replace_edition(
    session: Session,
    old_id: int,
    *,
    key: str,
    subject: str,
    articles: Sequence[Mapping[str, Any]],
    plan: Mapping[str, Any],
    message: bytes,
    now: datetime,
) -> int | None:
    """Put another edition in the place of one, for rows to come; returns its id, None when that was done already.

    An edition of the same issue that shows the same takes the place itself.
    """
    issue_id, language = session.execute(
        select(col(EditionRow.issue_id), col(EditionRow.language)).where(col(EditionRow.id) == old_id)
    ).one()
    if not _supersede(session, old_id):
        return None
    same = session.execute(
        select(col(EditionRow.id), col(EditionRow.current)).where(
            col(EditionRow.issue_id) == issue_id, col(EditionRow.key) == key
        )
    ).one_or_none()
    new_id = same.id if same is not None and same.current else None
    if same is not None and new_id is None:
        key = f"{key[:20]}+{old_id}"  # the one that showed the same was replaced itself, and its article is back
    if new_id is None:
        row = EditionRow(
            issue_id=issue_id,
            key=key,
            language=language,
            subject=subject,
            articles=list(articles),
            plan=dict(plan),
            message=message,
            composed_at=now,
        )
        session.add(row)
        session.flush()
        new_id = row.id
    session.execute(
        update(EditionRow)
        .where(col(EditionRow.id) == old_id)
        .values(replaced_by=new_id)
        .execution_options(synchronize_session=False)
    )
    return new_id


def end_edition(session: Session, old_id: int) -> bool:
    """Let nothing take the place of an edition of which nothing is left. False when that was done already."""
    return _supersede(session, old_id)


def move_rows(session: Session, old_id: int, new_id: int | None, *, reason: str, now: datetime) -> int:
    """Give the rows of an edition that were never attempted another one; without one, cancel them with the reason.

    What is on the wire, deferred or in doubt keeps its own. The withdrawn articles that their readers do not get now
    are owed to them, should they come back. Returns how many rows that changed.
    """
    owe_withdrawn(session, old_id, _shown(session, old_id) - _shown(session, new_id), *_never_attempted(old_id))
    values: dict[str, Any] = {"edition_id": new_id}
    if new_id is None:
        values = {"state": DeliveryState.CANCELLED.value, "reason": reason, "finished_at": now}
    issue = select(col(EditionRow.issue_id)).where(col(EditionRow.id) == old_id).scalar_subquery()
    result: Any = session.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.issue_id) == issue, *_never_attempted(old_id))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    count = int(result.rowcount)
    if count and new_id is not None:
        for edition_id, change in ((old_id, -count), (new_id, count)):
            session.execute(
                update(EditionRow)
                .where(col(EditionRow.id) == edition_id)
                .values(recipients=col(EditionRow.recipients) + change)
                .execution_options(synchronize_session=False)
            )
    return count


def rows_to_move(session: Session, edition_ids: Iterable[int]) -> set[int]:
    """Those of these editions, replaced already, that a row never attempted still refers to.

    A row that was marked when its edition was replaced, and then put back unsent, is one.
    """
    ids = list(edition_ids)
    if not ids:
        return set()
    issues = select(col(EditionRow.issue_id)).where(col(EditionRow.id).in_(ids))
    query = (
        select(col(DeliveryRow.edition_id))
        .where(
            col(DeliveryRow.issue_id).in_(issues),
            col(DeliveryRow.edition_id).in_(ids),
            col(DeliveryRow.state) == DeliveryState.QUEUED.value,
            col(DeliveryRow.attempts) == 0,
        )
        .group_by(col(DeliveryRow.edition_id))
    )
    return {found for found in session.execute(query).scalars() if found is not None}


def _never_attempted(edition_id: int) -> tuple[Any, ...]:
    # Queued again after a doubt or a refusal counts its attempts: such a row had its message.
    return (
        col(DeliveryRow.edition_id) == edition_id,
        col(DeliveryRow.state) == DeliveryState.QUEUED.value,
        col(DeliveryRow.attempts) == 0,
    )


def _shown(session: Session, edition_id: int | None) -> set[int]:
    query = select(col(EditionRow.articles)).where(col(EditionRow.id) == edition_id)
    return shown_for_the_first_time(session.execute(query).scalar_one_or_none() or ())


def _supersede(session: Session, edition_id: int) -> bool:
    result: Any = session.execute(
        update(EditionRow)
        .where(and_(col(EditionRow.id) == edition_id, col(EditionRow.current)))
        .values(current=False)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount)


def live_revision(session: Session) -> tuple[int, int]:
    """What changes when an issue comes or an edition is made: the last ids of both."""
    issues = session.execute(select(func.max(col(IssueRow.id)))).scalar_one() or 0
    editions = session.execute(select(func.max(col(EditionRow.id)))).scalar_one() or 0
    return int(issues), int(editions)
