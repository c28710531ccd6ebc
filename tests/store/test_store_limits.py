"""Limits over processes and restarts: each test runs on both databases."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, text, update
from sqlmodel import Session, col
from world import World, courier

from syndicate.core.limits import DAY, Limit, Usage, grant, interval
from syndicate.model import Keyring, Outcome, OutcomeKind, Rate
from syndicate.store import limits as store
from syndicate.store.compiled import moment
from syndicate.store.deliveries import release, take
from syndicate.store.due import _due
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder
from syndicate.store.limits import Limits
from syndicate.store.seats import claim_seats
from syndicate.store.tables import DeliveryRow, IssueRow

MINUTE = timedelta(minutes=1)
RATE = Rate(100, MINUTE)
WIDE = Rate(6000, MINUTE)


def gmail(rate: Rate | None = RATE, connections: int | None = None) -> Limits:
    return Limits(
        domains={"gmail.com": "gmail.com", "googlemail.com": "gmail.com"},
        destinations={"gmail.com": Limit(rate=rate, connections=connections)},
        widest=10,
    )


def answer(code: int, text: str, **fields: Any) -> Outcome:
    return Outcome(
        kind=OutcomeKind.DEFERRED, code=code, enhanced=text.partition(" ")[0], text=text, relay="main", **fields
    )


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def issue_for(world: World, domains: Sequence[str]) -> int:
    """An issue with one recipient at each of the domains."""
    for number, domain in enumerate(domains):
        world.subscriber(f"reader{number}@{domain}")
    world.article("story")
    world.poll()
    return world.compose().id


def taken(database: Database, limits: Limits, now: datetime, *, most: int = 100, holder: str = "me") -> list[str]:
    with database.write() as session:
        return [task.email for task in take(session, holder=holder, now=now, limit=most, limits=limits)]


def due_times(database: Database, state: str = "queued") -> list[datetime]:
    with database.read() as session:
        query = select(col(DeliveryRow.due_at)).where(col(DeliveryRow.state) == state).order_by(col(DeliveryRow.due_at))
        return list(session.execute(query).scalars())


def test_what_exceeds_a_rate_waits_for_its_turn_and_holds_nobody_up(world: World) -> None:
    issue_for(world, ["gmail.com", "googlemail.com"] * 6 + ["example.org"] * 5)
    first = taken(world.database, gmail(), world.now)
    assert len(first) == 6
    assert sum(email.endswith("example.org") for email in first) == 5
    turns = due_times(world.database)
    assert turns == [world.now + n * interval(RATE) for n in range(1, 12)]
    assert world.issue(1).balanced
    assert taken(world.database, gmail(), world.now) == []
    assert len(taken(world.database, gmail(), turns[0])) == 1
    # All that has come due meanwhile: still one at a time, and the others wait again.
    assert len(taken(world.database, gmail(), turns[-1])) == 1
    assert min(due_times(world.database)) > turns[-1]


def test_a_deferred_row_keeps_its_state_while_it_waits(world: World) -> None:
    issue_for(world, ["gmail.com"] * 3)
    with world.database.write() as session:
        session.execute(update(DeliveryRow).values(state="deferred"))
    assert len(taken(world.database, gmail(), world.now)) == 1
    assert len(due_times(world.database, "deferred")) == 2


def test_who_is_refused_for_another_reason_costs_no_allowance(world: World) -> None:
    issue_for(world, ["gmail.com"] * 3)
    with world.database.write() as session:
        session.execute(text("UPDATE subscriptions SET state = 'unsubscribed' WHERE subscriber_id < 3"))
    assert taken(world.database, gmail(), world.now) == ["reader2@gmail.com"]
    assert world.counts(1).suppressed == 2


def test_a_limit_holds_over_a_restart(world: World, database_url: str) -> None:
    issue_for(world, ["gmail.com"] * 5)
    assert len(taken(world.database, gmail(), world.now)) == 1
    with world.database.write() as session:
        session.execute(update(DeliveryRow).where(col(DeliveryRow.state) == "queued").values(due_at=world.now))
    other = Database(database_url)
    try:
        assert taken(other, gmail(), world.now, holder="next") == []
        with other.write() as session:
            session.execute(update(DeliveryRow).where(col(DeliveryRow.state) == "queued").values(due_at=world.now))
        assert len(taken(other, gmail(), world.now + interval(RATE), holder="next")) == 1
    finally:
        other.close()


def test_two_processes_share_a_rate(world: World, database_url: str) -> None:
    issue_for(world, ["gmail.com"] * 400)
    count = grant(Limit(rate=WIDE), Usage(), asking=1000, now=world.now).count
    other = Database(database_url)
    found: list[str] = []
    errors: list[BaseException] = []

    def work(database: Database, holder: str) -> None:
        try:
            for _ in range(20):
                found.extend(taken(database, gmail(WIDE), world.now, most=10, holder=holder))
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(world.database, "one")),
        threading.Thread(target=work, args=(other, "two")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert errors == []
    assert len(found) == len(set(found)) == count == 100


def test_no_more_are_sent_to_a_domain_at_once_than_connections_by_all_processes(world: World) -> None:
    issue_for(world, ["gmail.com", "googlemail.com"] * 5)
    limits = gmail(rate=None, connections=3)
    assert len(taken(world.database, limits, world.now, most=2, holder="one")) == 2
    assert len(taken(world.database, limits, world.now + MINUTE, holder="two")) == 1
    assert taken(world.database, limits, world.now + 2 * MINUTE, holder="two") == []
    with world.database.write() as session:
        ids = list(session.execute(select(col(DeliveryRow.id)).where(col(DeliveryRow.holder) == "one")).scalars())
        release(session, [each for each in ids if each is not None], holder="one")
    assert len(taken(world.database, limits, world.now + 3 * MINUTE, holder="two")) == 2


def test_421_pauses_its_destination_and_nobody_else(world: World) -> None:
    issue_for(world, ["mail.example", "mail.example", "example.org"])
    limits = Limits(widest=10)
    with world.database.write() as session:
        (slowed,) = store.record_pressure(session, [("r@mail.example", answer(421, "4.7.0 slow"))], limits, world.now)
    assert slowed.what == "domain mail.example"
    assert slowed.usage.paused_until == world.now + MINUTE
    assert taken(world.database, limits, world.now) == ["reader2@example.org"]
    assert min(due_times(world.database)) == world.now + MINUTE
    assert len(taken(world.database, limits, world.now + 2 * MINUTE)) == 2


def test_greylisting_slows_nobody(world: World) -> None:
    limits = Limits(widest=10)
    with world.database.write() as session:
        answers = [("r@mail.example", answer(450, "4.2.0 greylisted")), ("r@mail.example", answer(451, "4.3.0 later"))]
        assert store.record_pressure(session, answers, limits, world.now) == []
        assert store.limits_in_force(session, world.now) == []
    assert limits.troubled == frozenset()


def test_a_configured_rate_is_halved(world: World) -> None:
    limits = gmail()
    with world.database.write() as session:
        store.record_pressure(session, [("r@googlemail.com", answer(421, "4.7.0 slow"))], limits, world.now)
    issue_for(world, ["gmail.com"] * 3)
    assert len(taken(world.database, limits, world.now)) == 1
    assert due_times(world.database)[0] == world.now + interval(RATE, 0.5)


def test_another_process_learns_of_it(world: World, database_url: str) -> None:
    issue_for(world, ["mail.example"])
    with world.database.write() as session:
        store.record_pressure(session, [("r@mail.example", answer(421, "4.7.0 slow"))], Limits(), world.now)
    other = Database(database_url)
    limits = Limits()
    with other.write() as session:
        store.refresh(session, limits, world.now)
    assert taken(other, limits, world.now) == []
    with other.write() as session:
        store.refresh(session, limits, world.now + DAY)
    other.close()
    assert limits.troubled == frozenset()


def test_what_a_relay_says_to_mail_is_about_the_relay(world: World) -> None:
    limits = Limits(widest=10)
    with world.database.write() as session:
        answers = [("r@mail.example", answer(421, "4.7.0 too many messages from you", about_relay=True))]
        (slowed,) = store.record_pressure(session, answers, limits, world.now)
        assert slowed.what == "relay main"
        assert store.relay_usages(session, limits, ["main", "other"], world.now)["main"] == slowed.usage
    issue_for(world, ["mail.example"])
    assert len(taken(world.database, limits, world.now)) == 1


def test_a_relay_that_failed_is_remembered_until_it_works(world: World) -> None:
    limits = Limits()
    with world.database.write() as session:
        store.relay_failed(session, limits, "main", "refused", world.now)
    again = Limits()
    with world.database.write() as session:
        store.refresh(session, again, world.now + MINUTE)
        (usage,) = store.relay_usages(session, again, ["main"], world.now + MINUTE).values()
        assert (usage.failures, usage.reason) == (1, "refused")
        store.relay_worked(session, again, "main", world.now + MINUTE)
        assert store.limits_in_force(session, world.now, failures=True) == []
    assert again.troubled == frozenset()


def test_an_operator_may_have_it_tried_at_once(world: World) -> None:
    limits = Limits()
    with world.database.write() as session:
        store.relay_failed(session, limits, "main", "refused", world.now)
        store.record_pressure(session, [("r@mail.example", answer(421, "4.7.0 slow"))], limits, world.now)
        store.try_again(session, world.now)
        assert [each.what for each in store.limits_in_force(session, world.now)] == ["domain mail.example"]
        usage = store.relay_failed(session, limits, "main", "refused", world.now)
        assert store.relay_failed(session, limits, "main", "refused", world.now) is None
    assert usage is not None
    assert usage.paused_until == world.now + timedelta(seconds=10)


def test_a_warm_up_is_counted_and_what_was_not_sent_is_given_back(world: World) -> None:
    limits = Limits(relays={"main": Limit(warm_up=(50,))})
    with world.database.write() as session:
        usages = store.relay_usages(session, limits, ["main"], world.now)
        store.spend_relays(session, limits, usages, {"main": 30}, world.now)
        store.refund_relay(session, limits, "main", 10, world.now)
    with world.database.write() as session:
        assert store.relay_usages(session, limits, ["main"], world.now)["main"].taken == 20


def test_forgotten_are_only_destinations_of_long_ago(world: World) -> None:
    limits = Limits(relays={"main": Limit(warm_up=(50,))})
    with world.database.write() as session:
        store.record_pressure(session, [("r@mail.example", answer(421, "4.7.0 slow"))], limits, world.now)
        store.relay_usages(session, limits, ["main"], world.now)
        assert store.drop_limits(session, world.now) == 0
        assert store.drop_limits(session, world.now + DAY) == 1
        assert "main" in store.relay_usages(session, limits, ["main"], world.now)


def test_without_limits_no_statement_is_spent_on_them(world: World) -> None:
    issue_for(world, ["mail.example"] * 3)
    statements: list[str] = []
    event.listen(world.database.engine, "before_cursor_execute", lambda _c, _x, sql, *_: statements.append(sql))
    assert len(taken(world.database, Limits(), world.now)) == 3
    assert not any("limits" in sql for sql in statements)


def test_a_take_moves_a_bounded_number_of_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from syndicate.store import deliveries

    monkeypatch.setattr(deliveries, "MOST_PUT_OFF", 20)
    monkeypatch.setattr(deliveries, "STEP", 10)
    issue_for(world, ["gmail.com"] * 60)
    assert len(taken(world.database, gmail(), world.now, most=10)) == 1
    moved = [at for at in due_times(world.database) if at > world.now]
    assert 20 <= len(moved) < 40


WAITING, DUE = 100_000, 4


def backlog(database: Database, now: datetime) -> None:
    """As many rows that wait for their turn as a destination with a limit may have, few that are due, and a past issue."""
    with database.write() as session:
        connection = session.connection()
        for number, state in ((1, "finished"), (2, "running")):
            session.add(IssueRow(id=number, digest="morning", period=f"p{number}", state=state, composed_at=now))
        session.flush()
        numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :all) "
        values = {"all": WAITING + DUE, "waiting": WAITING}
        times = {name: moment(session, at) for name, at in (("now", now), ("later", now + MINUTE))}
        statements = (
            """INSERT INTO subscribers (id, email, email_key, email_hash, domain, created_at, name) {numbers}
            SELECT n, 'r' || n || '@gmail.com', 'r' || n || '@gmail.com', 'h' || n, 'gmail.com', :now, '' FROM numbers""",
            """INSERT INTO deliveries (issue_id, subscriber_id, state, attempts, resolved, due_at, finished_at) {numbers}
            SELECT 1, n, 'accepted', 1, false, :now, :now FROM numbers""",
            """INSERT INTO deliveries (issue_id, subscriber_id, state, attempts, resolved, due_at) {numbers}
            SELECT 2, n, 'queued', 0, false, CASE WHEN n <= :waiting THEN :later ELSE :now END FROM numbers""",
        )
        for statement in (each.replace("{numbers}", numbers) for each in statements):
            given = {name: value for name, value in (values | times).items() if f":{name}" in statement}
            connection.execute(text(statement), given)


def plan_of(session: Session, sql: str, values: Any) -> str:
    connection = session.connection()
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(" ".join(map(str, row)) for row in connection.exec_driver_sql(explain + sql, values))


def reads_all(plan: str, table: str) -> bool:
    """Whether a plan reads a whole table, by itself or by an index that holds it all; in the words of either database."""
    return re.search(rf"SCAN {table}\b(?! USING INDEX ix_deliveries_sending)|Seq Scan on {table}\b", plan) is not None


def test_what_waits_for_its_turn_is_not_looked_at(database: Database, now: datetime) -> None:
    backlog(database, now)
    with database.write() as session:
        connection = session.connection()
        # As a new issue is found, before anything has counted its rows, and after.
        for analysed in (False, True):
            if analysed:
                connection.exec_driver_sql("ANALYZE")
            for within in (False, True):
                statement = _due(connection.dialect.name, within=within).compile(dialect=connection.dialect)
                values: Any = {"issue": 2, "now": moment(session, now), "most": 40}
                values |= {"first": WAITING, "last": WAITING + 2_000}
                if statement.positiontup is not None:
                    values = tuple((statement.params | values)[name] for name in statement.positiontup)
                plan = plan_of(session, str(statement), values)
                index = "deliveries_pkey|PRIMARY KEY" if within else "ix_deliveries_issue_state"
                assert re.search(index, plan), plan
                assert not reads_all(plan, "deliveries"), plan
                assert not reads_all(plan, "subscribers"), plan
            literal = {"literal_binds": True, "render_postcompile": True}
            busy = str(store._sending_by_domain().compile(connection, compile_kwargs=literal))
            plan = plan_of(session, busy, ())
            assert "ix_deliveries_sending" in plan, plan
            assert not reads_all(plan, "deliveries"), plan
            assert not reads_all(plan, "subscribers"), plan
        tasks = take(session, holder="me", now=now, limit=40, limits=gmail())
        assert len(tasks) == 0, "they are nobody's: none of them is subscribed"


def claim(session: Session, holder: str, wanted: int, now: datetime) -> int:
    return claim_seats(session, holder=holder, wanted={"main": wanted}, most={"main": 10}, now=now)["main"]


def test_processes_share_the_connections_of_a_relay(postgres_database: Database, now: datetime) -> None:
    with postgres_database.write() as session:
        for name in ("one", "two"):
            register_holder(session, name, host="here", pid=1, now=now)
        assert claim(session, "one", 10, now) == 10
        assert claim(session, "two", 10, now) == 0  # the other one has them still
        assert claim(session, "one", 10, now) == 5
        assert claim(session, "two", 10, now) == 5
        assert claim(session, "one", 2, now) == 2
        assert claim(session, "two", 10, now) == 8
        session.execute(text("UPDATE holders SET seen_at = seen_at - interval '1 hour' WHERE holder = 'two'"))
        assert claim(session, "one", 10, now) == 10
        session.execute(text("DELETE FROM holders WHERE holder = 'one'"))
        assert session.execute(text("SELECT holder FROM relay_seats")).scalars().all() == ["two"]
