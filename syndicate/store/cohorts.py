"""Who stands where: the confirmed subscriptions of a digest in groups that are alike, and moving those passed over.

Freezing what the others get: ``freeze.py``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Integer, Text, func, select, type_coerce, update
from sqlmodel import Session, col

from syndicate.core.selection import Standing
from syndicate.model import SubscriptionState
from syndicate.store.columns import canonical_json
from syndicate.store.statements import dialect_of, rows_among
from syndicate.store.tables import SubscriberRow, SubscriptionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Subscriptions of one digest that stand alike and read the same language ("" = none chosen)."""

    standing: Standing
    language: str
    subscriptions: int


def cohorts(
    session: Session, digest: str, frequencies: Iterable[str] | None, now: datetime | None = None
) -> list[Cohort]:
    """The confirmed subscriptions of a digest (of these frequencies, None = all), grouped by where they stand.

    Without those who pause; ``now``: pauses that are over by then count as ended. Memory grows with the groups, not
    with the subscriptions.
    """
    found: Counter[tuple[Any, ...]] = Counter()
    for key, count in _grouped(session, confirmed(digest, frequencies, now)):
        found[key] += count
    return [
        Cohort(
            standing=Standing(
                cursor=cursor,
                first=bool(first),
                joined_seq=joined_seq,
                topics=json.loads(topics),
                carry=tuple(json.loads(carry)),
            ),
            language=language,
            subscriptions=count,
        )
        for (cursor, first, joined_seq, topics, carry, language), count in found.items()
    ]


def _grouped(session: Session, conditions: Sequence[Any]) -> Iterator[tuple[tuple[Any, ...], int]]:
    # As they stand in the database: what equal texts mean is read once for each group.
    keys = (
        col(SubscriptionRow.cursor),
        type_coerce(col(SubscriptionRow.first), Integer),
        col(SubscriptionRow.joined_seq),
        type_coerce(col(SubscriptionRow.topics), Text),
        type_coerce(col(SubscriptionRow.carry), Text),
        func.coalesce(col(SubscriberRow.language), "").label("language"),
    )
    query = (
        select(*keys)
        .join(SubscriberRow, col(SubscriberRow.id) == col(SubscriptionRow.subscriber_id))
        .where(*conditions)
    )
    if dialect_of(session) == "postgresql":
        for *key, count in session.connection().execute(query.add_columns(func.count()).group_by(*keys)):
            yield tuple(key), count
        return
    # SQLite groups by sorting all rows, in memory: 105 MB for a million. Counted here they are as fast, if they come
    # as the driver's own tuples: as rows of SQLAlchemy's a million takes 2.4 s instead of 1.1 s.
    result = session.connection().execute(query)
    with closing(result):
        tuples: Iterable[tuple[Any, ...]] = cast("Any", result.cursor)
        yield from Counter(tuples).items()


def confirmed(digest: str, frequencies: Iterable[str] | None, now: datetime | None = None) -> list[Any]:
    """The conditions of the confirmed subscriptions of a digest, of these frequencies (None = all), that do not pause.

    ``now``: pauses that are over by then count as ended.
    """
    paused_until = col(SubscriptionRow.paused_until)
    conditions: list[Any] = [
        col(SubscriptionRow.digest) == digest,
        col(SubscriptionRow.state) == SubscriptionState.CONFIRMED.value,
        paused_until.is_(None) if now is None else paused_until.is_(None) | (paused_until <= now),
    ]
    if frequencies is not None:
        conditions.append(col(SubscriptionRow.frequency).in_([str(frequency) for frequency in frequencies]))
    return conditions


def pass_over(
    session: Session,
    digest: str,
    frequencies: Iterable[str] | None,
    passed: Iterable[tuple[Cohort, tuple[int, ...]]],
    max_seq: int,
    *,
    by_language: bool = False,
) -> int:
    """Move the cursors of confirmed subscriptions for which nothing was there; each cohort comes with its new carry.

    Otherwise a single reader of a quiet topic would make every later run read all articles since. With the cursor at
    ``max_seq`` there is nothing left that ``first`` could bound. ``by_language``: what is passed over depends on the
    readers' languages, too. Returns how many were moved.
    """
    table = SubscriptionRow.__table__.c  # type: ignore[attr-defined]
    columns: list[Any] = [table.cursor, table.joined_seq, table.topics, table.carry]
    if by_language:
        language = select(func.coalesce(col(SubscriberRow.language), ""))
        columns.append(language.where(col(SubscriberRow.id) == table.subscriber_id).scalar_subquery())
    groups: dict[tuple[int, ...], dict[tuple[int | str, ...], None]] = {}
    for cohort, carry in passed:
        standing = cohort.standing
        if standing.cursor < max_seq or carry != standing.carry:
            texts = canonical_json(dict(standing.topics)), canonical_json(standing.carry)
            row: tuple[int | str, ...] = (standing.cursor, standing.joined_seq, *texts)
            groups.setdefault(carry, {})[(*row, cohort.language) if by_language else row] = None
    moved = 0
    # No group finds what one before it moved: a carry that was made anew would be made the same again.
    for carry, rows in groups.items():
        result: Any = session.execute(
            update(SubscriptionRow)
            .where(
                *confirmed(digest, frequencies),
                # ``first`` need not be compared: with joined_seq 0 it bounds nothing, and with another it is true.
                rows_among(session, columns, list(rows)),
            )
            .values(cursor=max_seq, first=False, joined_seq=0, carry=list(carry))
            .execution_options(synchronize_session=False)
        )
        moved += int(result.rowcount)
    return moved
