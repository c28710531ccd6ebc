"""Procrastinate's jobs, one for each batch that has something to send: deferred here, in our own transactions.

Only on PostgreSQL: on SQLite the one process that sends needs no jobs, and nothing here does anything. The task itself
is registered in ``service/worker.py``. Jobs are changed by Procrastinate's own SQL functions alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy import String, cast, column, func, literal, null, select, table, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from syndicate.model import IssueState
from syndicate.store.batches import Batch, Left, give_back, reopen
from syndicate.store.deliveries import running_issues
from syndicate.store.due import FOLLOWS, RETRIABLE, rows_between
from syndicate.store.holders import DEAD_AFTER, not_alive
from syndicate.store.statements import dialect_of
from syndicate.store.tables import BatchRow, DeliveryRow, IssueRow
from syndicate.store.waiting import next_due

QUEUE = "deliveries"
TASK = "deliver_batch"

# Among the jobs that wait, a queueing lock is unique: a batch has one at most. A time of NULL means now.
_DEFER = text(
    """
SELECT procrastinate_defer_jobs_v1(array_agg(
    ROW(:queue, :task, 0, NULL, 'batch/' || b.id, jsonb_build_object('batch_id', b.id),
        CAST(:at AS timestamptz))::procrastinate_job_to_defer_v1 ORDER BY b.id))
FROM unnest(CAST(:ids AS integer[])) AS b(id)
WHERE NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.queueing_lock = 'batch/' || b.id AND j.status = 'todo')
"""
)
# A job that waits for a later retry would keep rows waiting that are due sooner.
_WITHDRAW = text(
    """
SELECT procrastinate_cancel_job_v1(j.id, false, true)
FROM unnest(CAST(:ids AS integer[])) AS b(id)
JOIN procrastinate_jobs j ON j.queueing_lock = 'batch/' || b.id AND j.status = 'todo'
WHERE j.scheduled_at > COALESCE(CAST(:at AS timestamptz), now())
"""
)
# Ended and deferred anew, not retried: a worker that was only frozen then finds the end of its job refused, instead of
# ending the one that another worker took up; and a new job wakes a worker up, a retried one waits to be found.
_END_STALLED = text(
    """
SELECT procrastinate_finish_job_v1(j.id, 'failed', true)
FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
WHERE j.status = 'doing' AND j.queue_name = :queue
  AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => :silent))
"""
)
_SWEEP_LOCK = int("sweeping", 36)
_jobs = table("procrastinate_jobs", column("queueing_lock"), column("status"))


def call_workers(session: Session, issue_id: int, *, in_waves: bool = False) -> int:
    """Defer a job for each batch of an issue that may have rows waiting, in this transaction. Returns how many.

    For an issue that begins or goes on, or whose rows were queued anew. A job that finds nothing due yet looks up when
    that will be and defers the next one; ``in_waves`` for an issue that begins and stands in the order of its waves:
    then workers are called when each has come.
    """
    if not _has_jobs(session):
        return 0
    reopen(session, issue_id)
    first_due = col(DeliveryRow.due_at) if in_waves else null()
    query = (
        select(col(BatchRow.id), first_due)
        .join(IssueRow, col(IssueRow.id) == col(BatchRow.issue_id))
        .where(
            col(BatchRow.issue_id) == issue_id,
            col(BatchRow.finished).is_(False),
            col(IssueRow.state) == IssueState.RUNNING.value,
        )
    )
    if in_waves:
        query = query.join(DeliveryRow, col(DeliveryRow.id) == col(BatchRow.first_id))
    by_time: dict[datetime | None, list[int]] = {}
    for batch_id, due_at in session.execute(query):
        by_time.setdefault(due_at, []).append(batch_id)
    return sum(_defer(session, batch_ids, at=due_at) for due_at, batch_ids in by_time.items())


def hand_on(session: Session, batch: Batch, now: datetime, *, not_before: datetime) -> Left | None:
    """Give a batch back and defer the job that goes on with it when its next row is due, in this transaction.

    A paused issue gets none: it defers its jobs when it is resumed. None when the batch was lost or its issue is over.
    """
    left = give_back(session, batch)
    # What goes in one mail with deliveries of another issue comes with these.
    if left is None or left.due_at is None or left.due_at >= FOLLOWS or not _has_jobs(session):
        return left
    if running_issues(session, [batch.issue_id]):
        _defer(session, [batch.id], at=max(left.due_at, not_before) if left.due_at > now else None)
    return left


def take_broom(session: Session) -> bool:
    """Whether this transaction is the only one that sweeps; on PostgreSQL."""
    return bool(session.execute(select(func.pg_try_advisory_xact_lock(_SWEEP_LOCK))).scalar_one())


def sweep(session: Session, now: datetime) -> int:
    """Defer jobs for batches that have due rows and no job, however it was lost. Returns how many.

    A job that a worker took with it when it died is ended first. Costs two probes of an index for each running issue
    and a look at each batch without a job.
    """
    if not _has_jobs(session):
        return 0
    session.execute(_END_STALLED, {"queue": QUEUE, "silent": DEAD_AFTER.total_seconds()})
    for issue_id in running_issues(session):
        due_at = next_due(session, issue_id)
        if due_at is not None and due_at <= now and not _has_batches(session, issue_id):
            reopen(session, issue_id)
    due = (
        select(col(DeliveryRow.id))
        .where(
            *rows_between(col(BatchRow.first_id), col(BatchRow.last_id), col(BatchRow.issue_id)),
            col(DeliveryRow.state).in_(RETRIABLE),
            col(DeliveryRow.due_at) <= now,
        )
        .correlate(BatchRow)
    )
    job = (
        select(_jobs.c.status)
        .where(
            _jobs.c.queueing_lock == literal("batch/") + cast(col(BatchRow.id), String),
            cast(_jobs.c.status, String).in_(("todo", "doing")),
        )
        .correlate(BatchRow)
    )
    found = session.execute(
        select(col(BatchRow.id))
        .join(IssueRow, col(IssueRow.id) == col(BatchRow.issue_id))
        .where(
            col(IssueRow.state) == IssueState.RUNNING.value,
            col(BatchRow.finished).is_(False),
            not_alive(session, col(BatchRow.holder), me=None, alone=False, now=now),
            ~job.exists(),
            due.exists(),
        )
    )
    return _defer(session, [batch_id for batch_id in found.scalars() if batch_id is not None], at=None)


def _has_jobs(session: Session) -> bool:
    return dialect_of(session) == "postgresql"


def _has_batches(session: Session, issue_id: int) -> bool:
    open_batch = select(col(BatchRow.id)).where(col(BatchRow.issue_id) == issue_id, col(BatchRow.finished).is_(False))
    return session.execute(open_batch.limit(1)).first() is not None


def _defer(session: Session, batch_ids: Sequence[int], *, at: datetime | None) -> int:
    if not batch_ids:
        return 0
    values = {"ids": list(batch_ids), "at": at}
    session.execute(_WITHDRAW, values)
    for _ in range(3):
        # Another process may defer a job for one of them at this moment: then look again, and leave it out.
        with suppress(IntegrityError), session.begin_nested():
            deferred = session.execute(_DEFER, values | {"queue": QUEUE, "task": TASK}).scalar_one()
            return len(deferred or ())
    return 0
