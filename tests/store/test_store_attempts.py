"""The history of deliveries that were not accepted at once; and why those in doubt are so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlmodel import col
from world import World, courier

from syndicate.core.happenings import Attempt
from syndicate.core.outcomes import BounceClass
from syndicate.model import AttemptEvent, DeliveryState, Keyring, Outcome, OutcomeKind
from syndicate.store import attempts, doubts, upkeep
from syndicate.store.deliveries import Result, Task, record, take
from syndicate.store.engine import Database
from syndicate.store.holders import DATABASE_RESTARTED, DIED, MACHINE_RESTARTED, register_holder
from syndicate.store.issues import finish_issues
from syndicate.store.subscribers import erase_subscriber
from syndicate.store.tables import AttemptRow, DeliveryRow, HolderRow


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def taken(world: World, people: int, holder: str = "me") -> list[Task]:
    for number in range(people):
        world.subscriber(f"reader{number}@example.org")
    world.article("story")
    world.poll()
    world.compose()
    return take_up(world, holder)


def take_up(world: World, holder: str = "me") -> list[Task]:
    with world.database.write() as session:
        return take(session, holder=holder, now=world.now, limit=100)


def result(task: Task, state: DeliveryState, kind: OutcomeKind, code: int, **fields: Any) -> Result:
    outcome = Outcome(kind=kind, code=code, text=f"{code} to {task.email}", relay="mx:25")
    return Result(task=task, state=state, outcome=outcome, **fields)


def recorded(world: World, *results: Result, holder: str = "me") -> None:
    with world.database.write() as session:
        record(session, results, holder=holder, now=world.now)
        attempts.note(session, results, world.now)


def histories(world: World) -> list[list[Attempt]]:
    with world.database.read() as session:
        ids = list(session.execute(select(col(DeliveryRow.id)).order_by(col(DeliveryRow.id))).scalars())
        found = attempts.attempts_of(session, [number for number in ids if number is not None])
        return [found.get(number or 0, []) for number in ids]


def events(world: World) -> list[list[str]]:
    return [[attempt.event.value for attempt in history] for history in histories(world)]


def test_each_answer_but_an_acceptance_is_kept_with_what_was_said(world: World) -> None:
    accepted, deferred, rejected, doubtful, given_up, resent = taken(world, 6)
    later = world.now + timedelta(minutes=5)
    recorded(
        world,
        result(accepted, DeliveryState.ACCEPTED, OutcomeKind.ACCEPTED, 250),
        result(deferred, DeliveryState.DEFERRED, OutcomeKind.DEFERRED, 450, due_at=later),
        result(rejected, DeliveryState.REJECTED, OutcomeKind.REJECTED, 550, bounce_class=BounceClass.HARD),
        result(doubtful, DeliveryState.IN_DOUBT, OutcomeKind.IN_DOUBT, 0),
        result(given_up, DeliveryState.REJECTED, OutcomeKind.DEFERRED, 452, bounce_class=BounceClass.SOFT),
        result(resent, DeliveryState.DEFERRED, OutcomeKind.IN_DOUBT, 0, due_at=later),
    )
    assert events(world) == [[], ["deferred"], ["rejected"], ["in_doubt"], ["given_up"], ["in_doubt"]]
    _, (first,), (second,), *_ = histories(world)
    assert first == Attempt(
        number=1,
        event=AttemptEvent.DEFERRED,
        at=world.now,
        begun_at=world.now,
        reason=None,
        relay="mx:25",
        code=450,
        reply="450 to reader1@example.org",
        next_at=later,
    )
    assert (second.reason, second.next_at) == ("hard", None)


def test_each_attempt_is_kept_in_order(world: World) -> None:
    (task,) = taken(world, 1)
    for hours in range(3):
        due_at = world.now + timedelta(hours=1)
        recorded(world, result(task, DeliveryState.DEFERRED, OutcomeKind.DEFERRED, 450 + hours, due_at=due_at))
        world.now = due_at
        (task,) = take_up(world)
    (history,) = histories(world)
    assert [(attempt.number, attempt.code) for attempt in history] == [(1, 450), (2, 451), (3, 452)]


def test_a_row_that_was_taken_over_meanwhile_gets_no_attempt_of_the_one_that_woke_up(world: World) -> None:
    mine, lost = taken(world, 2)
    with world.database.write() as session:
        row = session.execute(select(DeliveryRow).where(col(DeliveryRow.id) == lost.id)).scalar_one()
        row.state, row.finished_at = DeliveryState.IN_DOUBT, world.now - timedelta(seconds=1)
        session.add(row)
    due_at = world.now + timedelta(hours=1)
    recorded(
        world,
        result(mine, DeliveryState.IN_DOUBT, OutcomeKind.IN_DOUBT, 0),
        result(lost, DeliveryState.DEFERRED, OutcomeKind.DEFERRED, 450, due_at=due_at),
    )
    assert events(world) == [["in_doubt"], []]


def test_an_erased_reader_leaves_no_words_of_the_server(world: World) -> None:
    before, during = taken(world, 2)
    later = world.now + timedelta(hours=1)
    recorded(world, result(before, DeliveryState.DEFERRED, OutcomeKind.DEFERRED, 450, due_at=later))
    with world.database.write() as session:
        erase_subscriber(session, before.subscriber_id)
        erase_subscriber(session, during.subscriber_id)
    recorded(world, result(during, DeliveryState.DEFERRED, OutcomeKind.DEFERRED, 451, due_at=later))
    assert [[attempt.reply for attempt in history] for history in histories(world)] == [[None], [None]]
    assert [history[0].code for history in histories(world)] == [450, 451]


def test_attempts_go_with_their_deliveries(world: World) -> None:
    recorded(
        world,
        *(result(task, DeliveryState.REJECTED, OutcomeKind.REJECTED, 550) for task in taken(world, 3)),
    )
    with world.database.write() as session:
        (issue_id,) = finish_issues(session, world.now)
        upkeep.keep_sums(session, issue_id)
        assert upkeep.drop_deliveries(session, issue_id, 10) == 3
        assert session.execute(select(func.count()).select_from(AttemptRow)).scalar_one() == 0


@pytest.mark.parametrize("policy", ["ask", "skip", "resend"])
def test_a_crash_is_an_attempt_in_doubt_whatever_becomes_of_it(world: World, policy: Any) -> None:
    taken(world, 3, holder="dead")
    take_over(world, policy=policy)
    assert events(world) == [["in_doubt"]] * 3
    (attempt,) = histories(world)[0]
    assert attempt.reason == DIED
    assert attempt.next_at == (world.now if policy == "resend" else None)


@pytest.mark.parametrize(("how", "event"), [("resend", "resent"), ("skip", "skipped")])
def test_a_decision_of_the_operator_is_kept(world: World, how: Any, event: str) -> None:
    taken(world, 2, holder="dead")
    take_over(world)
    with world.database.write() as session:
        assert doubts.resolve(session, 1, how=how, now=world.now) == 2
    assert events(world) == [["in_doubt", event]] * 2


def take_over(world: World, *, policy: Any = "ask", boot_id: str | None = "boot-2") -> None:
    with world.database.write() as session:
        register_holder(session, "me", host="here", pid=2, now=world.now, boot_id=boot_id)
        doubts.take_over(session, me="me", alone=True, policy=policy, now=world.now)


@pytest.mark.parametrize(
    ("host", "boot_id", "reason"),
    [
        ("here", "boot-2", DIED),
        ("here", "boot-1", MACHINE_RESTARTED),
        ("here", None, DIED),
        ("elsewhere", "boot-1", DIED),
    ],
)
def test_a_power_cut_is_told_from_the_death_of_a_process(
    world: World, host: str, boot_id: str | None, reason: str
) -> None:
    with world.database.write() as session:
        register_holder(session, "dead", host=host, pid=1, now=world.now, boot_id=boot_id)
    taken(world, 2, holder="dead")
    take_over(world)
    with world.database.read() as session:
        assert set(session.execute(select(col(DeliveryRow.reason))).scalars()) == {reason}


def test_each_dead_process_has_its_own_cause(world: World) -> None:
    with world.database.write() as session:
        register_holder(session, "cut", host="here", pid=1, now=world.now, boot_id="boot-1")
    for number in range(3):
        world.subscriber(f"reader{number}@example.org")
    world.article("story")
    world.poll()
    world.compose()
    with world.database.write() as session:
        take(session, holder="cut", now=world.now, limit=1)
        take(session, holder="never-entered", now=world.now, limit=1)
        take(session, holder="lost", now=world.now, limit=1)
        session.execute(text("UPDATE deliveries SET holder = NULL WHERE holder = 'lost'"))
    take_over(world)
    with world.database.read() as session:
        reasons = session.execute(select(col(DeliveryRow.reason)).order_by(col(DeliveryRow.id))).scalars().all()
    assert reasons == [MACHINE_RESTARTED, DIED, DIED]


def test_a_restart_of_the_database_server_is_told(postgres_database: Database, keyring: Keyring, now: datetime) -> None:
    world = World(postgres_database, courier(), keyring, now)
    with world.database.write() as session:
        register_holder(session, "dead", host="here", pid=1, now=now)
        row = session.execute(select(HolderRow)).scalar_one()
        assert row.database_started_at is not None
        row.database_started_at -= timedelta(hours=1)
        session.add(row)
    taken(world, 1, holder="dead")
    take_over(world)
    with world.database.read() as session:
        assert session.execute(select(col(DeliveryRow.reason))).scalar_one() == DATABASE_RESTARTED
