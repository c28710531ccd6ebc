"""Jobs: deferred with the issue or not at all, one for each batch, and found again however they were lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from frozen_issue import frozen, subscribe, waiting_jobs
from sqlalchemy import text
from sqlmodel import Session, col, select, update

from syndicate.model import DeliveryState
from syndicate.pipeline import control
from syndicate.store.batches import Batch, claim
from syndicate.store.engine import Database
from syndicate.store.holders import DEAD_AFTER, register_holder
from syndicate.store.jobs import call_workers, hand_on, sweep, take_broom
from syndicate.store.tables import BatchRow, DeliveryRow


@pytest.fixture
def now() -> datetime:
    """PostgreSQL compares the times of jobs with its own clock."""
    return datetime.now(UTC)


@pytest.fixture
def issue_id(postgres_database: Database, now: datetime) -> int:
    """An issue in three batches."""
    with postgres_database.write() as session:
        subscribe(session, 450, now)
        return frozen(session, now)


def forget_jobs(database: Database) -> None:
    with database.write() as session:
        session.connection().execute(text("DELETE FROM procrastinate_jobs"))


def jobs(database: Database) -> list[tuple[int, bool]]:
    with database.read() as session:
        return waiting_jobs(session)


def swept(database: Database, now: datetime) -> int:
    with database.write() as session:
        return sweep(session, now)


def set_rows(database: Database, state: DeliveryState, *, due_at: datetime, batch: int | None = None) -> None:
    with database.write() as session:
        where = [col(DeliveryRow.id) > 0]
        if batch is not None:
            row = session.get_one(BatchRow, batch)
            where = [col(DeliveryRow.id).between(row.first_id, row.last_id)]
        session.connection().execute(update(DeliveryRow).where(*where).values(state=state.value, due_at=due_at))


@contextmanager
def holding(database: Database, batch_id: int, now: datetime) -> Iterator[tuple[Session, Batch]]:
    with database.write() as session:
        register_holder(session, "one", host="h", pid=1, now=now)
        batch = claim(session, batch_id, holder="one", now=now)
        assert batch is not None
        yield session, batch


def test_an_issue_comes_with_a_job_for_each_batch(postgres_database: Database, issue_id: int) -> None:
    with postgres_database.read() as session:
        batches = sorted(session.scalars(select(BatchRow.id)))
    assert jobs(postgres_database) == [(batch, True) for batch in batches]
    assert len(batches) == 3


def test_a_freeze_that_is_rolled_back_leaves_no_job(postgres_database: Database, now: datetime) -> None:
    def freeze_and_fail() -> None:
        with postgres_database.write() as session:
            subscribe(session, 450, now)
            frozen(session, now)
            assert len(waiting_jobs(session)) == 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        freeze_and_fail()
    assert jobs(postgres_database) == []


def test_a_batch_has_one_waiting_job_however_often_workers_are_called(
    postgres_database: Database, issue_id: int
) -> None:
    with postgres_database.write() as session:
        assert call_workers(session, issue_id) == 0
    assert len(jobs(postgres_database)) == 3


def test_on_sqlite_nobody_is_called(sqlite_database: Database, now: datetime) -> None:
    with sqlite_database.write() as session:
        subscribe(session, 10, now)
        assert call_workers(session, frozen(session, now)) == 0
        assert sweep(session, now) == 0


def test_a_job_that_was_lost_is_found_missing(postgres_database: Database, issue_id: int, now: datetime) -> None:
    forget_jobs(postgres_database)
    assert swept(postgres_database, now) == 3
    assert swept(postgres_database, now) == 0
    assert len(jobs(postgres_database)) == 3


def test_what_a_living_process_holds_or_nobody_waits_for_is_not_called(
    postgres_database: Database, issue_id: int, now: datetime
) -> None:
    first, second, third = (batch for batch, _ in jobs(postgres_database))
    forget_jobs(postgres_database)
    with holding(postgres_database, first, now):
        pass
    set_rows(postgres_database, DeliveryState.DEFERRED, due_at=now + timedelta(hours=1), batch=second)
    assert swept(postgres_database, now) == 1
    assert jobs(postgres_database) == [(third, True)]


def test_a_paused_issue_calls_nobody_and_a_resumed_one_all(
    postgres_database: Database, issue_id: int, now: datetime
) -> None:
    control.pause(postgres_database, issue_id, now)
    forget_jobs(postgres_database)
    assert swept(postgres_database, now) == 0
    control.resume(postgres_database, issue_id, now)
    assert len(jobs(postgres_database)) == 3


def test_a_cancelled_issue_has_no_batches(postgres_database: Database, issue_id: int, now: datetime) -> None:
    control.cancel(postgres_database, issue_id, now)
    with postgres_database.read() as session:
        assert session.exec(select(BatchRow)).all() == []
    assert swept(postgres_database, now) == 0


def test_a_batch_is_handed_on_when_its_next_row_is_due(
    postgres_database: Database, issue_id: int, now: datetime
) -> None:
    first = jobs(postgres_database)[0][0]
    forget_jobs(postgres_database)
    set_rows(postgres_database, DeliveryState.DEFERRED, due_at=now + timedelta(hours=1))
    with holding(postgres_database, first, now) as (session, batch):
        left = hand_on(session, batch, now, not_before=now)
    assert left is not None
    assert left.due_at == now + timedelta(hours=1)
    assert jobs(postgres_database) == [(first, False)]


def test_a_paused_batch_is_not_handed_on(postgres_database: Database, issue_id: int, now: datetime) -> None:
    first = jobs(postgres_database)[0][0]
    forget_jobs(postgres_database)
    with holding(postgres_database, first, now) as (session, batch):
        session.connection().execute(text("UPDATE issues SET state = 'paused'"))
        assert hand_on(session, batch, now, not_before=now) is not None
    assert jobs(postgres_database) == []


def test_rows_sent_again_do_not_wait_for_the_job_of_a_later_retry(
    postgres_database: Database, issue_id: int, now: datetime
) -> None:
    first = jobs(postgres_database)[0][0]
    forget_jobs(postgres_database)
    set_rows(postgres_database, DeliveryState.DEFERRED, due_at=now + timedelta(hours=1))
    with holding(postgres_database, first, now) as (session, batch):
        hand_on(session, batch, now, not_before=now)
    set_rows(postgres_database, DeliveryState.IN_DOUBT, due_at=now, batch=first)
    with postgres_database.write() as session:
        session.connection().execute(text("UPDATE editions SET message = 'm'"))
    control.resolve(postgres_database, issue_id, how="resend", now=now)
    assert (first, True) in jobs(postgres_database)


def test_an_issue_that_runs_again_after_its_end_is_cut_anew(
    postgres_database: Database, issue_id: int, now: datetime
) -> None:
    set_rows(postgres_database, DeliveryState.IN_DOUBT, due_at=now)
    with postgres_database.write() as session:
        session.connection().execute(text("UPDATE issues SET state = 'finished'"))
        session.connection().execute(text("DELETE FROM batches"))
        session.connection().execute(text("UPDATE editions SET message = 'm'"))
    forget_jobs(postgres_database)
    control.resolve(postgres_database, issue_id, how="resend", now=now)
    assert len(jobs(postgres_database)) == 3


def test_an_issue_from_before_there_were_batches_is_found_by_the_sweep(
    postgres_database: Database, issue_id: int, now: datetime
) -> None:
    forget_jobs(postgres_database)
    with postgres_database.write() as session:
        session.connection().execute(text("DELETE FROM batches"))
    assert swept(postgres_database, now) == 3


def test_two_that_defer_at_once_leave_one_job_and_no_error(
    postgres_database: Database, issue_id: int, now: datetime
) -> None:
    forget_jobs(postgres_database)
    both = threading.Barrier(2)
    counts: list[int] = []

    def call() -> None:
        with postgres_database.write() as session:
            both.wait(10)
            counts.append(call_workers(session, issue_id))

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(counts) == 3
    assert len(jobs(postgres_database)) == 3


def test_one_sweeps_at_a_time(postgres_database: Database, issue_id: int, now: datetime) -> None:
    forget_jobs(postgres_database)
    with postgres_database.write() as session, postgres_database.write() as other:
        assert take_broom(session)
        assert not take_broom(other)
    with postgres_database.write() as session:
        assert take_broom(session)


def test_the_job_of_a_worker_that_died_is_deferred_anew(
    postgres_database: Database, issue_id: int, now: datetime
) -> None:
    first = jobs(postgres_database)[0][0]
    with postgres_database.write() as session:
        connection = session.connection()
        worker = connection.scalar(text("SELECT procrastinate_register_worker_v1()"))
        job = connection.scalar(
            text("SELECT (procrastinate_fetch_job_v2(ARRAY['deliveries'], :worker)).id"), {"worker": worker}
        )
    assert swept(postgres_database, now) == 0
    with postgres_database.write() as session:
        session.connection().execute(
            text("UPDATE procrastinate_workers SET last_heartbeat = now() - CAST(:silent AS interval)"),
            {"silent": 2 * DEAD_AFTER},
        )
    assert swept(postgres_database, now) == 1
    assert (first, True) in jobs(postgres_database)
    with pytest.raises(Exception, match="not found"), postgres_database.write() as session:
        session.connection().execute(text("SELECT procrastinate_finish_job_v1(:job, 'succeeded', true)"), {"job": job})
