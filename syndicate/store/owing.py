"""Articles that left an issue under way because they were withdrawn: noted with the readers who did not get them.

They stand in the subscription's ``carry``: should one come back, it goes with the next issue (``core/selection.py``).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlmodel import Session, col

from syndicate.store.articles import articles, chunks
from syndicate.store.tables import DeliveryRow, EditionRow, IssueRow, SubscriptionRow


def owe_withdrawn(session: Session, edition_id: int, article_ids: Collection[int], *rows: ColumnElement[bool]) -> None:
    """Note those of the articles that are withdrawn with the readers of an edition whose deliveries ``rows`` describe.

    Before these are given another edition. Who joined anew since is owed nothing of before.
    """
    gone = withdrawn_among(session, article_ids)
    if not gone:
        return
    issue_id, digest = session.execute(
        select(col(IssueRow.id), col(IssueRow.digest))
        .join(EditionRow, col(EditionRow.issue_id) == col(IssueRow.id))
        .where(col(EditionRow.id) == edition_id)
    ).one()
    readers = select(col(DeliveryRow.subscriber_id)).where(
        col(DeliveryRow.issue_id) == issue_id,
        col(DeliveryRow.edition_id) == edition_id,
        col(DeliveryRow.subscriber_id).is_not(None),
        *rows,
    )
    own = (
        col(SubscriptionRow.digest) == digest,
        col(SubscriptionRow.first).is_(False),
        col(SubscriptionRow.subscriber_id).in_(readers),
    )
    for carry in session.execute(select(col(SubscriptionRow.carry)).where(*own).distinct()).scalars().all():
        if not gone <= set(carry):
            session.execute(
                update(SubscriptionRow)
                .where(*own, col(SubscriptionRow.carry) == carry)
                .values(carry=sorted({*carry, *gone}))
                .execution_options(synchronize_session=False)
            )


def withdrawn_among(session: Session, ids: Collection[int]) -> set[int]:
    """Those of these articles that are withdrawn."""
    found: set[int] = set()
    for chunk in chunks(sorted(ids)):
        query = select(articles.c.id).where(articles.c.id.in_(chunk), articles.c.withdrawn_at.is_not(None))
        found.update(session.connection().execute(query).scalars())
    return found


def shown_for_the_first_time(shown: Any) -> set[int]:
    """The ids among an edition's ``articles`` but for those of corrections: their readers have them already."""
    return {entry["id"] for entry in shown if entry["role"] != "correction"}
