"""Batches: an issue cut into slices that cover it, claimed by one process at a time, given back with what they hold."""

from __future__ import annotations

from datetime import datetime, timedelta

from frozen_issue import frozen, subscribe
from sqlalchemy import text
from sqlmodel import Session, col, select, update

from syndicate.model import DeliveryState
from syndicate.store.batches import Batch, claim, drop_batches, give_back, reopen, slice_issue, still_ours
from syndicate.store.deliveries import take
from syndicate.store.due import DUE_WITHIN, Span
from syndicate.store.engine import Database
from syndicate.store.holders import DEAD_AFTER, give_up_dead, register_holder, touch_holder
from syndicate.store.issues import finish_issues
from syndicate.store.tables import BatchRow, DeliveryRow, HolderRow
from syndicate.store.waiting import next_turn


def issue_for(database: Database, people: int, now: datetime) -> int:
    with database.write() as session:
        subscribe(session, people, now)
        return frozen(session, now)


def batch_ids(session: Session) -> list[int]:
    return [number for number in session.exec(select(BatchRow.id).order_by(col(BatchRow.id))) if number is not None]


def claimed(database: Database, batch_id: int, holder: str, now: datetime) -> Batch | None:
    with database.write() as session:
        register_holder(session, holder, host="h", pid=1, now=now)
        return claim(session, batch_id, holder=holder, now=now)


def silence(database: Database, holder: str) -> None:
    """Make a process look as if it had been dead for a while, by whichever clock."""
    with database.write() as session:
        row = session.exec(select(HolderRow).where(HolderRow.holder == holder)).one()
        row.seen_at -= 2 * DEAD_AFTER
        session.add(row)


def set_state(session: Session, state: DeliveryState, *where: object, due_at: datetime | None = None) -> None:
    values = {"state": state.value} | ({"due_at": due_at} if due_at else {})
    session.connection().execute(update(DeliveryRow).where(*where).values(**values))  # type: ignore[arg-type]


def test_freezing_cuts_an_issue_into_batches_that_cover_it(database: Database, now: datetime) -> None:
    issue_id = issue_for(database, 450, now)
    with database.read() as session:
        batches = session.exec(select(BatchRow).order_by(col(BatchRow.first_id))).all()
        rows = session.exec(select(DeliveryRow.id).order_by(col(DeliveryRow.id))).all()
    assert [batch.issue_id for batch in batches] == [issue_id] * 3
    assert (batches[0].first_id, batches[-1].last_id) == (rows[0], rows[-1])
    assert [batch.first_id for batch in batches[1:]] == [batch.last_id + 1 for batch in batches[:-1]]


def test_cutting_an_issue_twice_changes_nothing(database: Database, now: datetime) -> None:
    issue_id = issue_for(database, 300, now)
    with database.write() as session:
        before = batch_ids(session)
        assert slice_issue(session, issue_id) == 2
        assert batch_ids(session) == before


def test_a_batch_has_one_holder_at_a_time(database: Database, now: datetime) -> None:
    issue_for(database, 10, now)
    first = claimed(database, 1, "one", now)
    assert first is not None
    assert claimed(database, 1, "two", now) is None
    silence(database, "one")
    second = claimed(database, 1, "three", now)
    assert second is not None
    assert second.fence == first.fence + 1
    with database.write() as session:
        assert not still_ours(session, "one", first)
        assert still_ours(session, "three", second)
        assert give_back(session, first) is None
        assert still_ours(session, "three", second)


def test_only_batches_of_running_issues_are_claimed(database: Database, now: datetime) -> None:
    issue_for(database, 10, now)
    with database.write() as session:
        session.connection().execute(text("UPDATE issues SET state = 'paused'"))
    assert claimed(database, 1, "one", now) is None


def test_one_that_was_given_up_learns_it_by_its_own_row(database: Database, now: datetime) -> None:
    issue_for(database, 10, now)
    batch = claimed(database, 1, "one", now)
    silence(database, "one")
    with database.write() as session:
        give_up_dead(session, now)
    with database.write() as session:
        assert not still_ours(session, "one", batch)
        assert not touch_holder(session, "one", now)


