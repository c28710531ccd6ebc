"""The history of deliveries that were not accepted at once: kept for ``why``, in the transaction of each outcome.

An acceptance stands on the delivery's own row, so that the way of most deliveries writes nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Insert, bindparam, insert, literal, or_, select, update
from sqlmodel import Session, SQLModel, col

from syndicate.core.happenings import Attempt
from syndicate.model import AttemptEvent, DeliveryState, OutcomeKind
from syndicate.store.articles import chunks
from syndicate.store.deliveries import Result
from syndicate.store.due import FOLLOWS
from syndicate.store.tables import AttemptRow, DeliveryRow

_ATTEMPTS = SQLModel.metadata.tables[str(AttemptRow.__tablename__)]
_DELIVERIES = SQLModel.metadata.tables[str(DeliveryRow.__tablename__)]


def note(session: Session, results: Sequence[Result], now: datetime) -> None:
    """Keep what was just recorded of the results that were not accepted.

    To be called in the transaction of ``deliveries.record``, after it and with the same ``now``: it copies from the
    rows, so a row that another process took over is left out, and one that was erased keeps no words of the server.
    """
    values = [
        {
            "b_id": number,
            "b_event": _event(result).value,
            "b_state": result.state.value,
            "b_due": result.due_at,
            # Those that go in one mail with another are due never by themselves.
            "b_row_due": result.due_at if number == result.task.id else FOLLOWS,
            "b_now": now,
        }
        for result in results
        if result.state is not DeliveryState.ACCEPTED
        for number in result.task.rows
    ]
    if values:
        session.connection().execute(_NOTE, values)


def note_crash(
    session: Session, delivery_ids: Sequence[int], reason: str, now: datetime, *, next_at: datetime | None
) -> None:
    """Keep that a process died over these deliveries; ``next_at`` when the policy has them sent again."""
    marked = _DELIVERIES.c.marked_at
    _copy(session, delivery_ids, event=AttemptEvent.IN_DOUBT, at=now, begun_at=marked, reason=reason, next_at=next_at)


def note_decision(session: Session, delivery_ids: Sequence[int], event: AttemptEvent, now: datetime) -> None:
    """Keep that the operator had these deliveries resent, skipped or retried."""
    _copy(session, delivery_ids, event=event, at=now, next_at=None if event is AttemptEvent.SKIPPED else now)


def forget_words(session: Session, subscriber_id: int) -> None:
    """Blank what servers said about a subscriber who is erased: it often repeats the address."""
    own = select(_DELIVERIES.c.id).where(_DELIVERIES.c.subscriber_id == subscriber_id)
    session.connection().execute(update(_ATTEMPTS).where(_ATTEMPTS.c.delivery_id.in_(own)).values(reply=None))


def attempts_of(session: Session, delivery_ids: Iterable[int]) -> dict[int, list[Attempt]]:
    """The histories of deliveries, oldest first; those without one are left out."""
    found: dict[int, list[Attempt]] = {}
    for chunk in chunks(delivery_ids):
        query = select(AttemptRow).where(col(AttemptRow.delivery_id).in_(chunk)).order_by(col(AttemptRow.id))
        for row in session.execute(query).scalars():
            found.setdefault(row.delivery_id, []).append(_attempt(row))
    return found


def _event(result: Result) -> AttemptEvent:
    """An answer that was lost is in doubt whatever the policy makes of the row; so is what was put off for too long."""
    kind = result.outcome.kind
    if kind is OutcomeKind.IN_DOUBT:
        return AttemptEvent.IN_DOUBT
    if kind is OutcomeKind.DEFERRED and result.state is DeliveryState.REJECTED:
        return AttemptEvent.GIVEN_UP
    return AttemptEvent(result.state.value)


def _attempt(row: AttemptRow) -> Attempt:
    return Attempt(
        number=row.number,
        event=AttemptEvent(row.event),
        at=row.at,
        begun_at=row.begun_at,
        reason=row.reason,
        relay=row.relay,
        code=row.reply_code,
        reply=row.reply,
        next_at=row.next_at,
    )


def _recorded() -> Insert:
    rows, due = _DELIVERIES.c, bindparam("b_due", type_=_DELIVERIES.c.due_at.type)
    row_due = bindparam("b_row_due", type_=_DELIVERIES.c.due_at.type)
    now = bindparam("b_now", type_=_ATTEMPTS.c.at.type)
    source = select(
        rows.id,
        rows.attempts,
        bindparam("b_event", type_=_ATTEMPTS.c.event.type),
        now,
        rows.marked_at,
        rows.reason,
        rows.relay,
        rows.reply_code,
        rows.reply,
        due,
    ).where(
        rows.id == bindparam("b_id"),
        rows.state == bindparam("b_state"),
        # What another process made of a row that it took over has other times.
        or_(rows.finished_at == now, rows.due_at == row_due),
    )
    names = ("number", "event", "at", "begun_at", "reason", "relay", "reply_code", "reply", "next_at")
    return insert(_ATTEMPTS).from_select(["delivery_id", *names], source, include_defaults=False)


_NOTE = _recorded()


def _copy(session: Session, delivery_ids: Sequence[int], **values: Any) -> None:
    columns = {
        name: value if isinstance(value, Column) else literal(value, _ATTEMPTS.c[name].type)
        for name, value in values.items()
    }
    for chunk in chunks(delivery_ids):
        source = select(_DELIVERIES.c.id, _DELIVERIES.c.attempts, *columns.values()).where(_DELIVERIES.c.id.in_(chunk))
        session.connection().execute(
            insert(_ATTEMPTS).from_select(["delivery_id", "number", *columns], source, include_defaults=False)
        )
