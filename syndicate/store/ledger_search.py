"""An issue's ledger searched: by state, relay, reply code and address, a page at a time, whatever the issue's size.

One page looks through at most ``SPAN`` rows: a filter that hardly any row of a million passes says how far it looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, select
from sqlmodel import Session, SQLModel

from syndicate.model import DeliveryState
from syndicate.store.listings import FEW, rows_in
from syndicate.store.subscribers import subscribers
from syndicate.store.tables import DeliveryRow

SPAN: Final = 5_000
_DELIVERIES = SQLModel.metadata.tables[str(DeliveryRow.__tablename__)]
#: Where a page ended: ("s", subscriber), or ("d", delivery) among those whose receivers were erased.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a delivery must be to be shown; None = whatever."""

    state: DeliveryState | None = None
    relay: str | None = None
    code: int | None = None
    email_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One delivery of an issue. ``email`` and ``subscriber_id`` are None once its reader was erased."""

    id: int
    subscriber_id: int | None
    email: str | None
    state: DeliveryState
    reason: str | None
    attempts: int
    due_at: datetime
    finished_at: datetime | None
    relay: str | None
    code: int | None
    reply: str | None
    resolved: bool


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Some lines, and where to go on, None at the end. ``cut``: it ended because so many rows were looked through."""

    lines: Sequence[LedgerLine]
    next: Place | None
    cut: bool = False


def search(session: Session, issue_id: int, wanted: Wanted, *, limit: int, after: Place | None = None) -> LedgerPage:
    """The lines that are wanted, by their readers' numbers, then those of readers who were erased."""
    if wanted.email_key is not None:
        return LedgerPage(_lines(session, _of_reader(issue_id, wanted)), None)
    if wanted.state is not None:
        few = list(session.connection().execute(rows_in(issue_id, wanted.state)).scalars())
        if len(few) <= FEW:
            return _few(session, few, wanted, limit, after)
    lines: list[LedgerLine] = []
    start = after or ("s", 0)
    if start[0] == "s":
        window = _bounds(session, readers_between(issue_id, start[1]))
        if window is not None:
            last, full = window
            rows = _DELIVERIES.c.subscriber_id
            span = (_DELIVERIES.c.issue_id == issue_id, rows > start[1], rows <= last)
            lines = _lines(session, _wanted(span, wanted).order_by(rows).limit(limit + 1))
            if len(lines) > limit:
                return LedgerPage(lines[:limit], ("s", lines[limit - 1].subscriber_id or 0))
            if full:
                return LedgerPage(lines, ("s", last), cut=True)
        start = ("d", 0)
    nameless = _DELIVERIES.c.issue_id == issue_id, _DELIVERIES.c.subscriber_id.is_(None), _DELIVERIES.c.id > start[1]
    window = _bounds(session, nameless_after(issue_id, start[1]))
    if window is None:
        return LedgerPage(lines, None)
    last, full = window
    room = limit - len(lines)
    lines += _lines(
        session, _wanted((*nameless, _DELIVERIES.c.id <= last), wanted).order_by(_DELIVERIES.c.id).limit(room + 1)
    )
    if len(lines) > limit:
        kept = lines[:limit]
        return LedgerPage(kept, _place(kept[-1]) if kept[-1].subscriber_id is None else ("d", start[1]))
    return LedgerPage(lines, ("d", last) if full else None, cut=full)


def readers_between(issue_id: int, after: int) -> Select[Any]:
    """The next readers of an issue, at most ``SPAN``; walks ``uq_deliveries_issue_subscriber`` alone."""
    table = _DELIVERIES.c
    query = select(table.subscriber_id).where(table.issue_id == issue_id, table.subscriber_id > after)
    return query.order_by(table.subscriber_id).limit(SPAN)


def nameless_after(issue_id: int, after: int) -> Select[Any]:
    """The next deliveries whose readers were erased, at most ``SPAN``; the same index."""
    table = _DELIVERIES.c
    query = select(table.id).where(table.issue_id == issue_id, table.subscriber_id.is_(None), table.id > after)
    return query.order_by(table.id).limit(SPAN)


def _bounds(session: Session, numbers: Select[Any]) -> tuple[int, bool] | None:
    found = list(session.connection().execute(numbers).scalars())
    return (found[-1], len(found) == SPAN) if found else None


def _few(session: Session, few: Sequence[int], wanted: Wanted, limit: int, after: Place | None) -> LedgerPage:
    """Of a state with few rows all are read, and put in order here."""
    lines = _lines(session, _wanted((_DELIVERIES.c.id.in_(few),), wanted))
    lines.sort(key=_place_key)
    if after is not None:
        lines = [line for line in lines if _place_key(line) > (after[0] == "d", after[1])]
    return LedgerPage(lines[:limit], _place(lines[limit - 1]) if len(lines) > limit else None)


def _of_reader(issue_id: int, wanted: Wanted) -> Select[Any]:
    person = select(subscribers.c.id).where(subscribers.c.email_key == wanted.email_key).scalar_subquery()
    return _wanted((_DELIVERIES.c.issue_id == issue_id, _DELIVERIES.c.subscriber_id == person), wanted)


def _wanted(rows: Sequence[ColumnElement[bool]], wanted: Wanted) -> Select[Any]:
    table = _DELIVERIES.c
    query = select(_DELIVERIES, subscribers.c.email).outerjoin(subscribers, subscribers.c.id == table.subscriber_id)
    query = query.where(*rows)
    if wanted.state is not None:
        # Not by the index of states: the rows are found already, and in order.
        query = query.where(table.state.concat("") == wanted.state.value)
    if wanted.relay is not None:
        query = query.where(table.relay == wanted.relay)
    if wanted.code is not None:
        query = query.where(table.reply_code == wanted.code)
    return query


def _place(line: LedgerLine) -> Place:
    return ("d", line.id) if line.subscriber_id is None else ("s", line.subscriber_id)


def _place_key(line: LedgerLine) -> tuple[bool, int]:
    kind, number = _place(line)
    return kind == "d", number


def _lines(session: Session, query: Select[Any]) -> list[LedgerLine]:
    return [
        LedgerLine(
            id=row.id,
            subscriber_id=row.subscriber_id,
            email=row.email,
            state=DeliveryState(row.state),
            reason=row.reason,
            attempts=row.attempts,
            due_at=row.due_at,
            finished_at=row.finished_at,
            relay=row.relay,
            code=row.reply_code,
            reply=row.reply,
            resolved=row.resolved,
        )
        for row in session.connection().execute(query)
    ]
