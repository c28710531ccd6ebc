"""Looking for deliveries that are due: in a whole issue, or in a range of ids that is worked through in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Select, bindparam, exists, func, literal_column, select, union_all
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from syndicate.model import DeliveryState
from syndicate.store.compiled import Compiled
from syndicate.store.statements import dialect_of
from syndicate.store.tables import DeliveryRow, IssueRow, SubscriberRow, SubscriptionRow, SuppressionRow

_BY_DOMAIN = aliased(SuppressionRow)
RETRIABLE = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
#: When a delivery is due that goes in one mail with another, which leads: never by itself (``joining.py``).
FOLLOWS = datetime(9999, 1, 1, tzinfo=UTC)


def rows_between(first: Any, last: Any, issue_id: Any) -> tuple[Any, ...]:
    """The conditions for an issue's deliveries from one id to another, both included, to be read by their ids.

    With a bare ``issue_id``, PostgreSQL reads the whole issue's queue by ``ix_deliveries_issue_state`` for each of its
    batches, as long as a new issue's rows were not analysed: 1,000,000 rows where there are 2,000.
    """
    return col(DeliveryRow.id).between(first, last), col(DeliveryRow.issue_id) + literal_column("0") == issue_id


@dataclass(slots=True)
class Span:
    """Deliveries from ``first`` to ``last``, both included; ``position`` is where the next look begins.

    Each look from the beginning would read again all rows that are done.
    """

    first: int
    last: int
    position: int = 0

    def moved_on(self, rows: Sequence[Any]) -> bool:
        """Note what a look found, ids first. True when that was nothing and the rows before are worth another look."""
        if rows:
            self.position = int(rows[-1][0]) + 1
            return False
        again = self.position > self.first
        self.position = self.first
        return again


def due_rows(session: Session, issue_id: int, moment: Any, most: int, span: Span | None) -> Sequence[Any]:
    """Due rows with what their messages need, locked, as the driver gives them: the columns of ``_due``.

    ``moment`` is now as the driver takes it.
    """
    values = {"issue": issue_id, "now": moment, "most": most}
    if span is None:
        rows = _DUE.rows(session, values)
    else:
        rows = DUE_WITHIN.rows(session, values | {"first": span.position, "last": span.last})
    found: Sequence[Any] = json.loads(rows[0][0]) if dialect_of(session) == "sqlite" else rows
    return found


def _due(dialect: str, *, within: bool) -> Select[Any]:
    source: Any = DeliveryRow.__table__  # type: ignore[attr-defined]
    if within:
        source = _chosen().subquery("chosen")
    elif dialect == "postgresql":
        source = _longest_due().subquery("chosen")
    due = source.c
    columns: list[Any] = [
        due.id,
        due.issue_id,
        due.edition_id,
        col(IssueRow.digest),
        due.subscriber_id,
        col(SubscriptionRow.id).label("subscription_id"),
        col(SubscriberRow.email),
        col(SubscriberRow.name),
        due.attempts,
        due.first_marked_at,
        col(SubscriberRow.domain),
        col(SubscriptionRow.state).label("subscription_state"),
        col(SuppressionRow.reason).label("suppression"),
        due.joined_to,
        # Few papers suppress whole domains; where none is, nobody has to ask for them.
        exists().where(col(_BY_DOMAIN.scope) == literal_column("'domain'")).label("domains_listed"),
    ]
    rows = (
        select(*columns)
        .select_from(source)
        .join(IssueRow, col(IssueRow.id) == due.issue_id)
        .outerjoin(SubscriberRow, col(SubscriberRow.id) == due.subscriber_id)
        .outerjoin(
            SubscriptionRow,
            (col(SubscriptionRow.subscriber_id) == due.subscriber_id)
            & (col(SubscriptionRow.digest) == col(IssueRow.digest)),
        )
        .outerjoin(
            SuppressionRow,
            (col(SuppressionRow.scope) == literal_column("'address'"))
            & (col(SuppressionRow.value) == col(SubscriberRow.email_hash)),
        )
    )
    if within:
        rows = rows.order_by(due.id)
    elif dialect == "postgresql":
        rows = rows.limit(bindparam("most"))
    else:
        # Two index ranges (issue, state, due_at) rather than one sort over both.
        rows = rows.where(due.issue_id == bindparam("issue"), WAITING, due.due_at <= bindparam("now"))
        rows = rows.limit(bindparam("most"))
    if dialect == "postgresql":
        return rows
    # All rows as one: SQLite's driver hands Python's lock to the thread that sends at each row it gives.
    return select(func.json_group_array(func.json_array(*rows.subquery().c)))


def _chosen() -> Select[Any]:
    # Chosen first, joined second: PostgreSQL joined all 2,000 rows of a batch to give 40, until the new issue's rows
    # were analysed (27 ms, and 0.4 ms to 3 ms with this).
    return (
        select(*_columns())
        .where(
            *rows_between(bindparam("first"), bindparam("last"), bindparam("issue")),
            WAITING,
            col(DeliveryRow.due_at) <= bindparam("now"),
        )
        .order_by(col(DeliveryRow.id))
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )


def _longest_due() -> Select[Any]:
    # In the order of the index (issue, state, due_at), state by state: without an order PostgreSQL reads all rows of an
    # issue that nothing has counted yet, by the index of its subscribers, for each 40 that it gives (100,000: 60 ms).
    # SKIP LOCKED lets several processes take different rows without waiting for each other.
    parts = [
        select(*_columns())
        .where(
            col(DeliveryRow.issue_id) == bindparam("issue"),
            col(DeliveryRow.state) == literal_column(f"'{state}'"),
            col(DeliveryRow.due_at) <= bindparam("now"),
        )
        .order_by(col(DeliveryRow.due_at))
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        .subquery(state)
        for state in RETRIABLE
    ]
    return select(union_all(*(select(part) for part in parts)).subquery("waiting"))


def _columns() -> list[Any]:
    return [
        col(DeliveryRow.id),
        col(DeliveryRow.issue_id),
        col(DeliveryRow.edition_id),
        col(DeliveryRow.first_marked_at),
        col(DeliveryRow.subscriber_id),
        col(DeliveryRow.attempts),
        col(DeliveryRow.joined_to),
    ]


#: The state of a row that may be taken up, written out: a partial index is found by it.
WAITING: Any = literal_column("deliveries.state IN ({})".format(", ".join(f"'{state}'" for state in RETRIABLE)))
_DUE = Compiled(partial(_due, within=False))
DUE_WITHIN = Compiled(partial(_due, within=True))