def test_a_batch_given_back_says_what_it_holds_and_is_finished_when_that_is_nothing(
    database: Database, now: datetime
) -> None:
    issue_for(database, 10, now)
    later = now + timedelta(minutes=5)
    with database.write() as session:
        register_holder(session, "one", host="h", pid=1, now=now)
        ids = list(session.exec(select(DeliveryRow.id).order_by(col(DeliveryRow.id))))
        set_state(session, DeliveryState.ACCEPTED, col(DeliveryRow.id) > ids[2])
        set_state(session, DeliveryState.DEFERRED, col(DeliveryRow.id) == ids[0], due_at=later)
        set_state(session, DeliveryState.SENDING, col(DeliveryRow.id) == ids[1])
        batch = claim(session, 1, holder="one", now=now)
        assert batch is not None
        left = give_back(session, batch)
        assert left is not None
        assert (left.waiting, left.sending) == (2, 1)
        assert left.due_at == now  # the one that is still queued
    with database.write() as session:
        set_state(session, DeliveryState.ACCEPTED, col(DeliveryRow.id) > 0)
        batch = claim(session, 1, holder="one", now=now)
        assert batch is not None
        give_back(session, batch)
        assert claim(session, 1, holder="one", now=now) is None


def test_rows_queued_anew_open_their_batch_and_no_other(database: Database, now: datetime) -> None:
    issue_id = issue_for(database, 450, now)
    with database.write() as session:
        set_state(session, DeliveryState.ACCEPTED, col(DeliveryRow.id) > 0)
        session.connection().execute(text("UPDATE batches SET finished = true"))
        second = session.exec(select(BatchRow).order_by(col(BatchRow.id)).offset(1)).first()
        assert second is not None
        set_state(session, DeliveryState.QUEUED, col(DeliveryRow.id) == second.last_id)
        reopen(session, issue_id)
    with database.read() as session:
        assert list(session.exec(select(BatchRow.id).where(~col(BatchRow.finished)))) == [second.id]


def test_a_finished_issue_has_no_batches_until_it_is_opened_again(database: Database, now: datetime) -> None:
    issue_id = issue_for(database, 450, now)
    with database.write() as session:
        set_state(session, DeliveryState.ACCEPTED, col(DeliveryRow.id) > 0)
        assert finish_issues(session, now) == [issue_id]
        assert batch_ids(session) == []
        assert slice_issue(session, issue_id) == 3
        drop_batches(session, [issue_id])
        assert batch_ids(session) == []


def test_rows_are_taken_within_the_span_and_in_order_and_what_was_put_back_comes_again(
    database: Database, now: datetime
) -> None:
    issue_id = issue_for(database, 450, now)
    with database.write() as session:
        second = session.exec(select(BatchRow).order_by(col(BatchRow.id)).offset(1)).first()
        assert second is not None
        span = Span(second.first_id, second.last_id, second.first_id)

        def taken(limit: int) -> list[int]:
            tasks = take(session, holder="me", now=now, limit=limit, issues=[issue_id], span=span)
            return [task.id for task in tasks]

        whole = list(range(second.first_id, second.last_id + 1))
        assert taken(30) == whole[:30]
        set_state(session, DeliveryState.QUEUED, col(DeliveryRow.id) == whole[3])
        assert taken(1000) == [*whole[30:], whole[3]]
        assert taken(5) == []


def test_what_waits_in_other_batches_is_nothing_to_wait_for(database: Database, now: datetime) -> None:
    """A worker whose batch was done waited two seconds for the rest of the issue, which was for others to send."""
    issue_id = issue_for(database, 500, now)
    with database.write() as session:
        rows = session.exec(select(BatchRow).order_by(col(BatchRow.id))).all()
        spans = [Span(row.first_id, row.last_id, row.first_id) for row in rows]
        assert len(spans) > 1
        set_state(session, DeliveryState.ACCEPTED, col(DeliveryRow.id).between(spans[0].first, spans[0].last))
        later = now + timedelta(minutes=5)
        set_state(
            session, DeliveryState.QUEUED, col(DeliveryRow.id) == spans[1].first, due_at=now - timedelta(minutes=1)
        )
        set_state(session, DeliveryState.DEFERRED, col(DeliveryRow.id) == spans[0].first, due_at=later)
        assert next_turn(session, [issue_id]) == now - timedelta(minutes=1)
        assert next_turn(session, [issue_id], span=spans[0]) is None, "what was tried has its turn another time"
        assert next_turn(session, [issue_id], span=spans[1]) == now - timedelta(minutes=1)


def test_the_look_for_a_batchs_rows_reads_no_others(postgres_database: Database, now: datetime) -> None:
    issue_id = issue_for(postgres_database, 5_000, now)
    with postgres_database.write() as session:
        first = session.exec(select(BatchRow).order_by(col(BatchRow.id)).offset(4)).first()
        assert first is not None
        for analysed in (False, True):
            if analysed:
                session.connection().execute(text("ANALYZE"))
            connection = session.connection()
            sql = "EXPLAIN " + DUE_WITHIN._make(connection.dialect).text
            values = {"issue": issue_id, "now": now, "most": 40, "first": first.first_id, "last": first.last_id}
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(sql, values))
            assert "deliveries_pkey" in plan, plan
            assert "ix_deliveries_issue_state" not in plan, plan
