"""Who sends at present, for showing: processes with what they hold, and the workers that wait for a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, literal_column, select, text
from sqlmodel import Session, col

from syndicate.model import DeliveryState
from syndicate.store.holders import not_alive
from syndicate.store.statements import dialect_of
from syndicate.store.tables import BatchRow, DeliveryRow, HolderRow, RelaySeatRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderStatus:
    """A process that sends, or did until it fell silent (``alive`` false: what it held is taken over soon).

    ``sending`` are deliveries that it has marked; ``batch`` and ``issue`` what it works at, on PostgreSQL;
    ``connections`` how many it may have to each relay, where processes share them.
    """

    host: str
    pid: int
    since: datetime
    seen_at: datetime
    alive: bool
    sending: int
    batch: int | None
    issue: int | None
    connections: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A ``syndicate worker`` (or the one in ``run``) as Procrastinate knows it, at work or waiting for work."""

    worker: int
    seen_at: datetime


def sender_statuses(session: Session, now: datetime) -> list[SenderStatus]:
    """The processes that are sending at this moment, the oldest first. Confirmation mails count as sending, too."""
    counts = session.execute(
        select(col(DeliveryRow.holder), func.count())
        # Written out: only then SQLite takes the partial index of what is being sent.
        .where(col(DeliveryRow.state) == literal_column(f"'{DeliveryState.SENDING.value}'"))
        .group_by(col(DeliveryRow.holder))
    ).all()
    sending = {holder: count for holder, count in counts}  # noqa: C416 - rows are not pairs to mypy
    batches = {
        row.holder: row
        for row in session.execute(
            select(col(BatchRow.holder), col(BatchRow.id), col(BatchRow.issue_id)).where(
                col(BatchRow.holder).is_not(None)
            )
        )
    }
    seats: dict[str, dict[str, int]] = {}
    for row in session.execute(select(RelaySeatRow).order_by(col(RelaySeatRow.relay))).scalars():
        seats.setdefault(row.holder, {})[row.relay] = row.seats
    dead = not_alive(session, col(HolderRow.holder), me=None, alone=False, now=now)
    rows = session.execute(select(HolderRow, dead.label("dead")).order_by(col(HolderRow.started_at))).all()
    return [
        SenderStatus(
            host=holder.host,
            pid=holder.pid,
            since=holder.started_at,
            seen_at=holder.seen_at,
            alive=not silent,
            sending=sending.get(holder.holder, 0),
            batch=batch.id if (batch := batches.get(holder.holder)) is not None else None,
            issue=batch.issue_id if batch is not None else None,
            connections=seats.get(holder.holder, {}),
        )
        for holder, silent in rows
    ]


def worker_statuses(session: Session) -> list[WorkerStatus]:
    """The workers that show life, the oldest first; none on SQLite, where there are none."""
    if dialect_of(session) == "sqlite":
        return []
    rows = session.execute(text("SELECT id, last_heartbeat FROM procrastinate_workers ORDER BY id"))
    return [WorkerStatus(worker=row.id, seen_at=row.last_heartbeat) for row in rows]
