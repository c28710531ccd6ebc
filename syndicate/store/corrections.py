"""Finds who got an article that says something else since, and notes it with their subscriptions: what they are owed.

Derived from the ledger alone, so that it can be done again at any time: who got the new version, as an article or as a
correction, or will get it, is owed nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlmodel import Session, col

from syndicate.core.corrections import owed, with_owed
from syndicate.model import DeliveryState, IssueState, SubscriptionState
from syndicate.store.articles import articles
from syndicate.store.tables import DeliveryRow, EditionRow, IssueRow, SubscriptionRow

# Who got an article longer ago is not told any more.
WITHIN = timedelta(days=31)
_GOT = (DeliveryState.ACCEPTED.value, DeliveryState.IN_DOUBT.value)
_WILL_GET = (*_GOT, DeliveryState.QUEUED.value, DeliveryState.SENDING.value, DeliveryState.DEFERRED.value)
_LEFT = (IssueState.RUNNING.value, IssueState.PAUSED.value, IssueState.FINISHED.value, IssueState.CANCELLED.value)
# Headlines are no article: who got one was told nothing that could be wrong, and is not told now.
_HAD = frozenset({"full", "correction"})


def owe_corrections(session: Session, digest: str, now: datetime) -> int:
    """Note the corrections that readers of a digest are owed. Returns how many subscriptions that changed.

    One small query while no article was corrected lately.
    """
    corrected = {
        row.id: row.material_version
        for row in session.connection().execute(
            select(articles.c.id, articles.c.material_version).where(
                articles.c.material_version > 1,
                articles.c.withdrawn_at.is_(None),
                func.coalesce(articles.c.updated_at, articles.c.changed_at) > now - WITHIN,
            )
        )
    }
    if not corrected:
        return 0
    old: dict[int, set[tuple[int, int]]] = {}
    new: dict[int, set[tuple[int, int]]] = {}
    for edition_id, issue_id, shown in _editions(session, digest, now):
        for entry in shown:
            version = corrected.get(entry["id"])
            if version is not None and entry["role"] in _HAD:
                found = old if entry["version"] < version else new
                found.setdefault(entry["id"], set()).add((issue_id, edition_id))
    return sum(
        _owe(session, digest, article_id, editions, new.get(article_id, set())) for article_id, editions in old.items()
    )


def _editions(session: Session, digest: str, now: datetime) -> list[tuple[int, int, list[dict[str, Any]]]]:
    query = (
        select(col(EditionRow.id), col(EditionRow.issue_id), col(EditionRow.articles))
        .join(IssueRow, col(IssueRow.id) == col(EditionRow.issue_id))
        .where(
            col(IssueRow.digest) == digest,
            col(IssueRow.composed_at) > now - WITHIN,
            col(IssueRow.state).in_((*_LEFT, IssueState.DRAFT.value, IssueState.SCHEDULED.value)),
        )
    )
    return [(row.id, row.issue_id, row.articles) for row in session.execute(query)]


def _owe(session: Session, digest: str, article_id: int, old: set[tuple[int, int]], new: set[tuple[int, int]]) -> int:
    # Whoever they are, they stay in the database: an article may have gone to a million.
    readers = [
        col(SubscriptionRow.digest) == digest,
        col(SubscriptionRow.state) == SubscriptionState.CONFIRMED.value,
        col(SubscriptionRow.subscriber_id).in_(_readers(old, _GOT)),
    ]
    if new:
        readers.append(col(SubscriptionRow.subscriber_id).not_in(_readers(new, _WILL_GET)))
    count = 0
    for carry in session.execute(select(col(SubscriptionRow.carry)).where(*readers).distinct()).scalars().all():
        # Left over, it is still to come, in its new version.
        if article_id in owed(carry) or article_id in carry:
            continue
        result: Any = session.execute(
            update(SubscriptionRow)
            .where(*readers, col(SubscriptionRow.carry) == carry)
            .values(carry=list(with_owed(carry, [article_id])))
            .execution_options(synchronize_session=False)
        )
        count += int(result.rowcount)
    return count


def _readers(editions: set[tuple[int, int]], states: tuple[str, ...]) -> Any:
    by_issue: dict[int, list[int]] = {}
    for issue_id, edition_id in editions:
        by_issue.setdefault(issue_id, []).append(edition_id)
    return select(col(DeliveryRow.subscriber_id)).where(
        or_(
            *(
                and_(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.edition_id).in_(sorted(ids)))
                for issue_id, ids in sorted(by_issue.items())
            )
        ),
        col(DeliveryRow.state).in_(states),
        col(DeliveryRow.subscriber_id).is_not(None),
    )
